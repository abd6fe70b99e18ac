"""Against a real broker: retained messages, silence, loss, refusals, large and many messages."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

import pytest

from shoptwin.sdk import AuthFailed, NotConnected, StatusCode, Talking, Timeout
from shoptwin_mqtt import client, feed, plugin, session

GOOD, LATE, UNSURE = StatusCode.GOOD, StatusCode.BAD_TIMEOUT, StatusCode.UNCERTAIN_LAST_USABLE_VALUE
WAITING, UNDECODED, NO_DATA = (
    StatusCode.BAD_WAITING_FOR_INITIAL_DATA, StatusCode.BAD_DECODING_ERROR, StatusCode.BAD_NO_DATA,
)  # fmt: skip


def last(status):
    """Tell whether each address heard this last."""
    return lambda heard: all(rows and rows[-1][1] == status for rows in heard.values())


@pytest.mark.parametrize("version", [4, 5])
async def test_one_message_many_tags(broker, publish, listen, monkeypatch, version):
    """One message gives all its tags, each with its own quality and the payload's time."""
    monkeypatch.setattr(feed, "time_ns", lambda: 1_795_348_801 * 10**9)
    here = broker()
    async with listen(here, "m#/a@/t", "m#/b", "m#/c/0", "m", version=version) as one:
        await one.ready()
        publish(here, "m", {"a": 1.5, "b": None, "c": ["x"], "t": 1_795_348_800})
        heard = await one.take(lambda h: all(len(rows) > 1 for rows in h.values()))
    assert [rows[0][1] for rows in heard.values()] == [WAITING] * 4
    assert heard["m#/a@/t"][1] == (1.5, GOOD, 1_795_348_800 * 10**9)
    assert heard["m#/b"][1][1:] == (NO_DATA, 0)
    assert heard["m#/c/0"][1] == ("x", GOOD, 0)
    assert heard["m"][1][1] == StatusCode.BAD_TYPE_MISMATCH


async def test_retained(broker, publish, listen):
    """A retained value is Good only with a time of its own that is not stale; what is live is Good."""
    here, now = broker(), time.time()
    for topic, told in {"new": {"v": 1, "t": now}, "old": {"v": 2, "t": now - 600}, "none": {"v": 3}}.items():
        publish(here, topic, told, retain=True)
    async with listen(here, "new#/v@/t", "old#/v@/t", "none#/v@/t") as one:
        heard = await one.take(lambda h: all(h.values()) and len(h["old#/v@/t"]) == 2)
        assert [rows[0][:2] for rows in heard.values()] == [(1, GOOD), (2, UNSURE), (3, UNSURE)]
        assert heard["old#/v@/t"][1][1] == LATE
        publish(here, "none", {"v": 4}, retain=True)
        publish(here, "old", {"v": 5, "t": now - 600})
        heard = await one.take(lambda h: len(h["none#/v@/t"]) == 2 and len(h["old#/v@/t"]) == 3)
    assert heard["none#/v@/t"][1][:2] == (4, GOOD)
    assert heard["old#/v@/t"][2][:2] == (5, GOOD)


async def test_silence(broker, publish, listen):
    """A tag is Bad after `stale` of silence, again after the next, and a tag of its own period is given three."""
    here = broker()
    async with listen(here, "a", "b", stale="400ms") as one, listen(here, "a", stale="400ms", period=10**9) as slow:
        await one.ready()
        await slow.ready()
        began = time.monotonic()
        publish(here, "a", "1")
        heard = await one.take(lambda h: h["a"] and h["a"][-1][1] == LATE)
        assert 0.35 < time.monotonic() - began < 1.5
        assert [row[1] for row in heard["a"]] == [WAITING, GOOD, LATE]
        assert [row[1] for row in heard["b"]] == [WAITING]
        publish(here, "a", "2")
        heard = await one.take(lambda h: len(h["a"]) == 5)
        assert heard["a"][3:] == [(2.0, GOOD, 0), (heard["a"][4][0], LATE, 0)]
        assert one.connection.talk().timeouts == 2
        heard = await slow.take(lambda h: h["a"][-1][1] == LATE)
        assert time.monotonic() - began > 2.9


