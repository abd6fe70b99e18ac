"""`make demo`: a practice plant, a broker, the gateway and a live view; then a bearing and a fan begin to fail.

Everything is a process of its own, as it would be in a plant: the plant's servers, the broker, the daemon, and an
independent MQTT client that stands for the SCADA. This script starts them, breaks two machines, watches, and ends
what it started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import broker
from ports import settle
from scada import Scada
from screen import Headless, Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

RATE = 240.0
FAULTS = (("bearing-outer", "press-3", "1h"), ("fan", "mill-5", "1h"))
"""What goes wrong, where, and how long it takes to grow (the plant's time: four minutes are a second here)."""
SHOPTWIN = [sys.executable, "-m", "shoptwin"]
HERE = Path(__file__).resolve().parent


async def demo(directory: Path, *, headless: bool, seconds: float, picture: Path | None) -> int:
    """Run the demo; return 0 if both alarms came over MQTT, or if somebody was there to watch."""
    async with contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(Headless() if headless else Screen())
        ports = settle(HERE.parent / "demo.toml", directory / "demo.toml", broker.version())
        screen.say("starting a broker, a practice plant and the gateway …")
        await stack.enter_async_context(ending(broker.start(ports.mqtt, directory)))
        plant = await stack.enter_async_context(
            ending(start(directory, "plant", "simulate", "--rate", f"{RATE:g}", "--modbus-port", str(ports.modbus),
                         "--opcua-port", str(ports.opcua), "--json"))
        )  # fmt: skip
        info = await told(plant, directory / "plant.log")
        clock = info["clock"]
        gateway = await stack.enter_async_context(
            ending(start(directory, "gateway", "run", "--config", str(directory / "demo.toml"), "--state-dir",
                         str(directory / "state"), "--clock-rate", f"{RATE:g}", "--clock-epoch", clock["epoch"],
                         "--clock-origin", clock["origin"], "--log-format", "json"))
        )  # fmt: skip
        scada = stack.enter_context(Scada("127.0.0.1", ports.mqtt, broker.version()))
        socket = directory / "state" / "shoptwin.sock"
        try:
            async with asyncio.timeout(seconds or None):
                await play(screen, scada, socket, gateway, info["control"], stay=not headless)
        except TimeoutError:
            screen.say(f"{seconds:g} s are over")
        if picture is not None:
            screen.picture(picture)
        missing = [machine for _, machine, _ in FAULTS if machine not in scada.raised_after_faults]
    for machine in missing:
        print(f"no alarm of {machine} came over MQTT", file=sys.stderr)
    if headless and not missing:
        print("both alarms were received over MQTT")
    return 1 if missing and headless else 0


async def play(
    screen: Screen | Headless,
    scada: Scada,
    socket: Path,
    gateway: asyncio.subprocess.Process,
    control: str,
    *,
    stay: bool,
) -> None:
    """Watch until both alarms came (or for ever, where somebody watches); break the machines once all have learned."""
    broken = False
    while gateway.returncode is None:
        status, alarms = await asyncio.to_thread(screen.ask, socket)
        if status is not None:
            screen.show(status, alarms, scada.lines)
            if not broken and learned(status):
                for fault, machine, over in FAULTS:
                    await asyncio.to_thread(scada.mark, machine)
                    await run("simulate", "inject", fault, machine, "--over", over, "--control", control)
                screen.say("all machines have learned what is normal: now a bearing and a fan begin to fail")
                broken = True
        if broken and not stay and all(machine in scada.raised_after_faults for _, machine, _ in FAULTS):
            return
        await asyncio.sleep(0.4)
    raise SystemExit(f"the gateway ended by itself: {last_line(socket.parents[1] / 'gateway.log')}")


def learned(status: dict[str, Any]) -> bool:
    """Tell whether every machine that is going to fail has learned what is normal."""
    wanted = {machine for _, machine, _ in FAULTS}
    states = [m["health"] and m["health"]["state"] for m in status["machines"] if m["name"] in wanted]
    return all(state not in {None, "learning", "no-data"} for state in states)


async def start(directory: Path, name: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start one of our own commands; its log goes to a file."""
    with (directory / f"{name}.log").open("w") as log:
        return await asyncio.create_subprocess_exec(
            *SHOPTWIN, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
            start_new_session=True,
        )  # fmt: skip


async def run(*arguments: str) -> None:
    """Run one of our own commands to its end."""
    process = await asyncio.create_subprocess_exec(*SHOPTWIN, *arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"shoptwin {' '.join(arguments)} failed")


async def told(plant: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    """Return what the plant says of itself once it can be reached; where it cannot be, end with the last it logged."""
    assert plant.stdout is not None
    text = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while line := await plant.stdout.readline():
                text += line
                with contextlib.suppress(json.JSONDecodeError):
                    found: dict[str, Any] = json.loads(text)
                    return found
    raise SystemExit(f"the practice plant did not start: {last_line(log)}")


def last_line(log: Path) -> str:
    """Return the last that a process of ours logged: the folder is gone by the time that one would look."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # A command that fails says what is wrong, and then the cure.
    last = lines[-2:] if lines and lines[-1].startswith("cure:") else lines[-1:]
    return "\n".join(last) or "it logged nothing"


@contextlib.asynccontextmanager
async def ending(starting: Awaitable[asyncio.subprocess.Process]) -> AsyncIterator[asyncio.subprocess.Process]:
    """End the process that was started, politely and then not."""
    process = await starting
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(8):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--headless", action="store_true", help="no terminal view: exit 0 once both alarms have come")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and stores, and say where it is")
    parser.add_argument("--picture", type=Path, help="save the last view as an SVG file")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="shoptwin-demo-"))
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return asyncio.run(
            demo(directory, headless=arguments.headless, seconds=arguments.seconds, picture=arguments.picture)
        )
    except KeyboardInterrupt:
        return 130 if arguments.headless else 0
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
