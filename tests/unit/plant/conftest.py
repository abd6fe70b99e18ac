"""A running practice plant, and recordings made by hand for it."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shoptwin.domain.timing import iso
from shoptwin_plant import PlantInfo, PlantOptions, plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

START = 1_600_000_000 * 10**9


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[PlantInfo]:
    """Run a plant and give where it is; it is stopped afterwards, and what ended it before is raised."""
    ready: asyncio.Future[PlantInfo] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(plant.serve(PlantOptions(**options), ready.set_result))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield ready.result()
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def run_plant() -> Callable[..., Any]:
    """Give the way to run a plant with options, as an async context manager."""
    return running


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Give the path of a program, or skip and name the Debian package that has it."""

    def find(name: str, package: str = "") -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed (apt-get install {package or name})")
        return path

    return find


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Write a recording of one machine with two scalars and a waveform, a row a second, and return its directory."""

    def write(name: str = "pump-1", rows: int = 50, *, waves: bool = True, tail: str = "") -> Path:
        path = tmp_path / f"{name}-{rows}"
        path.mkdir()
        tags = [("temp", "temperature", "degC"), ("flow", "flow", "l/min")] + [("acc", "waveform", "g")] * waves
        toml = f'[[machine]]\nname = "{name}"\n\n[machine.learning]\nuntil = {iso(START + 20 * 10**9)}\n'
        toml += "".join(f'\n[[machine.tag]]\nname = "{n}"\nrole = "{r}"\nunit = "{u}"\n' for n, r, u in tags)
        (path / "machine.toml").write_text(toml)
        lines = [f"{iso(START + i * 10**9)},{i + 0.5},{'' if i % 10 == 9 else i}\n" for i in range(rows)]
        (path / "scalars.csv").write_text("time,temp,flow\n" + "".join(lines) + tail)
        if waves:
            acc = (np.arange(rows)[:, None] * 100 + np.arange(64)).astype(np.int16)
            time = START / 1e9 + np.arange(rows)
            np.savez(path / "waveforms.npz", time=time, acc=acc, **{"acc.rate": 25600.0, "acc.scale": 0.01})
        return path

    return write
