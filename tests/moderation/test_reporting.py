from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import NotAdmittedError
from bot.guild_settings import GuildSettings
from bot.moderation.reporting import (
    MAX_OPEN,
    MAX_PER_DAY,
    MAX_REJECTED,
    PAUSE,
    REJECTED_WITHIN,
    PastReport,
    check_flood,
    check_reporter,
    hides,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reports(*hours_ago: float, was_right: bool | None = None) -> list[PastReport]:
    return [PastReport(NOW - timedelta(hours=hours), was_right) for hours in hours_ago]


def test_so_many_a_day() -> None:
    check_reporter(reports(*range(MAX_PER_DAY - 1)), NOW)
    check_reporter(reports(*[25] * 50), NOW)
    with pytest.raises(NotAdmittedError) as caught:
        check_reporter(reports(*range(1, MAX_PER_DAY + 2)), NOW)
    again = NOW - timedelta(hours=MAX_PER_DAY) + timedelta(days=1)
    assert f"<t:{int(again.timestamp())}:R>" in str(caught.value)
    check_reporter(reports(*range(1, MAX_PER_DAY + 2)), again + timedelta(seconds=1))


def test_whoever_is_wrong_again_and_again_waits() -> None:
    wrong = reports(*[30 + number for number in range(MAX_REJECTED)], was_right=False)
    check_reporter(wrong[1:], NOW)
    with pytest.raises(NotAdmittedError, match="found nothing wrong with the last 5"):
        check_reporter(wrong, NOW)
    undecided = reports(29)
    with pytest.raises(NotAdmittedError):
        check_reporter(undecided + wrong, NOW)
    check_reporter(wrong, wrong[0].reported_at + PAUSE)


def test_being_right_once_in_between_ends_it() -> None:
    wrong = reports(*[30 + number for number in range(MAX_REJECTED)], was_right=False)
    for place in range(MAX_REJECTED):
        mixed = [*wrong]
        mixed[place] = PastReport(wrong[place].reported_at, was_right=True)
        check_reporter(mixed, NOW)


def test_wrong_ones_far_apart_do_not_count_together() -> None:
    hours = REJECTED_WITHIN.total_seconds() / 3600
    check_reporter(reports(30, *[30 + hours + number for number in range(MAX_REJECTED)], was_right=False), NOW)


def test_a_clock_that_was_set_back_forbids_nothing_for_ever() -> None:
    later = NOW + timedelta(days=400)
    future = [PastReport(later, was_right=True)] * (MAX_PER_DAY - 1)
    check_reporter(future, NOW)


def test_a_flood_ends_at_the_door() -> None:
    check_flood(MAX_OPEN - 1)
    with pytest.raises(NotAdmittedError, match="200 reports before them"):
        check_flood(MAX_OPEN)


@pytest.mark.parametrize(("limit", "hidden_from"), [(0, None), (1, 1), (3, 3)])
def test_from_so_many_on_a_result_is_hidden(limit: int, hidden_from: int | None) -> None:
    settings = GuildSettings(reports_to_hide=limit)
    found = [number for number in range(1, 6) if hides(settings, number)]
    assert found == ([] if hidden_from is None else list(range(hidden_from, 6)))
