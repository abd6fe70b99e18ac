from __future__ import annotations

import numpy as np
import pytest

from shoptwin.domain.timing import parse_time
from shoptwin_plant import PlantOptions
from shoptwin_plant.machines import Mill, Packer, Press
from shoptwin_plant.physics.life import DAY, Hall, Life, calendar
from shoptwin_plant.physics.production import HOUR, Habits, Schedule, State
from shoptwin_plant.physics.thermal import ambient
from shoptwin_plant.plant import _Run

MONDAY = parse_time("2025-01-06T06:00:00Z")
SECOND = 10**9


def test_nobody_works_at_weekends_and_on_free_mondays() -> None:
    """Saturday and Sunday are free, a third of the Mondays too, the other days never."""
    life = calendar(MONDAY)
    works = np.array([life.works(1, day) for day in range(7 * 60)]).reshape(60, 7)
    assert works[:, 1:5].all()
    assert not works[:, 5:].any()
    assert 0.15 < 1 - works[:, 0].mean() < 0.55


def test_the_first_day_is_the_one_of_the_epoch() -> None:
    """A plant that starts on a Saturday rests for two days."""
    saturday = calendar(MONDAY + 5 * DAY * SECOND)
    assert [saturday.works(1, day) for day in range(2)] == [False, False]
    assert calendar(MONDAY).weekday == 0


def test_a_machine_is_off_at_weekends_and_warms_up_before_work_alone() -> None:
    """From Friday night to Monday morning it is off, but for the half hour before the shift."""
    schedule = Schedule(1, "m", Habits(), Life(weekends=True))
    states = {schedule.state(second) for second in range(4 * DAY + 17 * HOUR, 7 * DAY - 1800, 600)}
    assert states == {State.OFF}
    assert schedule.state(7 * DAY - 600) is State.STANDBY
    assert schedule.state(7 * DAY + HOUR) is not State.OFF
    assert not len(schedule.parts(5 * DAY, 7 * DAY)[0])


def test_orders_are_for_all_products_and_last_for_hours() -> None:
    """Each day has up to three orders; over a fortnight each product is made; a plain plant makes one."""
    schedule = Schedule(1, "m", Habits(), Life(products=3))
    made = [schedule.product(second) for second in range(0, 14 * DAY, 900)]
    assert set(made) == {0, 1, 2}
    assert 0 < np.count_nonzero(np.diff(made)) <= 3 * 14
    assert {Schedule(1, "m", Habits()).product(second) for second in range(0, 3 * DAY, 900)} == {0}
    assert made == [Schedule(1, "m", Habits(), Life(products=3)).product(s) for s in range(0, 14 * DAY, 900)]


def test_the_hall_follows_season_and_weather() -> None:
    """July is some 10 K warmer than January; days differ; a plain plant's hall has its daily swing alone."""
    hall = Hall(1, calendar(MONDAY))
    months = [np.mean([hall.at(MONDAY + (month * 30 + d) * DAY * SECOND) for d in range(30)]) for month in range(12)]
    assert months[6] - months[0] == pytest.approx(10, abs=2)
    noons = [hall.at(MONDAY + d * DAY * SECOND) for d in range(30)]
    assert 0.5 < np.std(np.diff(noons)) < 3
    assert Hall(1, Life()).at(MONDAY) == ambient(MONDAY)


@pytest.mark.parametrize(("kind", "power"), [(Press, 0.5), (Mill, 0.2)])
def test_a_cold_start_takes_more_power(kind: type[Press | Mill], power: float) -> None:
    """After a weekend stiff oil needs more than without it, and less after a shift."""
    differences = []
    for cold in (0.0, 0.2):
        machine = kind(3, MONDAY, 3600.0, Life(weekends=True, cold=cold), 60)
        shown = []
        for shift in (7 * DAY, 7 * DAY + 14 * HOUR):
            for second in range(shift + 600, shift + 3000, 300):
                list(machine.advance(MONDAY + second * SECOND))
                shown.append(machine.values([0.0] * machine.columns)["power"])
        differences.append(np.array(shown).reshape(2, -1))
    more = (differences[1] - differences[0]).max(1)
    assert more[0] > power
    assert more[1] < 0.5 * more[0]


def test_products_have_setpoints_of_their_own() -> None:
    """The seal's setpoint and the spindle's take three values over a fortnight, and the process follows."""
    for kind, setpoint, value in ((Packer, "seal_setpoint", "seal_temp"), (Mill, "speed_setpoint", "spindle_speed")):
        machine = kind(1, MONDAY, 3600.0, calendar(MONDAY), 60)
        told = []
        for second in range(1800, 14 * DAY, HOUR):  # half an hour after the shift began: the seal is hot
            for updates in machine.advance(MONDAY + second * SECOND):
                shown = {update.tag: update.value for update in updates}
                if machine.state is State.PRODUCING:
                    told.append((shown[setpoint], shown[value]))
        asked, got = np.array(told).T
        assert len(set(asked)) == 3
        assert np.corrcoef(asked, got)[0, 1] > 0.95


def test_a_long_stride_tells_the_same_story() -> None:
    """Stepped by the minute, temperatures and load have the means and spreads that they have second by second."""
    figures = []
    for stride in (1, 60):
        machine = Mill(1, MONDAY, 3600.0, None, stride)
        rows = []
        for second in range(0, 12 * HOUR, 300):
            for updates in machine.advance(MONDAY + second * SECOND):
                shown = {update.tag: update.value for update in updates}
                rows.append([shown[tag] for tag in ("spindle_temp", "housing_temp", "load", "parts")])
        figures.append(np.array(rows))
    fine, coarse = figures
    np.testing.assert_allclose(coarse[-60:, :2].mean(0), fine[-60:, :2].mean(0), atol=1.5)
    np.testing.assert_array_equal(coarse[:, 3], fine[:, 3])
    assert coarse[:, 2].std() == pytest.approx(fine[:, 2].std(), rel=0.3)


def test_the_served_plant_rests_at_weekends_where_it_has_a_calendar() -> None:
    """Started on a Saturday with it every machine is off; without it they work, as on every day."""
    for wished, states in ((True, {State.OFF}), (False, {State.PRODUCING})):
        run = _Run(PlantOptions(epoch=MONDAY + 5 * DAY * SECOND, calendar=wished))
        assert {machine.state for machine in run._simulated} == states
