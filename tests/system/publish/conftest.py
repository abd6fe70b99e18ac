"""A gateway's publishing side, whole: ledger, composer, publisher and its supervisor, against a real broker."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from shoptwin.config.settings import Mqtt, Secret
from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind, Priority
from shoptwin.domain.errors import PublishError
from shoptwin.domain.kpi import MachineSummary, TagSummary
from shoptwin.domain.machine import Machine, MachineState
from shoptwin.domain.message import MessageClass
from shoptwin.domain.tag import Role, Tag
from shoptwin.domain.timing import SECOND, parse_time
from shoptwin.publish.composer import Composer
from shoptwin.publish.publisher import Publisher
from shoptwin.runtime.backoff import Backoff
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.supervise import Progress, supervise
from shoptwin.store.ledger import Ledger, add_message, counts, next_sequence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

BEGIN = parse_time("2026-11-22T06:00:00Z")
MACHINES = tuple(
    Machine(
        name,
        tags=(Tag(f"{name}-spindle-temp", "spindle_temp", name, Role.TEMPERATURE, "degC"),),
        area="hall-2",
        line="line-a",
    )
    for name in ("press-3", "press-4")
)


class Station:
    """The publishing side of one gateway over one ledger."""

    def __init__(self, folder: Path, mqtt: Mqtt, **options: Any) -> None:
        self.ledger = Ledger.open(folder / "ledger.db")
        self.composer = Composer("plant-1", "gw-1", MACHINES, version="0.1.0", started=BEGIN, start=1)
        self.publisher = Publisher(mqtt, self.composer, self.ledger, SystemClock(), **options)
        self.errors: list[PublishError] = []
        self.task: asyncio.Task[None] | None = None
        self.made = 0

    def start(self) -> Station:
        """Begin publishing, supervised as in the daemon but with less patience."""
        self.task = asyncio.create_task(
            supervise(
                "mqtt",
                self.publisher.run,
                progress=Progress(),
                backoff=Backoff(0.05, 0.3),
                failed=lambda error: self.errors.append(error) if isinstance(error, PublishError) else None,
            )
        )
        return self

    async def alarm(
        self,
        *,
        machine: str | None = "press-3",
        kind: EventKind = EventKind.RAISED,
        annunciation: Annunciation = Annunciation.UNACKNOWLEDGED,
        wake: bool = True,
        **state: Any,
    ) -> AlarmEvent:
        """Commit one transition, as the daemon does; its time counts seconds from BEGIN."""
        self.made += 1
        time = BEGIN + self.made * SECOND
        definition = AlarmDef(
            "spindle_temp.hi", machine, "hi", Priority.HIGH, "press-3-spindle-temp", "degC", advice=("Look at the fan",)
        )
        event = AlarmEvent(
            kind,
            definition,
            AlarmState(
                definition.key,
                annunciation,
                occurrence="o-1",
                raised_at=BEGIN + SECOND,
                value=83.5,
                limit=80.0,
                **state,
            ),
            time,
        )

        def job(tx: Any) -> None:
            seq = next_sequence(tx, self.composer.stream(MessageClass.EVENT, machine))
            for message in self.composer.alarm(event, seq):
                add_message(tx, message)

        await self.commit(job, wake=wake)
        return event

    async def summary(self, machine: str = "press-3") -> None:
        """Commit one summary."""
        figures = TagSummary("press-3-spindle-temp", "degC", 60, 1.0, 60.0, 61.5, float("nan"), 62.0)
        told = MachineSummary(machine, BEGIN, BEGIN + 60 * SECOND, (figures,), {MachineState.PRODUCING: 60 * SECOND})
        await self.commit(lambda tx: add_message(tx, self.composer.summary(told, (), self.made)))

    async def commit(self, job: Callable[[Any], object], *, wake: bool = True) -> None:
        """Write to the ledger, and wake the publisher once it is durable."""
        await asyncio.wrap_future(self.ledger.writer.submit(job))
        if wake:
            self.publisher.wake()

    def waiting(self) -> int:
        """How many messages are in the outbox."""
        reader = self.ledger.reader()
        try:
            return counts(reader).messages
        finally:
            reader.close()

    async def until(self, true: Callable[[], object], seconds: float = 15) -> None:
        """Wait until something has become true."""
        end = asyncio.get_running_loop().time() + seconds
        while not true():
            assert asyncio.get_running_loop().time() < end, f"in vain: {self.publisher.status()}, {self.errors[-3:]}"
            await asyncio.sleep(0.02)

    async def empty(self) -> None:
        """Wait until the outbox is empty."""
        await self.until(lambda: self.waiting() == 0)

    async def connected(self) -> None:
        """Wait until the broker has let us in."""
        await self.until(lambda: self.publisher.status().connected)

    async def die(self) -> None:
        """End as a killed process does: without a word to the broker."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def close(self) -> None:
        """Let go of everything."""
        await self.die()
        await asyncio.to_thread(self.ledger.close)


