"""A real gateway in this process, on a driver whose faults can be had at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from shoptwin import config
from shoptwin.daemon.gateway import Gateway
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.device import Talk
from shoptwin.domain.tag import ValueKind
from shoptwin.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from shoptwin.domain.device import Group, ProfileInfo


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""


class Address(msgspec.Struct, frozen=True):
    text: str
    kind: ValueKind | None = None


@dataclass
class World:
    """What the devices say, and how they behave."""

    values: dict[str, float | str] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    parts: dict[str, bool] = field(default_factory=dict)
    connects: int = 0
    connecting: Callable[[], Exception | None] = lambda: None
    profile: dict[str, str] = field(default_factory=dict)
    """What addresses stand for, where it is not themselves."""

    name = "fake"
    Settings = Settings
    schemes = ()

    def parse_address(self, text: str) -> Address:
        return Address(self.profile.get(text, text))

    def look_in(self, _: Path) -> tuple[()]:
        return ()

    def profiles(self) -> Sequence[ProfileInfo]:
        return ()

    def describe(self, _: str) -> None: ...

    def open(self, _: Settings) -> Connection:
        return Connection(self)

    def loopback(self, _: Settings) -> bool:
        return True


class Connection:
    def __init__(self, world: World) -> None:
        self._world = world

    async def connect(self) -> None:
        self._world.connects += 1
        if error := self._world.connecting():
            raise error

    async def aclose(self) -> None:
        await asyncio.sleep(0)

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        await asyncio.sleep(0)
        told = [(point, self._world.values.get(point.address.text, 20.0)) for point in group.points]
        texts = [each for each in told if isinstance(each[1], str)]
        numbers = [each for each in told if not isinstance(each[1], str)]
        return [
            SampleBatch.of(
                group.name, kind, [point.tag for point, _ in some], [value for _, value in some],
                source_time=[self._world.times.get(point.address.text, 0) for point, _ in some],
                status=[self._world.status.get(point.address.text, 0) for point, _ in some],
            )
            for kind, some in ((ValueKind.F8, numbers), (ValueKind.STR, texts))
            if some
        ]  # fmt: skip

    def talk(self) -> Talk:
        return Talk(parts=dict(self._world.parts))


@dataclass
class Box:
    """The box on which gateways are started one after the other."""

    directory: Path
    world: World

    def write(self, *parts: str) -> None:
        (self.directory / "shoptwin.toml").write_text("\n".join(('[gateway]\nsite = "p"\nname = "g"', *parts)))

    def load(self) -> config.Config:
        drivers: Any = {"fake": self.world}
        return config.load(self.directory / "shoptwin.toml", drivers, state_dir=self.directory / "state")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Gateway]:
        """Run a gateway on what was written, until the block ends."""
        drivers: Any = {"fake": self.world}
        gateway, stop = Gateway(self.load(), drivers, SystemClock(), self.load), asyncio.Event()
        task = asyncio.create_task(gateway.run(stop))
        try:
            yield gateway
            assert not task.done(), task.exception()
        finally:
            stop.set()
            async with asyncio.timeout(10):
                await task


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path, World())


@pytest.fixture
def device() -> Callable[..., str]:
    def text(name: str = "plc", period: str = "50ms") -> str:
        return f'[[device]]\nname = "{name}"\ndriver = "fake"\nperiod = "{period}"'

    return text


@pytest.fixture
def machine() -> Callable[..., str]:
    def text(name: str, limits: str = "{ hi = 60 }", *, device: str = "plc", head: str = "", tag: str = "temp") -> str:
        return (
            f'[[machine]]\nname = "{name}"\n{head}\n[[machine.tag]]\nname = "{tag}"\ndevice = "{device}"\n'
            f'address = "{name}.{tag}"\nrole = "temperature"\nunit = "degC"\nlimits = {limits}'
        )

    return text


@pytest.fixture
def until() -> Callable[..., Any]:
    async def wait(true: Callable[[], Any], seconds: float = 8) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := true()):
                await asyncio.sleep(0.02)
            return found

    return wait