async def test_silence_right_after_the_start(broker, publish, listen):
    """A tag that falls silent before the first look at it was due is not waited for any longer."""
    here = broker()
    async with listen(here, "a", stale="300ms", first="60s") as one:
        await one.ready()
        publish(here, "a", "1")
        heard = await one.take(lambda h: len(h["a"]) == 2, 2)
    assert [row[1] for row in heard["a"]] == [GOOD, LATE]


async def test_the_dead_are_not_called_silent(broker, publish, listen, payload):
    """What is dead stays BadNotConnected, however long it is silent."""
    here = broker()
    async with listen(here, "spB:g/n/d/T", stale="300ms", first="60s") as one:
        await one.ready()
        birth = payload({"name": "T", "datatype": 10, "double_value": 1.0}, seq=1)
        publish(here, "spBv1.0/g/DBIRTH/n/d", birth.SerializeToString())
        publish(here, "spBv1.0/g/DDEATH/n/d", payload(seq=2).SerializeToString())
        with pytest.raises(TimeoutError):
            await one.take(lambda h: len(h["spB:g/n/d/T"]) > 2, 1)
    assert [row[1] for row in one.heard["spB:g/n/d/T"]] == [GOOD, StatusCode.BAD_NOT_CONNECTED]


async def test_wrong_payloads(broker, publish, listen):
    """A payload that cannot be read is Bad for its own tags alone, and the next one is read."""
    here = broker()
    async with listen(here, "a#/v", "a", "b", max_payload=1000) as one:
        await one.take(last(WAITING))
        for payload in (b"\xff\x00", b"{", b"x" * 1001, b'{"v": 1'):
            publish(here, "a", payload)
        publish(here, "b", "2")
        heard = await one.take(lambda h: len(h["a#/v"]) == 5 and len(h["b"]) == 2)
        assert [row[1] for row in heard["a#/v"]] == [WAITING] + [UNDECODED] * 4
        assert [row[1] for row in heard["a"]] == [WAITING, UNDECODED, GOOD, UNDECODED, GOOD]
        assert heard["b"][1] == (2.0, GOOD, 0)
        assert one.connection.talk().garbled == 2
        publish(here, "a", {"v": 1})
        heard = await one.take(lambda h: len(h["a#/v"]) == 6)
        assert heard["a#/v"][-1][:2] == (1.0, GOOD)


@pytest.mark.parametrize(("partial", "statuses"), [(False, [GOOD, NO_DATA, GOOD]), (True, [GOOD, GOOD])])
async def test_partial(broker, publish, listen, partial, statuses):
    """A payload that leaves a place out says that there is none, or nothing at all where `partial` is set."""
    here = broker()
    async with listen(here, "a#/v", partial=partial, first="30s") as one:
        await one.ready()
        for told in ({"v": 1}, {"w": 1}, {"v": 2}):
            publish(here, "a", told)
        heard = await one.take(lambda h: h["a#/v"] and h["a#/v"][-1][0] == 2)
    assert [row[1] for row in heard["a#/v"]] == statuses


async def test_waveform(broker, publish, listen):
    """An array becomes a waveform of the tag's rate."""
    here = broker()
    async with listen(here, "a#/w", rate=2560.0) as one:
        await one.ready()
        publish(here, "a", {"w": list(range(4096))})
        heard = await one.take(last(GOOD))
    wave = heard["a#/w"][-1][0]
    assert (len(wave.samples), wave.rate, wave.samples[-1]) == (4096, 2560.0, 4095.0)


