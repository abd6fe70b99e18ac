"""For tests of drivers, this project's and third parties': the contract that every driver keeps, and wire watchers.

A driver passes when a subclass of `DriverContract` does:

    class TestMine(DriverContract):
        @pytest.fixture
        def plugin(self):
            return my_driver.plugin

        @pytest_asyncio.fixture
        async def site(self):
            server = await start_my_server()
            yield Site(settings={"url": ...}, ...)
            await server.stop()

It needs pytest and pytest-asyncio.
"""

import pytest

pytest.register_assert_rewrite("shoptwin.testing.checks", "shoptwin.testing.contract")

from shoptwin.testing.builders import Reading, free_port, group_of, readings  # noqa: E402 - rewriting comes first
from shoptwin.testing.contract import DriverContract  # noqa: E402
from shoptwin.testing.site import Site  # noqa: E402
from shoptwin.testing.watch import ModbusWatch  # noqa: E402

__all__ = ["DriverContract", "ModbusWatch", "Reading", "Site", "free_port", "group_of", "readings"]