@pytest_asyncio.fixture
async def station(tmp_path: Path) -> AsyncIterator[Callable[..., Station]]:
    """Give a factory: `station(broker, version=4, user="gw", password="…", retry=0.3)`; not started yet."""
    made: list[Station] = []

    def make(broker: Any, *, retry: float = 60.0, folder: str = "state", password: str = "", **mqtt: Any) -> Station:
        (tmp_path / folder).mkdir(exist_ok=True)
        connected = mqtt.pop("connected", lambda: None)
        settings = Mqtt(mqtt.pop("url", broker.url), password=Secret(password) if password else None, **mqtt)
        made.append(Station(tmp_path / folder, settings, retry=retry, connected=connected))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def off() -> Callable[..., Awaitable[Any]]:
    """Give what runs a blocking helper (a subscriber's `wait`, a broker's `start`) beside the loop."""
    return asyncio.to_thread


@dataclass
class Certificates:
    """A certificate authority of our own, the broker's certificate for localhost, and one for a client."""

    folder: Path
    not_before: dt.datetime
    ca: Path = field(init=False)
    cert: Path = field(init=False)
    key: Path = field(init=False)
    client_cert: Path = field(init=False)
    client_key: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make keys and certificates with the `cryptography` package."""
        from cryptography import x509  # noqa: PLC0415 - heavy, and only the tests of TLS need it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.x509.oid import NameOID  # noqa: PLC0415

        self.folder.mkdir(parents=True, exist_ok=True)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test plant CA")])

        def save(name: str, data: bytes) -> Path:
            path = self.folder / name
            path.write_bytes(data)
            return path

        def issue(name: str, subject: x509.Name, key: Any, *, authority: bool) -> Path:
            builder = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(ca_name)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(self.not_before)
                .not_valid_after(self.not_before + dt.timedelta(days=3650))
                .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
                )
                .add_extension(
                    x509.KeyUsage(
                        digital_signature=True, content_commitment=False, key_encipherment=False,
                        data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
                        encipher_only=False, decipher_only=False,
                    ),
                    critical=True,
                )
            )  # fmt: skip
            if not authority:
                names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            return save(name, builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

        def pair(name: str) -> tuple[Path, Path]:
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return issue(f"{name}.crt", subject, key, authority=False), save(f"{name}.key", pem)

        self.ca = issue("ca.crt", ca_name, ca_key, authority=True)
        self.cert, self.key = pair("localhost")
        self.client_cert, self.client_key = pair("gateway")


@pytest.fixture
def certificates(tmp_path: Path) -> Callable[..., Certificates]:
    """Give a factory of certificate authorities; `not_before` in the future is how the year 1970 looks from inside."""

    def make(*, not_before: dt.datetime | None = None, name: str = "tls") -> Certificates:
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        return Certificates(tmp_path / name, not_before or yesterday)

    return make
