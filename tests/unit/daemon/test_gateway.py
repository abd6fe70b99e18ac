"""What happens between the rooms: reloads, restarts, and devices that misbehave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.domain.alarm import Annunciation, EventKind
from shoptwin.domain.device import DeviceHealth
from shoptwin.domain.errors import AuthFailed, ConfigError
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import SECOND
from shoptwin.serve.client import Client
from shoptwin.store.ledger import load_events, pending

if TYPE_CHECKING:
    from shoptwin.daemon.gateway import Gateway


def health(gateway: Gateway) -> DeviceHealth | None:
    task = gateway.devices.get("plc")
    return task and task.health


def standing(gateway: Gateway) -> set[str]:
    return {definition.key for definition, _ in gateway.pipeline.book.standing()}


async def test_a_machine_that_a_reload_takes_away_ends_nothing_but_itself(box, device, machine, until) -> None:
    """Its standing alarm is cleared, its topics are emptied, and the gateway goes on with the others."""
    box.world.values = {"press.temp": 75.0}
    box.write('[mqtt]\nurl = "mqtt://127.0.0.1:9"', device(), machine("press"), machine("mill"))
    async with box.running() as gateway:
        await until(lambda: "press/temp.hi" in standing(gateway))
        box.write('[mqtt]\nurl = "mqtt://127.0.0.1:9"', device(), machine("mill"))
        assert "machines" in await gateway.reload()
        assert standing(gateway) == set()
        await asyncio.sleep(1.2)  # two looks of the teller, which must not stumble over what went
        reader = gateway.ledger.reader()
        emptied = {m.topic for _, m in pending(reader, limit=1000) if not m.payload}
        reader.close()
        assert {"shoptwin/v1/p/-/-/press/state", "shoptwin/v1/p/-/-/press/alarm/temp.hi"} <= emptied
        gateway.teller.state("mill")


async def test_a_machine_that_went_while_the_gateway_was_down_is_closed_at_the_start(
    box, device, machine, until
) -> None:
    """Its alarm is told as cleared and its maintenance as ended, and the next start finds nothing left to close."""
    box.world.values = {"press.temp": 75.0}
    box.write(device(), machine("press"), machine("mill"))
    async with box.running() as gateway:
        await until(lambda: "press/temp.hi" in standing(gateway))
        now = gateway.clock.now()
        gateway.pipeline.maintain(gateway.pipeline.maintenance.begin("press", now + 3600 * SECOND, "why", "me", now))
    box.write(device(), machine("mill"))
    for left in (True, False):
        async with box.running() as gateway:
            await until(lambda running=gateway: running.pipeline.twin.live(0).receive_time)
            await asyncio.sleep(0.3)
            reader = gateway.ledger.reader()
            told = [e["kind"] for e in load_events(reader) if e["alarm"] == "press/temp.hi"]
            reader.close()
            assert told.count(EventKind.UNSUPPRESSED.value) == 1
            assert gateway.pipeline.maintenance.windows == ()
        assert left in {True, False}


async def test_a_text_that_is_no_unicode_is_told_and_kept(box, device, machine, until) -> None:
    """Half a surrogate pair of a device reaches REST and the history as `?`, and keeps nothing else from being told."""
    box.world.values = {"press.temp": "a\ud800b"}
    note = machine("press", "{}").replace('"temperature"', '"other"')  # a text is no temperature
    box.write(device(), note, machine("mill"))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        client = Client(box.directory / "state" / "shoptwin.sock")
        tags = {tag["id"]: tag["value"] for tag in await asyncio.to_thread(client.get, "/v1/tags")}
        assert tags == {"press.temp": "a?b", "mill.temp": 20.0}
        gateway.samples.flush()
        now = gateway.clock.now()
        asked = {"tag": "press.temp", "start": now - 60 * SECOND, "stop": now + SECOND}
        told = await asyncio.to_thread(client.get, "/v1/history", **asked)
        assert set(told["value"]) == {"a?b"}


async def test_a_limit_that_a_reload_changes_is_held_against_what_is_live(box, device, machine, until) -> None:
    """A value that stands still, with the time of its device, raises the alarm of the new limit at once."""
    box.world.values, box.world.times = {"press.temp": 75.0}, {"press.temp": 1_700_000_000 * SECOND}
    box.write(device(), machine("press", "{ hi = 90 }"))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        assert standing(gateway) == set()
        box.write(device(), machine("press", "{ hi = 60 }"))
        await gateway.reload()
        await until(lambda: standing(gateway) == {"press/temp.hi"})
        assert box.world.connects == 1


async def test_a_part_that_is_lost_is_one_alarm_of_its_device(box, device, machine, until) -> None:
    """A unit that does not answer is told by its device's alarm, and by none of the tags that nobody answers for."""
    box.world.status = {"press.temp": int(StatusCode.BAD_TIMEOUT), "mill.temp": int(StatusCode.BAD_SENSOR_FAILURE)}
    box.world.parts = {"unit 1": True, "unit 7": False}
    box.write(device(), machine("press"), machine("mill"))
    async with box.running() as gateway:

        def said(key: str) -> bool | None:
            state = gateway.pipeline.book[key][1]
            return None if state.held_since else state.condition

        await until(lambda: said("_gateway/plc.part-lost"))
        assert "unit 7" in gateway.pipeline.book["_gateway/plc.part-lost"][1].text
        await until(lambda: said("press/temp.bad") is None and said("mill/temp.bad"))
        box.world.parts, box.world.status = {"unit 1": True, "unit 7": True}, {}
        await until(lambda: said("_gateway/plc.part-lost") is False and said("press/temp.bad") is False)


