"""What servers do that is odd, and concerns one node or one service: the others go on."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.internal_session import InternalSession
from asyncua.ua.uaerrors import UaStatusCodeError

from shoptwin.sdk import Group, NotConnected, Point, StatusCode, Timeout
from shoptwin.testing import group_of
from shoptwin.testing.streams import take, values
from shoptwin_opcua import plugin
from shoptwin_opcua.session import channel

LARGE = ua.StatusCodes.BadResponseTooLarge


@pytest.fixture(params=["poll", "auto"])
def mode(request):
    return request.param


@pytest.fixture
def refuse(monkeypatch):
    """Let asyncua's server refuse a service as a whole, by a status, where `if_(parameters)` says so."""

    def refuse(service, status, if_=lambda _: True):
        serve = getattr(InternalSession, service)

        async def refusing(session, parameters, *more):
            if if_(parameters):
                raise UaStatusCodeError(status)
            return await serve(session, parameters, *more)

        monkeypatch.setattr(InternalSession, service, refusing)

    return refuse


async def _numbers(server, index):
    for i in range(10):
        await server.nodes.objects.add_variable(ua.NodeId(f"V{i}", index), f"V{i}", float(i))
    await server.nodes.objects.add_variable(ua.NodeId("Large", index), "Large", [1.0] * 9)


async def test_one_value_too_large(asyncua_server, connected, names, refuse, mode):
    """A node whose answer is too large for the server even alone is Bad by that status; the others are read."""
    refuse("read", LARGE, lambda asked: any(each.NodeId.Identifier == "Large" for each in asked.NodesToRead))
    group = names("V0", "V1", "V2", "Large", *(f"V{i}" for i in range(3, 10)))
    async with asyncua_server(_numbers) as (there, _), connected(there, mode=mode) as connection:
        before = connection._server.limits.read
        found = await values(connection, group)
        assert [found[i].value for i in range(11) if i != 3] == list(range(10))
        assert found[3].status == LARGE
        assert connection._server.limits.read == before
        assert [(hole.address, hole.status) for hole in connection.talk().holes] == [
            ("nsu=urn:shoptwin:test;s=Large", LARGE)
        ]
        if mode == "poll":
            requests = connection.talk().requests
            await connection.read(group)
            assert connection.talk().requests <= requests + 3  # it is not looked for anew in each poll


async def test_browsing_denied(asyncua_server, connected, refuse, mode):
    """A server that lets nobody browse tells no units; its values are read all the same, and nobody is locked out."""
    refuse("browse", ua.StatusCodes.BadUserAccessDenied)
    address = plugin.parse_address("nsu=urn:shoptwin:test;s=V7")
    async with asyncua_server(_numbers) as (there, _), connected(there, mode=mode) as connection:
        found = await values(connection, Group("g", "d", 10**8, (Point(0, address, unit="degC"),)))
        assert found[0].value == 7.0


async def test_a_structure_that_comes_later(asyncua_server, connected, mode):
    """A structure that is not there when we connect, as its type is not, is read once both are."""

    async def build(server, index):
        # asyncua keeps the types of all servers of a process by their NodeIds: here they have a namespace of their own.
        await server.register_namespace("urn:unused")
        return server, index, await server.register_namespace("urn:shoptwin:types")

    group = group_of(plugin, ["nsu=urn:shoptwin:test;s=Fan#Speed"], period=10**8)
    async with (
        asyncua_server(build) as (there, (server, index, types)),
        connected(there, mode=mode, refresh="1s") as connection,
    ):
        stream = connection.batches([group]) if mode == "auto" else None

        async def until(wanted):
            if stream is not None:
                await take(stream, lambda found: 0 in found and wanted(found[0][-1]))
                return
            while not wanted((await values(connection, group))[0]):
                await asyncio.sleep(0.1)

        await until(lambda reading: reading.status == StatusCode.BAD_NODE_ID_UNKNOWN)
        await new_struct(server, types, "Fan", [new_struct_field("Speed", ua.VariantType.Double)])
        await server.load_data_type_definitions()
        await server.nodes.objects.add_variable(ua.NodeId("Fan", index), "Fan", ua.Fan(Speed=12.5))
        async with asyncio.timeout(30):
            await until(lambda reading: reading.value == 12.5)


