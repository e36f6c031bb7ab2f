"""Lengths of time as people write and read them: 30m, 12h, 7d, 2w. Pure."""

import re
from datetime import timedelta
from typing import Final

from bot.errors import InvalidParameterError
from bot.language import Text

MIN_SPAN: Final = timedelta(minutes=1)
MAX_SPAN: Final = timedelta(days=366)

_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "t": timedelta(days=1),
    "w": timedelta(weeks=1),
}
# The first letter of the unit counts, so that "7 days", "7 Tage" and "7d" are the same.
_SPAN: Final = re.compile(r"(\d{1,6})\s*([mhdtw])[a-z]{0,9}\.?", re.IGNORECASE | re.ASCII)


def parse_span(text: str) -> timedelta:
    """Raises InvalidParameterError for what is no time from MIN_SPAN to MAX_SPAN."""
    match = _SPAN.fullmatch(text.strip())
    span = int(match[1]) * _UNITS[match[2].lower()] if match else None
    if span is None or not MIN_SPAN <= span <= MAX_SPAN:
        raise InvalidParameterError(
            "Write a time from 1m to 366d: a number with m for minutes, h for hours, d for days or w for weeks, not "
            "{given:.40}.",
            given=text,
        )
    return span


def span_text(span: timedelta) -> Text:
    """In the largest unit that shows it exactly, from days to seconds."""
    seconds = round(span.total_seconds())
    if seconds and not seconds % 86400:
        return Text.plural("{n} day", "{n} days", seconds // 86400)
    if seconds and not seconds % 3600:
        return Text.plural("{n} hour", "{n} hours", seconds // 3600)
    if seconds and not seconds % 60:
        return Text.plural("{n} minute", "{n} minutes", seconds // 60)
    return Text.plural("{n} second", "{n} seconds", seconds)


def span_code(span: timedelta) -> str:
    """As `parse_span` reads it."""
    seconds = round(span.total_seconds())
    for unit, letter in ((604800, "w"), (86400, "d"), (3600, "h")):
        if not seconds % unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 60}m"