async def test_sparkplug(broker, publish, listen, payload, monkeypatch):
    """Births, data by alias, kept births, silence of a gap and deaths go through a real broker."""
    monkeypatch.setattr(feed, "time_ns", lambda: 1_795_348_801 * 10**9)
    here, topics = broker(), ["spB:g/n/d/Speed", "spB:g/n/d/Folder/Temp", "spB:g/n//Up"]

    def send(kind, device, *metrics, **more):
        topic = f"spBv1.0/g/{kind}/n" + (f"/{device}" if device else "")
        publish(here, topic, payload(*metrics, **more).SerializeToString(), qos=0)

    kept = payload({"name": "Speed", "alias": 7, "datatype": 1}, {"name": "Folder/Temp", "alias": 8, "datatype": 9})
    publish(here, "$sparkplug/certificates/spBv1.0/g/DBIRTH/n/d", kept.SerializeToString(), retain=True)
    async with listen(here, *topics, "other") as one:
        heard = await one.take(lambda h: h["spB:g/n//Up"])
        assert [rows[0][1] for rows in heard.values()] == [NO_DATA, NO_DATA, WAITING, WAITING]
        send("DDATA", "d", {"alias": 7, "int_value": 0xFE}, timestamp=1_795_348_800_000, seq=9)
        heard = await one.take(lambda h: len(h[topics[0]]) == 2)
        assert heard[topics[0]][1] == (-2, GOOD, 1_795_348_800 * 10**9)
        send(
            "NBIRTH",
            "",
            {"name": "bdSeq", "long_value": 1},
            {"name": "Up", "datatype": 8, "long_value": 2**64 - 1},
            seq=0,
        )
        send("DBIRTH", "d", {"name": "Folder/Temp", "alias": 3, "datatype": 10, "double_value": 0.5}, seq=1)
        heard = await one.take(lambda h: len(h[topics[1]]) == 2)
        assert heard[topics[2]][1][:2] == (2**64 - 1, GOOD)
        assert [row[1] for row in heard[topics[0]][2:]] == [UNSURE, StatusCode.BAD_NODE_ID_UNKNOWN]
        assert one.connection.talk().parts == {"g/n": True, "g/n/d": True}
        publish(here, "spBv1.0/g/DDATA/n/d", b"\xff\xff")
        send("NDEATH", "", {"name": "bdSeq", "long_value": 1})
        heard = await one.take(lambda h: h[topics[2]][-1][1] == StatusCode.BAD_NOT_CONNECTED)
        assert all(heard[topic][-1][1] == StatusCode.BAD_NOT_CONNECTED for topic in topics)
        talk = one.connection.talk()
        assert talk.parts == {"g/n": False, "g/n/d": False}
        assert talk.garbled == 1
        assert [row[1] for row in heard["other"]] == [WAITING]


async def test_a_value_and_its_end_keep_their_order(broker, publish, listen, payload):
    """A truth and the death right after it, which are of different kinds, come in their order."""
    here = broker()
    async with listen(here, "spB:g/n/d/On", "spB:g/n/d/T", first="30s") as one:
        await one.ready()
        birth = payload(
            {"name": "On", "datatype": 11, "boolean_value": True},
            {"name": "T", "datatype": 10, "double_value": 1.0},
            seq=1,
        )
        for _ in range(20):
            publish(here, "spBv1.0/g/DBIRTH/n/d", birth.SerializeToString(), qos=0)
            publish(here, "spBv1.0/g/DDEATH/n/d", payload(seq=2).SerializeToString(), qos=0)
        heard = await one.take(lambda h: len(h["spB:g/n/d/On"]) == 40)
    assert [row[1] for row in heard["spB:g/n/d/On"]] == [GOOD, StatusCode.BAD_NOT_CONNECTED] * 20


async def test_many_messages(broker, publish, listen):
    """Five thousand messages of a burst are all heard, in their order, in batches."""
    here, batches = broker("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0"), 0
    async with listen(here, "a", first="30s") as one:
        await one.ready()
        for i in range(5000):
            publish(here, "a", str(i), qos=0)
        publish(here, "a", "end")
        async with asyncio.timeout(20):
            while not one.heard["a"] or one.heard["a"][-1][0] != "end":
                count = len(one.heard["a"])
                await one.take(lambda h, count=count: len(h["a"]) > count)
                batches += 1
        assert [row[0] for row in one.heard["a"][:-1]] == list(range(5000))
        assert one.connection.talk().bytes_received > 5000 * 4