async def test_a_tag_that_a_reload_adds_or_drops_leaves_every_other_connection_alone(
    box, device, machine, until
) -> None:
    """Of two devices only the one whose tags changed connects again; the other goes on counting its polls."""
    one, two = machine("press", device="plc"), machine("mill", device="other")
    more = '[[machine.tag]]\nname = "b"\ndevice = "other"\naddress = "mill.b"\nrole = "other"'
    box.write(device(), device("other"), one, two)
    async with box.running() as gateway:
        await until(lambda: "plc" in gateway.devices and gateway.devices["plc"].statistics.polls > 2)
        for text in (more, ""):
            kept, polls = gateway.devices["plc"], gateway.devices["plc"].statistics.polls
            box.write(device(), device("other"), one, two, text)
            changed = await gateway.reload()
            assert "device other" in changed
            assert "device plc" not in changed
            assert gateway.devices["plc"] is kept
            assert kept.statistics.polls >= polls
            await until(lambda: gateway.devices["other"].health is DeviceHealth.CONNECTED)
            assert gateway.devices["other"].report()["counted_since"] > kept.report()["counted_since"]
        assert box.world.connects == 4


async def test_a_profile_that_names_another_register_is_read_there_after_a_reload(box, device, machine, until) -> None:
    """Nothing in the file has changed, but where its address leads: that device alone is read anew, and there."""
    box.world.values = {"press.temp": 20.0, "elsewhere": 30.0}
    box.write(device(), device("other"), machine("press"), machine("mill", device="other"))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).value == 20.0)
        assert await gateway.reload() == []
        box.world.profile = {"press.temp": "elsewhere"}
        assert await gateway.reload() == ["device plc"]
        await until(lambda: gateway.pipeline.twin.live(0).value == 30.0)
        assert await gateway.reload() == []


async def test_a_list_that_is_sorted_otherwise_touches_no_device(box, device, machine, until) -> None:
    """A spreadsheet that was sorted by another column says the same: no connection is made anew."""
    tags = [f'[[machine.tag]]\nname = "{n}"\ndevice = "plc"\naddress = "{n}"\nrole = "other"' for n in "ab"]
    box.write(device(), machine("press"), *tags)
    async with box.running() as gateway:
        await until(lambda: health(gateway) is DeviceHealth.CONNECTED)
        box.write(device(), machine("press"), *reversed(tags))
        assert await gateway.reload() == ["machines"]


async def test_a_reload_tries_again_a_device_that_refused_us(box, device, machine, until) -> None:
    """Once the server trusts us a reload is enough, though nothing in the file has changed."""
    box.world.connecting = lambda: AuthFailed("not trusted")
    box.write(device(), machine("press"))
    async with box.running() as gateway:
        await until(lambda: health(gateway) is DeviceHealth.AUTH_FAILED)
        box.world.connecting = lambda: None
        assert await gateway.reload() == ["device plc"]
        await until(lambda: health(gateway) is DeviceHealth.CONNECTED)
        await until(lambda: "_gateway/plc.auth-failed" not in {d.key for d, s in gateway.pipeline.book.standing()
                                                                 if s.annunciation.active})  # fmt: skip


async def test_alarms_that_a_reload_adds_to_a_machine_in_maintenance_stay_silent(box, device, machine, until) -> None:
    """The new limit is exceeded at once, and nothing is announced until the maintenance is over."""
    box.world.values = {"press.temp": 75.0}
    box.write(device(), machine("press", "{ hi = 90 }"))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        now = gateway.clock.now()
        gateway.pipeline.maintain(gateway.pipeline.maintenance.begin("press", now + 3600 * SECOND, "why", "me", now))
        box.write(device(), machine("press", "{ hi = 90, hihi = 95, lo = 80 }"))
        await gateway.reload()
        await asyncio.sleep(0.3)
        assert standing(gateway) == set()
        gateway.pipeline.maintain(gateway.pipeline.maintenance.end("press", "me", gateway.clock.now()))
        assert standing(gateway) == {"press/temp.lo"}


