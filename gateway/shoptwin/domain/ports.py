"""What the rooms ask of one another: the drivers' side (DESIGN §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from shoptwin.domain.batch import SampleBatch
    from shoptwin.domain.device import Group, Point, ProfileInfo, TagCandidate, TagDefaults, Talk
    from shoptwin.domain.discovery import BrowseWish, FoundMachine, FoundServer, PeekView, ScanReport, ScanWish
    from shoptwin.domain.errors import ConfigError
    from shoptwin.domain.tag import ValueKind
    from shoptwin.domain.trust import Certificate


class Address(Protocol):
    """A parsed address: hashable, equal by value; `kind` is None where only the device knows the type."""

    @property
    def kind(self) -> ValueKind | None:
        """The kind of value that is read there."""


@runtime_checkable
class Delivering(Protocol):
    """An address that knows as which number it delivers a raw pattern (0x8000 of an int16 is -32768)."""

    def delivered(self, raw: float) -> float:
        """Return that number. Raises BadAddress where what is read there is never this one."""


class Connection(Protocol):
    """One device. The runtime owns retry and pacing; a connection only raises. Made anew after each loss."""

    async def connect(self) -> None:
        """Reach the device.

        Raises:
            NotConnected, Timeout: try again later. AuthFailed: do not.
        """

    async def aclose(self) -> None:
        """Let go of everything; never raises, may be called twice and without `connect`."""


@runtime_checkable
class Polled(Protocol):
    """A connection that is read when the runtime says so."""

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        """Read all points of a group once: each point is in exactly one of the batches (one batch a kind of value).

        A point that alone cannot be read is Bad in its batch; the others go on. A waveform is left out until the device
        has a new one. Beside them may stand what the device tells belatedly (`SampleBatch.backfill`).

        Raises:
            NotConnected, Timeout: nothing could be read; the runtime closes and connects anew.
        """


@runtime_checkable
class Subscribed(Protocol):
    """A connection whose device sends by itself."""

    def batches(self, groups: Sequence[Group]) -> AsyncIterator[SampleBatch]:
        """Yield batches as they come; ends by raising NotConnected, never silently."""


@runtime_checkable
class Browsable(Protocol):
    """A connection that can say what is there."""

    async def browse(self, at: str | None = None) -> Sequence[TagCandidate]:
        """List what is below `at`, or at the top."""


@runtime_checkable
class Walkable(Protocol):
    """A connection that can be walked through: a tree of folders and values."""

    def walk(self, wish: BrowseWish) -> AsyncIterator[Sequence[TagCandidate]]:
        """Yield what is there from top to bottom as it is found, each thing before what lies in it.

        Raises:
            BadAddress: `wish.at` is not there. NotConnected, Timeout: the device could not be asked.
        """

    async def machines(self) -> Sequence[FoundMachine]:
        """Return the machines that the device describes by a companion specification. Raises as `walk`."""


@runtime_checkable
class Talking(Protocol):
    """A connection that can say how its talk with the device goes."""

    def talk(self) -> Talk:
        """Return the counters since this connection was opened, and what is so now; cheap, and never raises."""


@runtime_checkable
class Preloading(Protocol):
    """A plugin whose protocol library takes its time to import."""

    def preload(self) -> None:
        """Import all that a connection will need.

        Called before the first device is reached: while a library of one driver is imported, nobody hears what the
        devices of another answer.
        """


@runtime_checkable
class Remembering(Protocol):
    """A connection that learns what is worth keeping across restarts: addresses that a device refuses, say.

    The runtime keeps the text by device, and forgets it when the device's settings change.
    """

    def recall(self, memory: str) -> None:
        """Take up what was kept; called before `connect`. Text that cannot be understood is as good as none."""

    def memory(self) -> str | None:
        """Return what to keep from now on, or None where nothing has changed since the last call."""


class Plugin(Protocol):
    """A driver, found by the entry point group `shoptwin.drivers`. Importing it imports no protocol library."""

    name: str
    Settings: type[Any]
    """A msgspec.Struct with `forbid_unknown_fields`; a field `url` where the device has one."""
    schemes: tuple[str, ...]
    """URL schemes by which `shoptwin browse URL` finds this driver."""

    def parse_address(self, text: str) -> Address:
        """Parse a tag's address. Raises BadAddress with the cure in its hint."""

    def open(self, settings: Any) -> Connection:  # noqa: ANN401 - each plugin has its own type of settings
        """Return a connection that is not connected yet."""

    def loopback(self, settings: Any) -> bool:  # noqa: ANN401
        """Tell whether the device is on this very box (a scaled clock is accepted for those alone)."""


@runtime_checkable
class Foreseeing(Protocol):
    """A plug-in that knows, before anything is asked for, that a device's settings keep a tag from ever being read."""

    def check_point(self, settings: Any, point: Point) -> None:  # noqa: ANN401 - as in Plugin
        """Check one tag. Raises BadAddress with the key to change in its hint."""


