"""The tables of a configuration file as they are written: every key, its type, its default and what it is for.

Times and sizes are texts here (`"10s"`, `"2GB"`); `building` gives them their meaning.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from shoptwin.domain.machine import MachineState
from shoptwin.domain.tag import Role

ISO_20816 = ("group1-rigid", "group1-flexible", "group2-rigid", "group2-flexible")
"""The machine classes of ISO 20816-3: group 1 above 300 kW, group 2 above 15 kW; rigid or flexible support."""


def _about(text: str, **more: Any) -> msgspec.Meta:  # noqa: ANN401 - a JSON Schema value may be anything
    return msgspec.Meta(description=text, extra_json_schema=more or None)


_NAME = r"^[\w][\w.-]*$"
_PART = r"^[^:]+$"
_DURATION = r"^(\s*\d+(\.\d+)?\s*(ms|s|min|m|h|d|w)\s*)+$"


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table whose unknown keys are errors."""


class GatewayForm(Form, frozen=True):
    """Who this gateway is."""

    site: Annotated[str, _about("The plant: the first level of every topic.", pattern=_NAME)]
    name: Annotated[str, _about("The name of this box, unique within the site.", pattern=_NAME)]
    timezone: Annotated[str, _about("The plant's time zone, as the tz database names it.")] = "UTC"


class MqttForm(Form, frozen=True):
    """The broker to publish to. Without this table nothing is published."""

    url: Annotated[str, _about("mqtt://host[:1883], or mqtts://host[:8883] for TLS.", pattern="^mqtts?://")]
    user: Annotated[str, _about("The user name, where the broker wants one.")] = ""
    password_file: Annotated[str, _about("A systemd credential, or a file beside this one.")] | None = None
    version: Annotated[Literal[5, "5", "3.1.1"], _about("The version of MQTT: 5, or 3.1.1 in quotes.")] = 5
    ca_file: Annotated[str, _about("The certificate authority (PEM) that signed the broker's certificate.")] | None = (
        None
    )
    cert_file: Annotated[str, _about("This client's certificate (PEM), where the broker wants one.")] | None = None
    key_file: Annotated[str, _about("The key (PEM) of cert_file.")] | None = None
    client_id: Annotated[str, _about("The MQTT client id; shoptwin-<gateway name> where there is none.")] = ""
    keepalive: Annotated[str, _about("Time between signs of life to the broker.", pattern=_DURATION)] = "30s"


class StoreForm(Form, frozen=True):
    """Where the past is kept, and how much of it."""

    directory: Annotated[str, _about("Where the files live; the state directory where it is not given.")] | None = None
    keep: Annotated[str, _about("How long samples are kept.", pattern=_DURATION)] = "30d"
    keep_minutes: Annotated[str, _about("How long the figures of each minute are kept.", pattern=_DURATION)] = "60d"
    keep_hours: Annotated[
        str, _about("How long the figures of each hour, and waveforms around alarms, are kept.", pattern=_DURATION)
    ] = "730d"
    max_bytes: Annotated[str, _about("How large the samples may grow: 500MB, 2GB.")] = "2GB"


class ModelsForm(Form, frozen=True):
    """Which shipped models are run."""

    unsigned: Annotated[bool, _about("Run models that no release has signed: your own, or changed ones.")] = False


class ServeForm(Form, frozen=True):
    """The doors of the daemon."""

    socket: Annotated[str, _about("The Unix socket that `shoptwin status` and its like talk to.")] | None = None
    metrics: Annotated[str, _about('Where Prometheus may scrape: "127.0.0.1:9464". Off where not given.')] | None = None


class DeviceForm(msgspec.Struct, frozen=True, kw_only=True):
    """A PLC, meter or transmitter. Keys beyond these belong to its driver."""

    name: Annotated[str, _about("What tags call this device.", pattern=_NAME)]
    driver: Annotated[str, _about("An installed driver: modbus, opcua.")]
    period: Annotated[str, _about("Time between polls.", pattern=_DURATION)] = "1s"


class LimitsForm(Form, frozen=True):
    """Alarm limits of a tag, in its unit (ISA-18.2)."""

    hihi: Annotated[float, _about("Above this: priority high.")] | None = None
    hi: Annotated[float, _about("Above this: priority medium.")] | None = None
    lo: Annotated[float, _about("Below this: priority medium.")] | None = None
    lolo: Annotated[float, _about("Below this: priority high.")] | None = None
    deadband: Annotated[float, _about("How far the value must come back before the alarm clears.")] = 0.0
    on_delay: Annotated[str, _about("How long a limit must be exceeded before it alarms.", pattern=_DURATION)] = "0s"
    off_delay: Annotated[str, _about("How long it must be back before it clears.", pattern=_DURATION)] = "0s"


class CurrentLoopForm(Form, frozen=True):
    """A 4-20 mA input: scale and offset are made from it, and a broken wire is seen (NAMUR NE 43)."""

    raw: Annotated[tuple[float, float], _about("The raw values at 4 and at 20 mA.")]
    value: Annotated[tuple[float, float], _about("What is measured at 4 and at 20 mA, in the tag's unit.")]


class ReportForm(Form, frozen=True):
    """Which changes of a tag are kept."""

    deadband: Annotated[float, _about("In the tag's unit: a smaller change is not kept.")] = 0.0
    percent: Annotated[float, _about("Of the last kept value: a smaller change is not kept.")] = 0.0
    heartbeat: Annotated[str, _about("A value is kept at least this often.", pattern=_DURATION)] = "10m"


