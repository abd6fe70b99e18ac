"""A real Modbus TCP slave in a process of its own (pyModbusTCP): `python slave.py PORT`, then commands on stdin.

`set ADDRESS WORD` writes a holding register and answers with the monotonic clock (ns) of just after; 40,000 registers
hold a ramp at first. It ends when stdin does.
"""

from __future__ import annotations

import sys
import time

from pyModbusTCP.server import DataBank, ModbusServer


def main(port: int) -> None:
    """Serve until stdin ends."""
    bank = DataBank(h_regs_size=40_000)
    bank.set_holding_registers(0, [i % 1000 for i in range(40_000)])
    server = ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank)
    server.start()
    print("ready", flush=True)
    for line in sys.stdin:
        _, address, word = line.split()
        bank.set_holding_registers(int(address), [int(word)])
        print(time.monotonic_ns(), flush=True)
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
