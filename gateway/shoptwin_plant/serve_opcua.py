"""The machines as OPC UA objects, by asyncua: one open endpoint on loopback, reading and subscribing only."""

from __future__ import annotations

import logging
import math
import socket
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from shoptwin.sdk import ConfigError, StatusCode, ValueKind
from shoptwin_plant.registers import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from asyncua.common.node import Node

    from shoptwin_plant.model import PlantMachine, PlantTag, Update

HOST = "127.0.0.1"
_EPOCH = ua.DateTime(1970, 1, 1, tzinfo=UTC)
_TYPES = {
    ValueKind.F4: ua.VariantType.Double,
    ValueKind.U8: ua.VariantType.UInt32,
    ValueKind.WAVEFORM: ua.VariantType.Float,
}


class OpcUaPlant:
    """The address space of the plant, and the way new values get into it."""

    def __init__(self, server: Server, epoch: int, namespace: int) -> None:
        self._server = server
        self._epoch = epoch
        self._namespace = namespace
        self._types: dict[tuple[str, str], ua.VariantType] = {}

    async def add(self, machine: PlantMachine) -> None:
        """Make the object of a machine and a variable for each of its tags, which has no value yet."""
        parent = await self._server.nodes.objects.add_object(
            self._id(machine.name), ua.QualifiedName(machine.name, self._namespace)
        )
        for tag in machine.tags:
            await self._variable(parent, machine.name, tag)

    async def _variable(self, parent: Node, machine: str, tag: PlantTag) -> None:
        kind = _TYPES[tag.kind]
        self._types[machine, tag.name] = kind
        array = tag.kind is ValueKind.WAVEFORM
        first: Any = [0.0] * tag.samples if array else 0 if tag.kind is ValueKind.U8 else 0.0
        node = await parent.add_variable(
            self._id(machine, tag.name), ua.QualifiedName(tag.name, self._namespace),
            ua.Variant(first, kind, is_array=array), datatype=ua.NodeId(ua.Int32(kind.value)),
        )  # fmt: skip
        if array:
            await node.write_attribute(AttributeIds.ValueRank, ua.DataValue(ua.Variant(1, ua.VariantType.Int32)))
            await node.add_property(
                self._id(machine, tag.name, "SamplingRate"), ua.QualifiedName("SamplingRate", self._namespace),
                ua.Variant(float(tag.rate or 0), ua.VariantType.Double),
            )  # fmt: skip
        if tag.unit:
            unit = ua.EUInformation(NamespaceUri=NAMESPACE, UnitId=-1, DisplayName=ua.LocalizedText(tag.unit))
            await node.add_property(
                self._id(machine, tag.name, "EngineeringUnits"), ua.QualifiedName("EngineeringUnits", 0), unit
            )
        await self._write(node.nodeid, _nothing(StatusCode.BAD_WAITING_FOR_INITIAL_DATA, self._epoch))

    def _id(self, *names: str) -> ua.NodeId:
        return ua.NodeId(ua.String(".".join(names)), ua.Int16(self._namespace))

    async def put(self, machine: str, updates: Iterable[Update], now: int) -> None:
        """Take in new values: one notification for each, with the plant's times; `now` is that of the server."""
        for update in updates:
            node = self._id(machine, update.tag)
            kind = self._types[machine, update.tag]
            await self._write(node, _value(update, kind, _moment(now)))

    async def tell_time(self, now: int, rate: float) -> None:
        """Set the server's own time: that of the plant, so that a client finds no skew against the values'.

        One that runs at another `rate` than the client's is not told: whoever reckons on from it is wrong at once.
        """
        value = ua.DataValue(ua.Variant(_moment(now), ua.VariantType.DateTime), SourceTimestamp=_moment(now))
        if rate != 1:
            value = _nothing(StatusCode.BAD_NO_DATA, now)
        await self._write(ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerStatus_CurrentTime)), value)

    async def _write(self, node: ua.NodeId, value: ua.DataValue) -> None:
        await self._server.write_attribute_value(node, value)


def _value(update: Update, kind: ua.VariantType, now: ua.DateTime) -> ua.DataValue:
    """Return an update as OPC UA says it; without a value where it is Bad."""
    value = update.value.tolist() if isinstance(update.value, np.ndarray) else update.value
    if update.status & StatusCode.BAD or (isinstance(value, float) and math.isnan(value)):
        return _nothing(update.status or StatusCode.BAD_NO_DATA, update.time)
    return ua.DataValue(
        ua.Variant(value, kind, is_array=kind is ua.VariantType.Float),
        StatusCode=ua.StatusCode(ua.UInt32(update.status)), SourceTimestamp=_moment(update.time), ServerTimestamp=now,
    )  # fmt: skip


def _nothing(status: int, time: int) -> ua.DataValue:
    return ua.DataValue(
        ua.Variant(None, ua.VariantType.Null), StatusCode=ua.StatusCode(ua.UInt32(status)),
        SourceTimestamp=_moment(time), ServerTimestamp=_moment(time),
    )  # fmt: skip


def _moment(ns: int) -> ua.DateTime:
    """Return a time as asyncua wants it, to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


@asynccontextmanager
async def opcua(machines: Sequence[PlantMachine], epoch: int, port: int) -> AsyncIterator[tuple[str, OpcUaPlant]]:
    """Serve the machines; yields the URL and the address space.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    url = f"opc.tcp://{HOST}:{port or _free_port()}/"
    server.set_endpoint(url)
    server.set_server_name("Shoptwin practice plant")
    await server.set_application_uri("urn:shoptwin:practice-plant")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    server.set_force_server_timestamp(False)
    server.disable_clock()  # it would tell the wall time
    plant = OpcUaPlant(server, epoch, await server.register_namespace(NAMESPACE))
    for machine in machines:
        await plant.add(machine)
    try:
        await server.start()
    except OSError as e:
        raise ConfigError(
            f"OPC UA port {port} cannot be used: {e.strerror}", "Choose another, or 0 for any free one", code="plant"
        ) from e
    try:
        yield url, plant
    finally:
        await server.stop()


def _free_port() -> int:
    """Return a port that nobody uses: an endpoint must know its own URL before it listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