async def test_a_rate_that_comes_later(asyncua_server, connected, mode):
    """An array whose sampling rate is not there yet when the array is becomes a waveform once it is."""

    async def build(server, index):
        return await server.nodes.objects.add_variable(ua.NodeId("Acc", index), "Acc", [1.0, 2.0, 3.0])

    group = group_of(plugin, ["nsu=urn:shoptwin:test;s=Acc"], period=10**8)
    async with asyncua_server(build) as (there, node), connected(there, mode=mode, refresh="60s") as connection:
        stream = connection.batches([group]) if mode == "auto" else None

        async def until(wanted):
            if stream is not None:
                await take(stream, lambda found: 0 in found and wanted(found[0][-1]))
                return
            while not wanted((await values(connection, group))[0]):
                await asyncio.sleep(0.1)

        await until(lambda reading: reading.status == StatusCode.BAD_CONFIGURATION_ERROR)
        await node.add_property(ua.NodeId("Acc.Rate", node.nodeid.NamespaceIndex), "SamplingRate", 1000.0)
        async with asyncio.timeout(30):
            await until(lambda reading: reading.good and reading.value.rate == 1000.0)


async def test_a_server_that_is_still_being_built(asyncua_server, connected):
    """Where polled nodes come back, what else was missing is asked for soon, however long it has been waited for."""

    async def build(server, index):
        return await server.nodes.objects.add_variable(ua.NodeId("Bare", index), "Bare", [1.0])  # and never a rate

    group = group_of(plugin, [f"nsu=urn:shoptwin:test;s={name}" for name in ("Bare", "Acc")], period=10**8)
    async with asyncua_server(build) as (there, bare), connected(there, mode="poll", refresh="60s") as connection:
        asked = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - asked < 3.5:  # asked again after 1 s and 2 s, and then after 4 s
            await values(connection, group)
            await asyncio.sleep(0.1)
        index = bare.nodeid.NamespaceIndex
        parent = await bare.get_parent()
        node = await parent.add_variable(ua.NodeId("Acc", index), "Acc", [1.0, 2.0, 3.0])
        await node.add_property(ua.NodeId("Acc.Rate", index), "SamplingRate", 1000.0)
        async with asyncio.timeout(2.5):
            while not (await values(connection, group))[1].good:
                await asyncio.sleep(0.1)


async def test_a_session_that_cannot_be_kept(asyncua_server, connected, names, monkeypatch):
    """Where what keeps the session fails once, the connection ends and is made anew, instead of going on unkept."""

    def unanswered():
        raise Timeout("there was no answer", "wait")

    monkeypatch.setattr(channel, "TIMEOUT", 3_000)
    monkeypatch.setattr(channel, "_alive", unanswered)
    async with asyncua_server(_numbers) as (there, _), connected(there, mode="poll") as connection:
        await connection.read(names("V1"))
        async with asyncio.timeout(20):
            await asyncio.wait({connection._channel._keeper})
        with pytest.raises(NotConnected):
            await connection.read(names("V1"))


async def test_a_connection_that_is_closed_under_a_request(asyncua_server, connected, names, monkeypatch):
    """What waits for an answer when the connection is closed on our side is NotConnected: nobody has cancelled it."""
    read, waits = InternalSession.read, asyncio.Event()

    async def slowly(session, parameters, *more):
        if any(each.NodeId.Identifier == "V1" for each in parameters.NodesToRead):
            waits.set()
            await asyncio.sleep(30)
        return await read(session, parameters, *more)

    monkeypatch.setattr(InternalSession, "read", slowly)
    async with asyncua_server(_numbers) as (there, _), connected(there, mode="poll", timeout="20s") as connection:
        reading = asyncio.create_task(connection.read(names("V1")))
        await waits.wait()
        await channel.hang_up(connection._channel._client)
        with pytest.raises(NotConnected):
            await reading
