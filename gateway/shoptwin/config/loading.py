"""Reading a configuration file: text -> tables -> forms -> Config, with every problem told at once."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptwin.config import meaning
from shoptwin.config.decoding import decode
from shoptwin.config.devices import Devices
from shoptwin.config.files import Files
from shoptwin.config.forms import FileForm, GatewayForm, ModelsForm, MqttForm, RecordingForm, ServeForm, StoreForm
from shoptwin.config.lines import locate
from shoptwin.config.machines import Machines
from shoptwin.config.problems import Problems, did_you_mean
from shoptwin.config.settings import Config, Gateway, Mqtt, Serve, StoreSettings
from shoptwin.config.zones import check_zone
from shoptwin.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.ports import Plugin

_SYNTAX = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")
_LONGEST_SOCKET = 107
"""Bytes: what the kernel takes as the path of a Unix socket."""


def load(path: Path, plugins: Mapping[str, Plugin], *, state_dir: Path | None = None, secrets: bool = True) -> Config:
    """Read and check a configuration.

    Args:
        path: the file.
        plugins: the installed drivers by name; each checks its own settings and addresses.
        state_dir: where state lives, if the file does not say; else `$STATE_DIRECTORY`, else `state` beside the file.
        secrets: whether the files of passwords and certificates must be there; without, they are only noted.

    Raises:
        ConfigError: the file cannot be read or used; `message` has one line a problem.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as they are, systemd's credentials too
    tables, problems = _read(path)
    files = Files(path.parent, problems, required=secrets)
    apart = {key: tables.pop(key) for key in ("device", "machine") if key in tables}
    devices = Devices(problems, plugins, files, path.parent / "profiles")
    built = devices.build(apart.get("device", []))
    machines = Machines(problems, devices.plugins, path.parent, devices.settings)
    made = machines.build(apart.get("machine", []))
    unknown = [key for key in tables if key not in FileForm.__struct_fields__]
    for key in unknown:
        problems.add((key,), "is not a known table", did_you_mean(key, FileForm.__struct_fields__))
    gateway = _gateway(tables, problems)
    mqtt = _mqtt(tables["mqtt"], problems, files) if "mqtt" in tables else None
    state = state_dir or _systemd("STATE_DIRECTORY") or path.parent / "state"
    store = _store(tables.get("store", {}), problems, path.parent, state)
    serve = _serve(tables.get("serve", {}), problems, path.parent, state)
    models = decode(ModelsForm, tables.get("models", {}), ("models",), problems)
    problems.raise_any()
    if models is None or gateway is None or store is None or serve is None:  # pragma: no cover - each noted a problem
        raise ConfigError(f"{path.name} cannot be used")
    lists = tuple(machines.tag_lists)
    return Config(
        gateway, mqtt, built, made, store, serve, path, models.unsigned, tag_lists=lists, notes=tuple(files.notes)
    )  # fmt: skip


def load_machines(path: Path) -> tuple[Machine, ...]:
    """Read the machines of a recording's `machine.toml`: the same tables, without devices and addresses.

    Raises:
        ConfigError: as `load`.
    """
    tables, problems = _read(path)
    for key in tables:
        if key not in RecordingForm.__struct_fields__:
            problems.add((key,), "is not known in a recording", did_you_mean(key, RecordingForm.__struct_fields__))
    if not tables.get("machine"):
        problems.add((), "has no [[machine]]", "a recording is of at least one")
    machines = Machines(problems, None, path.parent).build(tables.get("machine", []))
    problems.raise_any()
    return machines


def _systemd(variable: str) -> Path | None:
    """Return the first of the directories that systemd names in `variable`."""
    first = os.environ.get(variable, "").split(":")[0]
    return Path(first) if first else None


