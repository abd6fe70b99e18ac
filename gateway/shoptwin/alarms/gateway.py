"""What is wrong with the gateway itself and with its devices, as conditions of their alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.alarm import Condition
from shoptwin.domain.device import DeviceHealth
from shoptwin.domain.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        found.append(Condition(f"_gateway/{change.device}.{condition}", active, change.time, text=text))
    return tuple(found)


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
