"""The wire under watch: in the whole system suite the daemon asks for nothing but reading."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from asyncua.sync import Client as OpcUaClient
from asyncua.ua.uaerrors import UaError
from pymodbus.client import ModbusTcpClient

from shoptwin.testing.watch import READING as FUNCTIONS
from shoptwin.testing.watch_opcua import ALLOWED

PLC = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "100ms"

[[machine]]
name = "press-1"

[[machine.tag]]
name = "oil_temp"
role = "temperature"
device = "plc1"
address = "holding:0:float32"

[[machine.tag]]
name = "count"
role = "count"
device = "plc1"
address = "input:10:uint16"
"""
EDGE = """
[[device]]
name = "edge-{mode}"
driver = "opcua"
url = "{url}"
security = "none"
period = "100ms"
mode = "{mode}"

[[machine]]
name = "mill-{mode}"

[[machine.tag]]
name = "spindle_temp"
role = "temperature"
device = "edge-{mode}"
address = "nsu=urn:shoptwin:test;s=n0"

[[machine.tag]]
name = "acc"
role = "waveform"
device = "edge-{mode}"
rate = 25600
address = "nsu=urn:shoptwin:test;s=Wave"
"""


def test_both_protocols_are_under_watch(slave: Any, node_opcua: Any, daemon: Any, wires: Any) -> None:
    """From connect through loss, reload, `browse`, `check --probe` and goodbye both drivers only read."""
    plc, server = slave(), node_opcua(nodes=2, period=50)
    text = PLC.format(port=plc.port) + "".join(EDGE.format(mode=m, url=server.url) for m in ("poll", "subscribe"))
    gateway = daemon(text)
    plain = {"opc.tcp": ["--set", "security=none"]}
    browse = [["browse", url, *plain.get(url.partition("://")[0], [])] for url in gateway.urls()]
    for words in (["check", "--config", str(gateway.path), "--probe"], *browse):
        done = subprocess.run([sys.executable, "-m", "shoptwin", *words], capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done  # a Modbus device has nothing to browse
    gateway.start()
    gateway.until(lambda s: all(d["health"] == "connected" and d["samples"] > 10 for d in s["devices"]))
    for wire in gateway.wires.values():
        wire.down()
    gateway.until(lambda s: all(d["health"] == "lost" for d in s["devices"]))
    for wire in gateway.wires.values():
        wire.up()
    gateway.until(lambda s: all(d["health"] == "connected" for d in s["devices"]), 30)
    gateway.write(text.replace('period = "100ms"', 'period = "200ms"'))
    assert gateway.run("reload").returncode == 0
    gateway.until(lambda s: all(d["health"] == "connected" for d in s["devices"]), 30)
    assert gateway.stop() == 0
    functions, services = wires.asked()
    assert {3, 4} <= set(functions)
    assert {"CreateSession", "Read", "Browse", "CreateSubscription", "CreateMonitoredItems", "Publish"} <= set(services)
    assert set(functions) <= FUNCTIONS
    assert set(services) <= ALLOWED
    for wire in gateway.wires.values():
        assert wire.faults == []


def test_a_modbus_client_that_writes_is_caught(slave: Any, own_wires: Any) -> None:
    """A write of a register through the watch is seen, so the check of the whole suite can fail."""
    wire = own_wires.to("tcp", slave().port)
    with ModbusTcpClient("127.0.0.1", port=wire.port) as client:
        assert client.read_holding_registers(0, count=2).registers == [0, 0]
        assert wire.faults == []
        client.write_register(0, 7)
    assert len(wire.faults) == 1
    assert "Modbus function 6" in wire.faults[0]


def test_an_opcua_client_that_writes_is_caught(node_opcua: Any, own_wires: Any) -> None:
    """A write, and a call of a method, through the watch are seen, so the check of the whole suite can fail."""
    wire = own_wires.to("opc.tcp", node_opcua(nodes=1).port)
    client = OpcUaClient(f"opc.tcp://127.0.0.1:{wire.port}")
    with client:
        node = client.get_node("ns=1;s=n0")
        index = client.get_namespace_index("urn:shoptwin:test")
        node = client.get_node(f"ns={index};s=n0")
        node.read_value()
        assert wire.faults == []
        with pytest.raises(UaError):
            node.write_value("text")
        with pytest.raises(UaError):
            client.get_node("i=2253").call_method("0:GetMonitoredItems", 1)
    assert set(wire.faults) == {"OPC UA service Write", "OPC UA service Call"}


def test_the_check_of_the_suite_fails_on_a_write(slave: Any, own_wires: Any) -> None:
    """What the `wires` fixture says at the end of the run is an error once anything was written."""
    wire = own_wires.to("tcp", slave().port)
    own_wires.verify()
    with ModbusTcpClient("127.0.0.1", port=wire.port) as client:
        client.write_coil(0, True)
    with pytest.raises(AssertionError, match="more than reading"):
        own_wires.verify()