def _read(path: Path) -> tuple[dict[str, Any], Problems]:
    """Return the tables of a TOML file, and where to note what is wrong with them."""
    try:
        text = path.read_text("utf-8").removeprefix("\ufeff")
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}", "Name the configuration with --config FILE") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name}: byte {error.start} is not UTF-8", "Save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "Check the path and its permissions") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX.fullmatch(str(error))
        line = (found and found["line"]) or str(text.rstrip().count("\n") + 1)
        what = found["what"] if found else str(error)
        column = f", column {found['column']}" if found and found["column"] else ""
        told = f"{path.name}:{line}: is not TOML: {what[:1].lower()}{what[1:]}{column}"
        raise ConfigError(told, "See https://toml.io for how TOML is written; texts stand in quotes") from None
    return tables, Problems(path, locate(text))


def _gateway(tables: dict[str, Any], problems: Problems) -> Gateway | None:
    if "gateway" not in tables:
        problems.add((), "needs a table [gateway]", "with 'site' and 'name': the first levels of every topic")
        return None
    form = decode(GatewayForm, tables["gateway"], ("gateway",), problems)
    if form is None:
        return None
    meaning.name(form.site, ("gateway", "site"), problems)
    meaning.name(form.name, ("gateway", "name"), problems)
    check_zone(form.timezone, ("gateway", "timezone"), problems)
    return Gateway(form.site, form.name, form.timezone)


def _mqtt(table: object, problems: Problems, files: Files) -> Mqtt | None:
    form = decode(MqttForm, table, ("mqtt",), problems)
    if form is None:
        return None
    meaning.broker(form.url, ("mqtt", "url"), problems)
    if form.password_file is not None and not form.user:
        problems.add(("mqtt", "password_file"), "is given without 'user'", "MQTT 3.1.1 knows no password without one")
    if form.key_file is not None and form.cert_file is None:
        problems.add(("mqtt", "key_file"), "is given without 'cert_file'", "give the certificate of this key")
    ca, cert, key = (
        files.find(name, ("mqtt", field)) if name is not None else None
        for field, name in (("ca_file", form.ca_file), ("cert_file", form.cert_file), ("key_file", form.key_file))
    )
    if form.url.startswith("mqtt:") and (ca or cert):
        problems.add(("mqtt", "url"), "has no TLS, yet certificates are given", "write mqtts:// and port 8883")
    keepalive = meaning.duration(form.keepalive, ("mqtt", "keepalive"), problems, least=10**9)
    return Mqtt(
        url=form.url, user=form.user,
        password=files.secret(form.password_file, ("mqtt", "password_file")) if form.password_file else None,
        version=5 if form.version in {5, "5"} else 4, ca_file=ca, cert_file=cert, key_file=key,
        client_id=form.client_id, keepalive=round((keepalive or 0) / 10**9),
    )  # fmt: skip


def _store(table: object, problems: Problems, base: Path, state: Path) -> StoreSettings | None:
    form = decode(StoreForm, table, ("store",), problems)
    if form is None:
        return None
    keep, minutes, hours = (
        meaning.duration(getattr(form, key), ("store", key), problems, least=1) or 1
        for key in ("keep", "keep_minutes", "keep_hours")
    )
    if hours < keep:
        problems.add(("store", "keep_hours"), "is shorter than keep", "keep hours for as long as samples, or longer")
    largest = meaning.size(form.max_bytes, ("store", "max_bytes"), problems)
    if largest is not None and largest < 10**7:
        problems.add(("store", "max_bytes"), f"is too small ({form.max_bytes!r})", "at least 10MB")
    return StoreSettings(base / form.directory if form.directory else state, keep, largest or 1, minutes, hours)


def _serve(table: object, problems: Problems, base: Path, state: Path) -> Serve | None:
    form = decode(ServeForm, table, ("serve",), problems)
    if form is None:
        return None
    socket = base / form.socket if form.socket else (_systemd("RUNTIME_DIRECTORY") or state) / "shoptwin.sock"
    if len(os.fsencode(socket)) > _LONGEST_SOCKET:
        problems.add(
            ("serve", "socket"), f"is too long for a Unix socket: {socket}",
            f"name a path of at most {_LONGEST_SOCKET} bytes, such as /run/shoptwin/shoptwin.sock",
        )  # fmt: skip
    metrics = meaning.listen(form.metrics, ("serve", "metrics"), problems) if form.metrics is not None else None
    return Serve(socket, metrics)
