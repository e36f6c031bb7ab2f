"""What members wrote about a result, for the message of its case. Pure."""

from collections.abc import Sequence
from typing import Final

from bot.language import Text
from bot.message_text import escape_shortened
from bot.store import Report

MAX_SHOWN: Final = 5
MAX_REASON_UNITS: Final = 150


def report_lines(reports: Sequence[Report], num_reports: int) -> list[Text]:
    """reports: the oldest ones of a case."""
    lines = [Text.plural("Reported by {n} member:", "Reported by {n} members:", num_reports)]
    for each in reports[:MAX_SHOWN]:
        reason = escape_shortened(" ".join(each.reason.split()), MAX_REASON_UNITS)
        lines.append(Text("- {user}: {reason}", user=f"<@{each.reporter_id}>", reason=reason))
    return lines
