import pytest

from bot.executor.pace import Pace, PaceMeter


@pytest.mark.parametrize(
    ("num_occupied", "seconds"), [(1, 0.1), (2, 0.1), (3, 0.15), (4, 0.2), (6, 0.4), (8, 0.6), (12, 0.9), (16, 1.2)]
)
def test_between_measured_numbers_of_slots_it_is_on_a_line(num_occupied: int, seconds: float) -> None:
    pace = Pace(((2, 0.1), (4, 0.2), (8, 0.6)))
    assert pace.seconds_per_token(num_occupied) == pytest.approx(seconds)


def test_beyond_what_was_measured_the_line_goes_on_if_it_rises() -> None:
    assert Pace(((2, 0.1), (4, 0.12))).seconds_per_token(8) == pytest.approx(0.16)
    assert Pace(((2, 0.2), (4, 0.1))).seconds_per_token(8) == 0.1
    assert Pace(((4, 0.1),)).seconds_per_token(8) == 0.1


def test_each_number_of_slots_is_measured_by_itself() -> None:
    meter = PaceMeter()
    assert meter.pace is None
    meter.record(4, 16, 3.2)
    meter.record(1, 16, 1.6)
    assert meter.pace == Pace(((1, 0.1), (4, 0.2)))


def test_the_latest_count_more_and_one_does_not_decide() -> None:
    meter = PaceMeter()
    meter.record(1, 1, 1.0)
    meter.record(1, 1, 2.0)
    assert meter.pace is not None
    assert 1.0 < meter.pace.seconds_per_token(1) < 1.5
    for _ in range(20):
        meter.record(1, 1, 2.0)
    assert meter.pace is not None
    assert meter.pace.seconds_per_token(1) == pytest.approx(2.0, rel=0.01)