class TagForm(Form, frozen=True):
    """One measured value of a machine."""

    name: Annotated[str, _about("The tag's name, unique within its machine.", pattern=_NAME)]
    role: Annotated[Role, _about("What it measures; decides what the twin can do with it.")] | None = None
    id: Annotated[str, _about("Keeps the history across a rename; <machine>.<name> where not given.")] | None = None
    unit: Annotated[str, _about("The unit after scaling: degC, mm/s, kW.")] = ""
    device: Annotated[str, _about("The device it is read from.")] | None = None
    address: Annotated[str, _about("Where it stands there, in its driver's way of writing.")] | None = None
    scale: Annotated[float, _about("value = raw * scale + offset.")] = 1.0
    offset: Annotated[float, _about("value = raw * scale + offset.")] = 0.0
    current_loop: CurrentLoopForm | None = None
    missing: Annotated[
        tuple[int | float, ...], _about("Raw values that mean that there is none, as in the manual.")
    ] = ()
    labels: Annotated[dict[str, str], _about("What the values of an enumeration are called.")] = msgspec.field(
        default_factory=dict
    )
    rate: Annotated[float, _about("Samples a second of a waveform, in Hz, where the device does not say.")] | None = (
        None
    )
    period: Annotated[str, _about("Time between polls, where it is not the device's.", pattern=_DURATION)] | None = None
    limits: LimitsForm | None = None
    report: Annotated[
        Literal["each", "change"] | ReportForm, _about("Which samples are kept: each, those that changed, or a table.")
    ] = "each"


class LearningForm(Form, frozen=True):
    """When normal operation is learned."""

    until: Annotated[datetime, _about("Everything before this moment was normal operation.")] | None = None
    span: Annotated[str, _about("How much good data to learn from, without `until`.", pattern=_DURATION)] = "7d"


class StateForm(Form, frozen=True):
    """How the machine's state is told."""

    off: Annotated[float, _about("At or below this power the machine is off.")] | None = None
    idle: Annotated[float, _about("Below this power it is idle, from it on it produces.")] | None = None
    values: Annotated[dict[str, MachineState], _about("What the values of the tag with the role state mean.")] = (
        msgspec.field(default_factory=dict)
    )


class BearingForm(Form, frozen=True):
    """A rolling bearing: its geometry, or the orders that its data sheet gives."""

    name: Annotated[str, _about("What it is called, as in: drive end.", pattern=_PART)]
    balls: Annotated[int, _about("How many balls or rollers one row has.", minimum=3)] | None = None
    ball_diameter: Annotated[float, _about("Their diameter, in the unit of pitch_diameter.")] | None = None
    pitch_diameter: Annotated[float, _about("The diameter of the circle that their centres stand on.")] | None = None
    contact_angle: Annotated[float, _about("The contact angle, in degrees.")] = 0.0
    bpfo: Annotated[float, _about("Strikes on the outer race in a turn of its shaft.")] | None = None
    bpfi: Annotated[float, _about("Strikes on the inner race in a turn of its shaft.")] | None = None
    bsf: Annotated[float, _about("Turns of a ball about itself in a turn of its shaft.")] | None = None
    ftf: Annotated[float, _about("Turns of the cage in a turn of its shaft.")] | None = None
    ratio: Annotated[float, _about("Turns of its shaft for one turn of what the speed tag measures.")] = 1.0


class GearForm(Form, frozen=True):
    """A pair of wheels, told by one of them."""

    name: Annotated[str, _about("What it is called, as in: pinion.", pattern=_PART)]
    teeth: Annotated[int, _about("Teeth of the wheel.", minimum=2)]
    ratio: Annotated[float, _about("Turns of its shaft for one turn of what the speed tag measures.")] = 1.0


class MachineForm(Form, frozen=True):
    """One machine."""

    name: Annotated[str, _about("The machine's name, unique within the site.", pattern=_NAME)]
    area: Annotated[str, _about("The area of the site (ISA-95).")] = "-"
    line: Annotated[str, _about("The line within the area (ISA-95).")] = "-"
    iso20816: Annotated[str, _about("The class of ISO 20816-3.", enum=list(ISO_20816))] | None = None
    false_alarms: Annotated[str, _about("How many false alarms are bearable: 1 per month.")] = "1 per month"
    learning: LearningForm = LearningForm()
    state: StateForm = StateForm()
    maintenance_tag: Annotated[str, _about("A tag of this machine: its maintenance key switch.")] | None = None
    bearing: tuple[BearingForm, ...] = ()
    gear: tuple[GearForm, ...] = ()
    tag: tuple[TagForm, ...] = ()
    tag_list: Annotated[str | tuple[str, ...], _about("Files of further tags (CSV), beside this one.")] = ()


class FileForm(Form, frozen=True):
    """A whole file. Devices are decoded apart, each with its own driver."""

    gateway: GatewayForm
    mqtt: MqttForm | None = None
    store: StoreForm = StoreForm()
    serve: ServeForm = ServeForm()
    models: ModelsForm = ModelsForm()
    device: tuple[DeviceForm, ...] = ()
    machine: tuple[MachineForm, ...] = ()


class RecordingForm(Form, frozen=True):
    """The `machine.toml` of a recording: machines without devices."""

    machine: tuple[MachineForm, ...]