async def test_a_machine_that_moves_takes_its_standing_alarms_with_it(box, device, machine, until) -> None:
    """The old topics are emptied, and the alarm stands at the new place without waiting for a reconnect."""
    box.world.values = {"press.temp": 75.0}
    mqtt = '[mqtt]\nurl = "mqtt://127.0.0.1:9"'
    box.write(mqtt, device(), machine("press"))
    async with box.running() as gateway:
        await until(lambda: standing(gateway))
        box.write(mqtt, device(), machine("press", head='area = "hall-9"'))
        await gateway.reload()
        await until(lambda: "shoptwin/v1/p/hall-9/-/press/alarm/temp.hi" in topics(gateway, filled=True))
        assert "shoptwin/v1/p/-/-/press/alarm/temp.hi" in topics(gateway, filled=False)


async def test_a_broken_file_changes_nothing(box, device, machine, until) -> None:
    """A reload of a wrong file says what is wrong, and every device and alarm goes on."""
    box.world.values = {"press.temp": 75.0}
    box.write(device(), machine("press"))
    async with box.running() as gateway:
        await until(lambda: standing(gateway))
        connects = box.world.connects
        box.write(device(), machine("press", "{ hi = 60, hihy = 3 }"))
        with pytest.raises(ConfigError, match=r"hihy.*did you mean"):
            await gateway.reload()
        assert standing(gateway) == {"press/temp.hi"}
        assert box.world.connects == connects


async def test_reloads_and_the_end_wait_for_one_another(box, device, machine, until) -> None:
    """A reload that is under way when the gateway is told to stop leaves no task behind, and the end comes."""
    box.write(device(), machine("press"))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        box.write(device(), machine("press", "{ hi = 61 }"))
        reloading = [asyncio.create_task(gateway.reload()) for _ in range(3)]
        await asyncio.sleep(0)
    results: list[Any] = await asyncio.gather(*reloading, return_exceptions=True)
    assert all(isinstance(result, (list, ConfigError)) for result in results)


async def test_a_restart_keeps_an_acknowledged_alarm_as_it_was(box, device, machine, until) -> None:
    """The occurrence, its times and who acknowledged it are the same after a restart, and nothing is raised anew."""
    box.world.values = {"press.temp": 75.0}
    box.write(device(), machine("press"))
    async with box.running() as gateway:
        await until(lambda: standing(gateway))
        from shoptwin.daemon.control import Door  # noqa: PLC0415 - as a door would

        await Door(gateway).acknowledge("temp.hi", "anna")
        before = gateway.pipeline.book["press/temp.hi"][1]
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        after = gateway.pipeline.book["press/temp.hi"][1]
        assert after.annunciation is Annunciation.ACKNOWLEDGED
        assert (after.occurrence, after.raised_at, after.acknowledged_by) == (
            before.occurrence, before.raised_at, "anna",
        )  # fmt: skip


async def test_a_reload_reads_tag_lists_again(box: Any, device: Any, until: Any) -> None:
    """A tag that is added to a list is read after a reload; the configuration itself stays as it is."""
    box.world.values = {"a": 1.0, "b": 2.0}
    rows = ["name,role,device,address", "a,temperature,plc,a"]
    box.write(device(), '[[machine]]\nname = "press"\ntag_list = "press.csv"')
    (box.directory / "press.csv").write_text("\n".join(rows))
    async with box.running() as gateway:
        await until(lambda: gateway.pipeline.twin.live(0).receive_time)
        (box.directory / "press.csv").write_text("\n".join([*rows, "b,temperature,plc,b"]))
        assert "machines" in await gateway.reload()
        await until(lambda: gateway.pipeline.twin.live(1).value == 2.0)
        (box.directory / "press.csv").write_text("\n".join([*rows, "b,temprature,plc,b"]))
        with pytest.raises(ConfigError, match=r"press\.csv row 3, column role: cannot be 'temprature'"):
            await gateway.reload()
        assert [tag.name for tag in gateway.config.tags] == ["a", "b"]


def topics(gateway: Gateway, *, filled: bool) -> set[str]:
    reader = gateway.ledger.reader()
    found = {m.topic for _, m in pending(reader, limit=1000) if bool(m.payload) is filled}
    reader.close()
    return found
