"""What is wrong with the gateway itself and with its devices, as conditions of their alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.alarm import Condition
from shoptwin.domain.device import DeviceHealth
from shoptwin.domain.errors import StoreCorrupt
from shoptwin.domain.timing import DAY, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shoptwin.domain.device import DeviceChange
    from shoptwin.domain.errors import ModelError, ShoptwinError, StoreError


_DEVICE = {
    "not-connected": (DeviceHealth.LOST, "{0} is lost: {1}", "{0} is back"),
    "auth-failed": (DeviceHealth.AUTH_FAILED, "{0} refuses us: {1}", "{0} lets us in again"),
    "quarantined": (DeviceHealth.QUARANTINED, "the driver of {0} failed: {1}", "{0} has been started anew"),
}


def device_conditions(change: DeviceChange) -> tuple[Condition, ...]:
    """Return what a change of a device's health says to its alarms: at most one of them is true at a time.

    A device that is still connecting for the first time says nothing.
    """
    if change.health is DeviceHealth.CONNECTING:
        return ()
    found = []
    for condition, (health, wrong, right) in _DEVICE.items():
        active = change.health is health
        text = (wrong if active else right).format(change.device, change.reason or "no reason given")
        cause = change.cause if active else ""
        found.append(Condition(f"_gateway/{change.device}.{condition}", active, change.time, text=text, cause=cause))
    return tuple(found)


MISSED = 0.05
"""The part of its polls that a device may leave out before it is told."""
SKEW = 60.0
"""Seconds by which the clock of a device may be off before it is told."""


def device_doubts(device: str, missed: float, skew: float | None, now: int) -> tuple[Condition, ...]:
    """Tell whether a device keeps its period (`missed`: 0 to 1 of its polls) and its clock (`skew`: s behind ours)."""
    late, off = missed > MISSED, skew is not None and abs(skew) > SKEW
    pace = f"{missed:.0%} of the last polls of {device} were left out: it is too slow for its period"
    way = "behind" if (skew or 0.0) > 0 else "ahead of"
    clock = f"the clock of {device} is {abs(skew or 0.0):,.0f} s {way} the gateway's"
    return (
        Condition(f"_gateway/{device}.late", late, now, value=missed * 100, limit=MISSED * 100,
                  text=pace if late else f"{device} keeps its period"),
        Condition(f"_gateway/{device}.clock-skew", off, now, value=skew, limit=SKEW,
                  text=clock if off else f"the clock of {device} agrees with the gateway's"),
    )  # fmt: skip


MOST_NAMED = 5
"""Parts that are named in the text of an alarm where there are more."""


def part_lost(device: str, silent: Sequence[str], now: int) -> Condition:
    """Tell whether something that answers for itself behind a connected device does not: a unit, a node."""
    named = ", ".join(silent[:MOST_NAMED]) + (
        f" and {len(silent) - MOST_NAMED} more" if len(silent) > MOST_NAMED else ""
    )
    text = f"{device} does not reach {named}: what is read there has no value" if silent else f"all of {device} answers"
    return Condition(f"_gateway/{device}.part-lost", bool(silent), now, value=float(len(silent)), limit=0.0, text=text)


EXPIRES_WITHIN = 60 * DAY
"""ns before the end of a certificate from which on it is told: time to have a new one accepted everywhere."""
_RENEW = {
    "gateway": "renew it (shoptwin trust renew), then accept it at the device",
    "server": "renew it at the device, then accept it here (shoptwin trust accept)",
    "user": "renew it, then accept it at the device",
}


def certificate_expiring(device: str, expires: Mapping[str, int], now: int) -> Condition:
    """Tell whether a certificate that a device is talked to with ends soon; `expires`: whose -> until when, ns UTC."""
    soon = sorted((last, whose) for whose, last in expires.items() if last - now < EXPIRES_WITHIN)
    told = [
        f"the certificate of the {whose} for {device} expires on {iso(last)[:10]}: {_RENEW.get(whose, 'renew it')}"
        for last, whose in soon
    ]
    text = "; ".join(told) or f"the certificates for {device} are valid for longer than 60 days"
    left = (soon[0][0] - now) / DAY if soon else None
    return Condition(f"_gateway/{device}.certificate-expiring", bool(soon), now, value=left, limit=60, text=text)


def store_full(failures: Mapping[str, StoreError | None], now: int) -> Condition:
    """Tell whether the files can be written: file name -> why not, or None. All files in one call: the alarm is one."""
    wrong = {file: error for file, error in failures.items() if error and not isinstance(error, StoreCorrupt)}
    text = "; ".join(f"{file}: {error}" for file, error in wrong.items())
    return Condition("_gateway/store.full", bool(wrong), now, text=text or "the stores can be written again")


def store_corrupt(file: str, aside: str, now: int) -> tuple[Condition, ...]:
    """Tell that a damaged file was set aside under the name `aside`, and that a new one is in use.

    Both at once: the damage is over when it is told, and the alarm stays returned until somebody acknowledges it.
    """
    text = f"{file} was damaged; it is kept as {aside}, and a new one has been started"
    return tuple(Condition("_gateway/store.corrupt", active, now, text=text) for active in (True, False))


def models_rejected(errors: Iterable[ModelError], now: int) -> Condition:
    """Tell which models are refused; none clears the alarm."""
    told = [str(error) for error in errors]
    return Condition("_gateway/model.rejected", bool(told), now, text="; ".join(told) or "all models are accepted")


def assess_failed(machine: str, error: str | ShoptwinError | None, now: int) -> Condition:
    """Tell that assessing a machine failed in a way nobody foresaw; None: it works."""
    text = f"assessing {machine} failed: {error}; its limits go on" if error else f"assessing {machine} works again"
    return Condition(f"_gateway/{machine}.assess-failed", bool(error), now, text=text)


def clock_invalid(invalid: bool, now: int) -> Condition:
    """Tell whether the gateway's clock is not set (1970, or before this release was made)."""
    text = "the gateway's clock is not set: times are wrong, and certificates count as not yet valid"
    return Condition("_gateway/clock.invalid", invalid, now, text=text if invalid else "the gateway's clock is set")


def learning_failed(error: str | ShoptwinError | None, now: int) -> Condition:
    """Tell that the learning process ended with an error; None: it works."""
    text = f"learning failed: {error}" if error else "learning works again"
    return Condition("_gateway/learning.failed", bool(error), now, text=text)
