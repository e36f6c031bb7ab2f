"""Figures from timelines that were made by hand."""

import pytest

from bot.bench.serve_timeline import Timeline

# Two slots: one from 1 to 9, a second one from 3 to 5.
SLOTS = ((1.0, 1), (3.0, 2), (5.0, 1), (9.0, 0))


def timeline(*busy: tuple[float, float], drawn: tuple[tuple[float, int], ...] = ()) -> Timeline:
    return Timeline(busy=busy, occupied=SLOTS, drawn=drawn)


def test_occupancy_is_the_mean_over_the_window() -> None:
    assert timeline().occupancy((0.0, 10.0), 2) == pytest.approx(10 / 20)
    assert timeline().occupancy((3.0, 4.0), 2) == 1.0
    assert timeline().occupancy((9.5, 10.0), 2) == 0.0
    assert Timeline((), (), ()).occupancy((0.0, 1.0), 2) == 0.0


def test_slots_that_stay_occupied_count_to_the_end() -> None:
    assert Timeline((), ((1.0, 1),), ()).occupancy((0.0, 4.0), 1) == pytest.approx(3 / 4)
    assert Timeline((), ((9.0, 1),), ()).occupancy((0.0, 4.0), 1) == 0.0


def test_idle_is_where_slots_wait_and_nothing_is_on_the_device() -> None:
    # Of the 8 s with occupied slots: 1 to 2, 6 to 7 and 8.5 to 9 are idle. 0 to 1 and 9 to 10 don't count.
    line = timeline((2.0, 4.0), (3.0, 6.0), (7.0, 8.5), (3.5, 3.6))
    assert line.idle_share((0.0, 10.0)) == pytest.approx(2.5 / 8)
    assert line.idle_share((2.0, 6.0)) == 0.0
    assert line.idle_share((6.0, 8.0)) == pytest.approx(1 / 2)


def test_the_device_may_be_busy_where_no_slot_is_occupied() -> None:
    assert timeline((-1.0, 20.0)).idle_share((0.0, 10.0)) == 0.0
    assert timeline((0.0, 1.0), (9.0, 9.5)).idle_share((0.0, 10.0)) == 1.0
    assert timeline().idle_share((9.0, 10.0)) == 0.0


def test_the_steady_rate_leaves_out_both_ends() -> None:
    slow_start = ((10.0, 2), (11.0, 2), (12.0, 2), (13.0, 2), (50.0, 2))
    # From the first time with 2 of 10 images to the one with 8: 6 images in 3 s.
    assert timeline(drawn=slow_start).steady_rate() == pytest.approx(2.0)


def test_the_steady_rate_of_few_times_takes_all_of_them() -> None:
    assert timeline(drawn=((1.0, 1), (2.0, 98), (3.0, 1))).steady_rate() == pytest.approx(99 / 2)
    with pytest.raises(ValueError, match="two times"):
        timeline(drawn=((1.0, 1),)).steady_rate()
