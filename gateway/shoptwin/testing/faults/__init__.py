"""Seeded faults of a Modbus link, proxies that let them happen, and a device by whose values a wrong one is known.

A fault has a name, `rtu/reply/flip/1234` (link, way, kind, seed), from which all that it does is drawn, so that it can
be repeated alone:

    truth = Truth()                      # stands behind any server
    async with TcpFaultProxy(server_port, Assumption(timeout=0.1)) as proxy:
        ...                              # poll proxy.url
        proxy.arm(Fault.parse("tcp/reply/late/7"))
        await proxy.over()
        ...                              # judge what was read by truth.candidates
"""

from shoptwin.testing.faults.fault import Fault, beyond, every, kinds
from shoptwin.testing.faults.line import ConverterFaultProxy, LineFaultProxy, PtyFaultProxy
from shoptwin.testing.faults.proxy import Assumption, FaultProxy, TcpFaultProxy
from shoptwin.testing.faults.shapes import Delivery, Link, Piece, Scene, Way, crc
from shoptwin.testing.faults.truth import Place, Truth

__all__ = [
    "Assumption",
    "ConverterFaultProxy",
    "Delivery",
    "Fault",
    "FaultProxy",
    "LineFaultProxy",
    "Link",
    "Piece",
    "Place",
    "PtyFaultProxy",
    "Scene",
    "TcpFaultProxy",
    "Truth",
    "Way",
    "beyond",
    "crc",
    "every",
    "kinds",
]
