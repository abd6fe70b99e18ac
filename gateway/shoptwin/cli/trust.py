"""`shoptwin trust`."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from shoptwin.cli.keeping import settle, state_dir_option
from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table
from shoptwin.cli.trust_view import day, show_certificate, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin, Trusting
    from shoptwin.domain.trust import Certificate

SHORTEST = 8
"""Hexadecimal digits by which a certificate may be named."""
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{2}([: ]?[0-9A-Fa-f]{2})+")
_WHEN = "a running daemon follows at its next connection, within a minute"


class Found(NamedTuple):
    """A certificate, and the driver that keeps it."""

    driver: Trusting
    certificate: Certificate


class Place(NamedTuple):
    """Where certificates are looked for."""

    drivers: dict[str, Plugin]
    config: Config | None

    def trusting(self) -> Iterable[Trusting]:
        """Return the drivers that keep certificates."""
        from shoptwin.domain.ports import Trusting  # noqa: PLC0415 - numpy comes with it

        return [plugin for plugin in self.drivers.values() if isinstance(plugin, Trusting)]

    def all(self) -> list[Found]:
        """Return what there is."""
        return [Found(driver, each) for driver in self.trusting() for each in driver.certificates()]


def _place(config_path: Path, state_dir: Path | None) -> Place:
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it

    drivers = plugins()
    return Place(drivers, settle(drivers, config_path, state_dir))


def _common(command: Callable[..., None]) -> Callable[..., None]:
    return config_option(state_dir_option(json_option(command)))


@click.group(short_help="Certificates: the gateway's own, and whom it trusts.")
def trust() -> None:
    """Show and decide which certificates the gateway trusts. The files are the truth: no daemon is needed.

    \b
    Examples:
      shoptwin trust list
      shoptwin trust show                       the gateway's own, to be accepted at a PLC
      shoptwin trust accept cell-4              after comparing the thumbprint
    """  # noqa: D301 - click's mark


@trust.command(name="list", short_help="All certificates.")
@_common
def list_(config_path: Path, state_dir: Path | None, as_json: bool) -> None:
    """List the gateway's own certificate, those that are trusted, and those that were seen and are not.

    \b
    Example:
      shoptwin trust list
    """  # noqa: D301 - click's mark
    found = [each.certificate for each in _place(config_path, state_dir).all()]
    if as_json:
        print_json([told(each) for each in found])
        return
    headings = ("standing", "device", "thumbprint", "name", "valid until")
    table(headings, ((c.standing, c.server, c.thumbprint, c.subject, day(c.last)) for c in found))
    for certificate in found:
        for note in certificate.notes:
            below(f"{certificate.thumbprint[:SHORTEST]} {note}")
    if not found:
        click.echo("none yet: the gateway's own is made by `shoptwin trust show`, or when a device first needs it")


@trust.command(short_help="One certificate in full; else the gateway's own.")
@click.argument("which", required=False)
@_common
def show(which: str | None, config_path: Path, state_dir: Path | None, as_json: bool) -> None:
    """Show a certificate: that of a device (its name or URL), or the one with this thumbprint; else the gateway's own.

    Of a device it is what the device shows now, and beside it what is trusted, where that is another.

    \b
    Examples:
      shoptwin trust show
      shoptwin trust show opc.tcp://192.0.2.20:4840
    """  # noqa: D301 - click's mark
    place = _place(config_path, state_dir)
    if which is None:
        shown = [each.certificate for each in _own(place)]
    elif (of_device := _of_device(place, which)) is not None:
        driver, settings = of_device
        now = asyncio.run(driver.seen(settings))
        known = [each for each in driver.certificates() if each.server == now.server]
        shown = [now, *(each for each in known if each.thumbprint != now.thumbprint)]
    else:
        shown = [_of_thumbprint(place.all(), which).certificate]
    if as_json:
        print_json([told(each) for each in shown])
        return
    for n, certificate in enumerate(shown):
        if n:
            click.echo()
        show_certificate(certificate)


@trust.command(short_help="Trust the certificate that a device has shown.")
@click.argument("which")
@click.option("--yes", is_flag=True, help="Do not ask, where WHICH is no thumbprint: I have compared it.")
@_common
def accept(which: str, config_path: Path, state_dir: Path | None, *, yes: bool, as_json: bool) -> None:
    """Trust the certificate WHICH: the device it belongs to must show this one from now on, and no other.

    WHICH is the thumbprint as the device's own tool shows it, or the name or URL of the device: then the thumbprint is
    shown, to be compared, before you are asked.

    \b
    Examples:
      shoptwin trust accept 5F0C3A9E17D2B84C66A1E0F93B7D2C4518EA907B
      shoptwin trust accept cell-4
    """  # noqa: D301 - click's mark
    place = _place(config_path, state_dir)
    of_device = _of_device(place, which)
    if of_device is None:
        driver, certificate = _of_thumbprint(place.all(), which)
    else:
        driver, settings = of_device
        certificate = asyncio.run(driver.seen(settings))
    if certificate.standing == "trusted":
        _done(certificate, f"{certificate.server} is trusted with this certificate already", as_json=as_json)
        return
    if certificate.standing != "rejected":
        raise click.BadParameter("this is the gateway's own: it is accepted at the device", param_hint="WHICH")
    if of_device is not None and not yes:
        _confirm(certificate)
    accepted = driver.accept(certificate)
    _done(
        accepted, f"accepted: {accepted.server} must show {accepted.thumbprint} from now on; {_WHEN}", as_json=as_json
    )


@trust.command(short_help="Trust a certificate no longer.")
@click.argument("which")
@_common
def reject(which: str, config_path: Path, state_dir: Path | None, as_json: bool) -> None:
    """Trust the certificate of a device no longer, named by the device or by the thumbprint.

    \b
    Example:
      shoptwin trust reject cell-4
    """  # noqa: D301 - click's mark
    place = _place(config_path, state_dir)
    trusted = [each for each in place.all() if each.certificate.standing == "trusted"]
    if (of_device := _of_device(place, which)) is not None:
        driver, settings = of_device
        server = driver.server(settings)
        trusted = [each for each in trusted if each.certificate.server == server]
        if not trusted:
            raise click.BadParameter(f"no certificate of {server} is trusted", param_hint="WHICH")
        found = trusted[0]
    else:
        found = _of_thumbprint(trusted, which)
    rejected = found.driver.reject(found.certificate)
    _done(rejected, f"rejected: {rejected.server} is not trusted any more; what runs ends within half a minute",
          as_json=as_json)  # fmt: skip


@trust.command(short_help="A new certificate for the gateway.")
@_common
def renew(config_path: Path, state_dir: Path | None, as_json: bool) -> None:
    """Make the gateway a new certificate with a new key; the old pair is kept in the folder `former`.

    The application URI stays. Every device has to accept the new one before it connects again.

    \b
    Example:
      shoptwin trust renew
    """  # noqa: D301 - click's mark
    place = _place(config_path, state_dir)
    _own(place)  # it needs a name, where there is none yet
    made = [driver.renew() for driver in place.trusting()]
    if as_json:
        print_json([told(each) for each in made])
        return
    for certificate in made:
        show_certificate(certificate)
    below(f"accept it at each device before it is used: {_WHEN}")


def _own(place: Place) -> list[Found]:
    """Return the gateway's own certificates; made where there are none and the gateway's name is known."""
    found = [each for each in place.all() if each.certificate.standing == "own"]
    if found:
        return found
    if place.config is None:
        from shoptwin.domain.errors import ConfigError  # noqa: PLC0415 - `--help` needs none of it

        raise ConfigError(
            "the gateway has no certificate yet, and without its configuration no name to make one out to",
            "name the configuration with --config FILE",
        )
    return [Found(driver, driver.renew()) for driver in place.trusting()]


def _of_device(place: Place, which: str) -> tuple[Trusting, Any] | None:
    """Return driver and settings of a device by its name or URL; None where `which` is neither."""
    from shoptwin.cli.lookup import find  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.domain.ports import Trusting  # noqa: PLC0415

    devices = {device.name for device in place.config.devices} if place.config else set()
    if which not in devices and _THUMBPRINT.fullmatch(which):
        return None
    target = find(which, place.drivers, place.config)
    if isinstance(target.plugin, Trusting):
        return target.plugin, target.settings
    raise click.BadParameter(f"the driver {target.plugin.name} knows no certificates", param_hint="WHICH")


def _of_thumbprint(found: Sequence[Found], which: str) -> Found:
    wanted = re.sub(r"[: ]", "", which).upper()
    if len(wanted) < SHORTEST:
        raise click.BadParameter(f"give at least {SHORTEST} digits of the thumbprint", param_hint="WHICH")
    fits = [each for each in found if each.certificate.thumbprint.startswith(wanted)
            or each.certificate.sha256.startswith(wanted)]  # fmt: skip
    if not fits:
        raise click.BadParameter(f"no certificate {which} was seen; see: shoptwin trust list", param_hint="WHICH")
    if len({each.certificate.thumbprint for each in fits}) > 1:
        raise click.BadParameter(f"{which} fits several: give more digits", param_hint="WHICH")
    if len(fits) > 1:
        servers = ", ".join(each.certificate.server or "the gateway" for each in fits)
        raise click.BadParameter(f"{which} is that of several ({servers}): name the device or URL", param_hint="WHICH")
    return fits[0]


def _confirm(certificate: Certificate) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Give the thumbprint instead of a name, or --yes once you have compared it.")
    show_certificate(certificate)
    click.confirm("Does the device's own tool show this thumbprint?", abort=True)


def _done(certificate: Certificate, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(told(certificate))
    else:
        click.echo(text)
