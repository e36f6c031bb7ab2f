from datetime import timedelta

import pytest

from bot.errors import InvalidParameterError
from bot.moderation.spans import MAX_SPAN, MIN_SPAN, parse_span, span_code, span_text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30m", timedelta(minutes=30)),
        (" 12 h ", timedelta(hours=12)),
        ("7 days", timedelta(days=7)),
        ("7 Tage", timedelta(days=7)),
        ("2W", timedelta(weeks=2)),
        ("1m", MIN_SPAN),
        ("366d", MAX_SPAN),
        ("90 min.", timedelta(minutes=90)),
    ],
)
def test_people_write_times_in_many_ways(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "0m", "7", "d", "-1d", "1.5h", "367d", "999999w", "1d 2h", "1s", "٣d", "1y"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="Write a time from 1m to 366d"):
        parse_span(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(weeks=2), "14 days"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(0), "0 seconds"),
    ],
)
def test_a_time_is_told_exactly(span: timedelta, text: str) -> None:
    assert str(span_text(span)) == text


@pytest.mark.parametrize("code", ["1m", "90m", "5h", "1d", "3w", "366d"])
def test_a_code_is_read_back(code: str) -> None:
    assert span_code(parse_span(code)) == code
