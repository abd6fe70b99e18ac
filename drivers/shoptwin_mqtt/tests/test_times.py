"""Times that cannot be."""

from __future__ import annotations

import time

import pytest

from shoptwin.sdk import StatusCode
from shoptwin_mqtt.rows import Row, Want
from shoptwin_mqtt.times import AHEAD, BEHIND, KEPT_AHEAD, judged
from shoptwin_mqtt.values import Value, ValueKind, Wish, bad

GOOD, UNSURE, UNCERTAIN = StatusCode.GOOD, StatusCode.UNCERTAIN_LAST_USABLE_VALUE, StatusCode.UNCERTAIN
NOW, SECOND, YEAR = 1_795_348_800 * 10**9, 10**9, 365 * 86_400
WANT = Want(1, "g", Wish(), 300.0)


@pytest.mark.parametrize(
    ("age", "retained", "past", "status", "kept"),
    [
        (0, False, False, GOOD, True), (600 * SECOND, False, False, GOOD, True), (-AHEAD, False, False, GOOD, True),
        (-AHEAD - 1, False, False, UNCERTAIN, False), (BEHIND, False, False, GOOD, True),
        (BEHIND + 1, False, False, UNCERTAIN, False), (BEHIND + 1, False, True, GOOD, True),
        (-AHEAD - 1, False, True, UNCERTAIN, False), (300 * SECOND, True, False, GOOD, True),
        (301 * SECOND, True, False, UNSURE, True), (-KEPT_AHEAD, True, False, GOOD, True),
        (-KEPT_AHEAD - 1, True, False, UNSURE, True), (-AHEAD - 1, True, False, UNSURE, False),
        (BEHIND + 1, True, False, UNSURE, False), (BEHIND + 1, True, True, GOOD, True),
    ],
)  # fmt: skip
def test_limits(age, retained, past, status, kept):
    """A time within the limits is kept; beyond them that of receipt stands in and the value is Uncertain."""
    found = judged(Row(WANT, Value(ValueKind.F8, 1.0), NOW - age, past), NOW, retained=retained, stale=300.0)
    assert (found.value.value, found.value.status, found.time) == (1.0, status, NOW - age if kept else 0)


def test_no_time():
    """Without a time what is live is Good, what is retained is not, and what is Bad keeps its reason."""
    for retained, status in ((False, GOOD), (True, UNSURE)):
        found = judged(Row(WANT, Value(ValueKind.F8, 1.0)), NOW, retained=retained, stale=300.0)
        assert (found.value.status, found.time) == (status, 0)
        told = Row(WANT, bad(StatusCode.BAD_NO_DATA), NOW + YEAR * SECOND)
        found = judged(told, NOW, retained=retained, stale=300.0)
        assert (found.value.status, found.time) == (StatusCode.BAD_NO_DATA, 0)


@pytest.mark.parametrize("years", [-3, 3])
async def test_years_away(broker, publish, listen, years):
    """What comes live with a time that is years away is Uncertain, of the time of receipt; so is what is retained."""
    here, there = broker(), time.time() + years * YEAR
    publish(here, "kept", {"v": 95, "t": there}, retain=True)
    async with listen(here, "live#/v@/t", "kept#/v@/t", first="60s") as one:
        await one.take(lambda h: h["kept#/v@/t"])
        publish(here, "live", {"v": 95, "t": there})
        publish(here, "live", {"v": 96, "t": time.time()})
        heard = await one.take(lambda h: len(h["live#/v@/t"]) == 2)
    assert heard["live#/v@/t"][0] == (95, UNCERTAIN, 0)
    assert heard["live#/v@/t"][1][:2] == (96, GOOD)
    assert heard["kept#/v@/t"][0] == (95, UNSURE, 0)