@runtime_checkable
class Cautioning(Protocol):
    """A plug-in that knows what a device's settings allow but probably do not mean: a password in the clear, say."""

    def cautions(self, settings: Any) -> Sequence[str]:  # noqa: ANN401 - as in Plugin
        """Return one sentence each, which begins with the key and says what to write; nothing is asked for yet."""


@runtime_checkable
class Advising(Protocol):
    """A plug-in that knows in the words of its protocol why a tag cannot be read, and what to do about it."""

    def cure(self, status: str, device: str) -> str:
        """Return what a Bad quality of one tag means here and what to do, empty where that goes for any device.

        `status` is a StatusCode by name (`BadNodeIdUnknown`), or `garbled` where no reply could even be used;
        `device` is how a command names the device, to be put behind it as it is (`shoptwin browse {device}`): its name,
        and where the configuration is that has it.
        """


@runtime_checkable
class Profiled(Protocol):
    """A plug-in that knows maps of devices; a tag's address may then name an entry of one (`sdm630/voltage_l1`)."""

    def look_in(self, directory: Path) -> Sequence[ConfigError]:
        """Take up the plant's own profiles: `directory` is `profiles/<driver>` beside the configuration.

        It need not exist. Called at each load of a configuration, before any address is parsed; what was taken up
        before is replaced as a whole.

        Returns:
            What is wrong with each file that cannot be used, with the file, the entry and the cure. An address by one
            of them is BadProfile, with the same words.
        """

    def profiles(self) -> Sequence[ProfileInfo]:
        """Return every profile by id, the plant's own in the place of those of the same id."""

    def describe(self, address: str) -> TagDefaults | None:
        """Return what a profile says of this address, or None where it names no entry of one. Raises BadProfile."""


@runtime_checkable
class Trusting(Protocol):
    """A plug-in that shows devices a certificate of the gateway, and talks to those alone whose own was accepted.

    Its files are the truth: what is accepted or rejected there, by whichever process, holds at the next connection.
    """

    def keep_in(self, directory: Path, site: str, gateway: str) -> None:
        """Keep certificates in `directory` (`pki` in the state directory), as the gateway of this name.

        It need not exist. Called at each load of a configuration, and by commands; nothing is read or written yet.
        Site and gateway are empty where a command has no configuration: then no certificate of the gateway is made.
        """

    def server(self, settings: Any) -> str:  # noqa: ANN401 - as in Plugin
        """Return the device's URL, as its certificates name it."""

    def certificates(self) -> Sequence[Certificate]:
        """Return what there is, the gateway's own first; that is made when it is first needed.

        Raises:
            DriverError: a file cannot be read or written.
        """

    async def seen(self, settings: Any) -> Certificate:  # noqa: ANN401 - as in Plugin
        """Return the certificate that a device shows now; where nobody has accepted it, it is kept as rejected.

        Raises:
            DriverError: the device cannot be asked, or shows none.
        """

    def accept(self, certificate: Certificate) -> Certificate:
        """Trust a certificate that its server has shown, and no other of that server. Raises DriverError."""

    def reject(self, certificate: Certificate) -> Certificate:
        """Trust a certificate no longer; its server is not talked to from now on. Raises DriverError."""

    def renew(self) -> Certificate:
        """Make the gateway a new certificate of the same name, and keep the old one. Raises DriverError."""


@runtime_checkable
class Discovering(Protocol):
    """A plug-in whose servers tell everybody how they are talked to."""

    async def discover(self, settings: Any) -> FoundServer:  # noqa: ANN401 - as in Plugin
        """Ask a server what it offers, without a login; its certificate is kept as rejected where nobody trusts it.

        Raises:
            NotConnected, Timeout: it could not be asked.
        """


@runtime_checkable
class Scanning(Protocol):
    """A plug-in that can find out what is behind a URL of which nothing is known."""

    async def scan(
        self, settings: Any, wish: ScanWish, tell: Callable[[ScanReport], None]  # noqa: ANN401 - as in Plugin
    ) -> ScanReport:  # fmt: skip
        """Look for units and what can be read of them; reads alone, never faster than `wish.rate`.

        `tell` hears before each request how far it is, and what has been found so far. A cancelled scan lets go.

        Raises:
            NotConnected: the URL leads nowhere. BadWish: what is asked for cannot be there; nothing was asked yet.
        """


class Peeker(Protocol):
    """Reads one address of one device again and again, when it is told to."""

    async def connect(self) -> None:
        """Reach the device, and find out how much around the address can be read.

        Raises:
            NotConnected, Timeout: it is not there. BadAddress: nothing can be read at the address.
        """

    async def look(self) -> PeekView:
        """Read once more, and weigh all readings so far.

        Raises:
            NotConnected, Timeout: there was no reply; what was seen so far is kept, and the next call tries again.
        """

    async def aclose(self) -> None:
        """Let go of everything; never raises, may be called twice and without `connect`."""


@runtime_checkable
class Peeking(Protocol):
    """A plug-in that can show what stands at an address whose type nobody knows."""

    def peek(self, settings: Any, address: str) -> Peeker:  # noqa: ANN401 - as in Plugin
        """Return what looks at an address, which needs no type (`holding:100@7`). Raises BadAddress."""