async def test_more_than_can_wait(broker, publish, listen, monkeypatch):
    """While too much waits to be decoded the socket is left alone, and nothing is lost that the broker keeps."""
    monkeypatch.setattr(session, "_WAITING", 2000)
    here = broker("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0")
    async with listen(here, "a", first="60s") as one:
        await one.ready()
        for i in range(500):
            publish(here, "a", f'"{i:0200}"')
        publish(here, "a", "end")
        await asyncio.sleep(0.3)
        assert one.connection._session._waiting < 4000
        heard = await one.take(lambda h: h["a"] and h["a"][-1][0] == "end")
    assert [row[0] for row in heard["a"][:-1]] == [f"{i:0200}" for i in range(500)]


@pytest.mark.parametrize("version", [4, 5])
async def test_a_huge_message(broker, publish, listen, monkeypatch, version):
    """A message that would not fit into memory ends the connection under 3.1.1; MQTT 5 brokers do not even send it."""
    monkeypatch.setattr(client, "_HUGE", 200_000)
    here = broker()
    async with listen(here, "a", "b", version=version, max_payload=1000, first="60s") as one:
        await one.ready()
        publish(here, "a", b"x" * 5_000_000)
        if version == 4:
            with pytest.raises(NotConnected, match="sends a message of 5 MB"):
                await one.take(lambda _: False)
        else:
            publish(here, "b", "1")
            heard = await one.take(lambda h: h["b"])
            assert not heard["a"]


async def test_killed_and_started_again(broker, publish, listen):
    """A broker that is killed is lost at once, and one that is back is heard by a new connection."""
    here = broker()
    async with listen(here, "a") as one:
        publish(here, "a", "1")
        await one.take(lambda h: h["a"])
        here.kill()
        with pytest.raises(NotConnected, match="was lost"):
            await one.take(lambda _: False)
    here.start()
    async with listen(here, "a", first="30s") as one:
        await one.ready()
        await asyncio.to_thread(publish, here, "a", "2")
        await one.take(lambda h: h["a"])
        assert one.heard["a"][0][:2] == (2.0, GOOD)


async def test_a_broker_that_hangs(broker, listen):
    """A broker that is stopped (SIGSTOP) is lost after two keepalives, and one that never answers is a time-out."""
    here = broker()
    async with listen(here, "a", keepalive="1s") as one:
        await one.ready()
        os.kill(here.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(NotConnected):
                await one.take(lambda _: False, 8)
            assert time.monotonic() - began < 5
            with pytest.raises(Timeout, match="does not answer"):
                async with listen(here, "a", timeout="500ms"):
                    pass
        finally:
            os.kill(here.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("version", [4, 5])
async def test_logins(broker, listen, settings_of, tmp_path, version):
    """A right password is let in, a wrong or missing one is refused for good, with the cure."""
    users = tmp_path / "users"
    users.touch(0o600)
    tool = ["mosquitto_passwd", "-b", users, "gw", "secret"]
    await asyncio.to_thread(subprocess.run, tool, check=True, capture_output=True)
    here = broker("allow_anonymous false", f"password_file {users}")
    (tmp_path / "right").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")
    async with listen(here, "a", user="gw", password_file=str(tmp_path / "right"), version=version) as one:
        await one.ready()
    for more, cure in (
        ({"user": "gw", "password_file": str(tmp_path / "wrong")}, "check user and password_file"),
        ({}, "set user and password_file"),
    ):
        connection = plugin.open(settings_of(here, version=version, **more))
        with pytest.raises(AuthFailed) as caught:
            await connection.connect()
        await connection.aclose()
        assert cure in caught.value.hint
    connection = plugin.open(settings_of(here, user="gw", password_file=str(tmp_path / "nowhere")))
    with pytest.raises(AuthFailed, match="password_file cannot be read"):
        await connection.connect()
    assert isinstance(connection, Talking)
    assert connection.talk().requests == 0
    await connection.aclose()


async def test_no_broker_at_all(settings_of, broker):
    """What listens but is no broker is said to be none, or not to answer."""

    async def http(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(http, "127.0.0.1", 0)
    here = broker()
    here.port = server.sockets[0].getsockname()[1]
    connection = plugin.open(settings_of(here, timeout="1s"))
    with pytest.raises((NotConnected, Timeout)) as caught:
        await connection.connect()
    assert caught.value.hint
    await connection.aclose()
    server.close()
