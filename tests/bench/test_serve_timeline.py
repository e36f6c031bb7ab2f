"""Figures from timelines that were made by hand."""

from dataclasses import replace

import pytest

from bot.bench.serve_timeline import Timeline, Work

# One slot from 1 to 9, a second one from 3 to 5.
OCCUPIED = ((1.0, 1), (3.0, 2), (5.0, 1), (9.0, 0))


def busy(*spans: tuple[float, float], occupied: tuple[tuple[float, int], ...] = OCCUPIED) -> Timeline:
    return Timeline(tuple(Work(since, done, 1) for since, done in spans), occupied)


def drawn(*counts: tuple[float, int]) -> Timeline:
    return Timeline(tuple(Work(0.0, done, 1, num_images) for done, num_images in counts), ())


def test_occupancy_is_the_mean_over_what_the_device_works_on() -> None:
    # Dispatched early, begun when the one before is done: 1 to 3 with one slot, 3 to 5 with two, 6 to 8 with one.
    works = (Work(1.0, 3.0, 1), Work(1.5, 5.0, 2), Work(6.0, 8.0, 1))
    line = Timeline(works, ())
    assert line.occupancy((0.0, 10.0), 2) == pytest.approx((2 + 4 + 2) / 20)
    assert line.occupancy((3.0, 4.0), 2) == 1.0
    assert line.occupancy((2.0, 4.0), 2) == pytest.approx(3 / 4)
    assert line.occupancy((9.0, 10.0), 2) == 0.0
    assert list(line.counts()) == [((1.0, 3.0), 1), ((3.0, 5.0), 2), ((6.0, 8.0), 1)]


def test_idle_is_where_slots_wait_and_nothing_is_on_the_device() -> None:
    # Of the 8 s with occupied slots: 1 to 2, 6 to 7 and 8.5 to 9 are idle. 0 to 1 and 9 to 10 don't count.
    line = busy((2.0, 4.0), (3.0, 6.0), (3.5, 3.6), (7.0, 8.5))
    assert line.idle_share((0.0, 10.0)) == pytest.approx(2.5 / 8)
    assert line.idle_share((2.0, 6.0)) == 0.0
    assert line.idle_share((6.0, 8.0)) == pytest.approx(1 / 2)


def test_what_is_unfinished_is_under_way_though_its_slots_are_free() -> None:
    assert busy((0.0, 20.0)).idle_share((0.0, 10.0)) == 0.0
    assert busy((8.0, 11.0)).idle_share((0.0, 12.0)) == pytest.approx(7 / 10)
    assert busy().idle_share((0.0, 10.0)) == 1.0
    assert busy().idle_share((9.0, 10.0)) == 0.0
    assert Timeline((), ()).idle_share((0.0, 1.0)) == 0.0


def test_slots_that_stay_occupied_count_to_the_end() -> None:
    assert busy((0.0, 3.0), occupied=((1.0, 1),)).idle_share((0.0, 4.0)) == pytest.approx(1 / 4)
    assert busy((0.0, 3.0), occupied=((9.0, 1),)).idle_share((0.0, 4.0)) == 0.0


def test_the_steady_rate_leaves_out_both_ends() -> None:
    # From the first time with 2 of 10 images to the one with 8: 6 images in 3 s.
    line = drawn((10.0, 2), (11.0, 2), (12.0, 2), (13.0, 2), (50.0, 2))
    assert line.steady_rate() == pytest.approx(2.0)
    # What draws no images is no time at which images are done.
    chunks = tuple(replace(work, done_s=work.done_s + 0.5, num_images=0) for work in line.works)
    assert Timeline(line.works + chunks, ()).steady_rate() == pytest.approx(2.0)


def test_the_steady_rate_of_few_times_takes_all_of_them() -> None:
    assert drawn((1.0, 1), (2.0, 98), (3.0, 1)).steady_rate() == pytest.approx(99 / 2)
    with pytest.raises(ValueError, match="two times"):
        drawn((1.0, 1)).steady_rate()
