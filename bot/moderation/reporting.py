"""Who may report a result, and when reports hide it until moderators have decided. Pure.

Reports cost moderators time, so each person has so many a day, and whoever was wrong again and again has to wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.errors import NotAdmittedError
from bot.guild_settings import GuildSettings

MAX_PER_DAY: Final = 10
MAX_REJECTED: Final = 5
REJECTED_WITHIN: Final = timedelta(days=14)
PAUSE: Final = timedelta(days=7)
MAX_OPEN: Final = 200
"""Open cases of reports in one guild, so that a flood ends at the moderators' door."""
MAX_REASON_CHARACTERS: Final = 500

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PastReport:
    """reported_at: aware. was_right: whether moderators did something about it; None while they have not decided."""

    reported_at: datetime
    was_right: bool | None = None


def check_reporter(past: Sequence[PastReport], now: datetime) -> None:
    """Raises NotAdmittedError, with when it will work again. past: somebody's reports in a guild, newest first."""
    today = [report for report in past if report.reported_at > now - DAY]
    if len(today) >= MAX_PER_DAY:
        raise NotAdmittedError(
            "You have reported {count} results within 24 hours, as many as one may. You can report again {when}.",
            count=len(today),
            when=_moment(today[MAX_PER_DAY - 1].reported_at + DAY),
        )
    decided = [report for report in past if report.was_right is not None][:MAX_REJECTED]
    if len(decided) < MAX_REJECTED or any(report.was_right for report in decided):
        return
    ends_at = decided[0].reported_at + PAUSE
    if decided[-1].reported_at > decided[0].reported_at - REJECTED_WITHIN and now < ends_at:
        raise NotAdmittedError(
            "Moderators found nothing wrong with the last {count} results that you reported. You can report again "
            "{when}; if it is urgent, write to a moderator.",
            count=MAX_REJECTED,
            when=_moment(ends_at),
        )


def check_flood(num_open: int) -> None:
    """Raises NotAdmittedError if the moderators of a guild have enough to do. num_open: cases of reports there."""
    if num_open >= MAX_OPEN:
        raise NotAdmittedError(
            "The moderators of this server have {count} reports before them, as many as I take. Write to one of them, "
            "or report it later.",
            count=num_open,
        )


def hides(settings: GuildSettings, num_reporters: int) -> bool:
    """Whether a result is hidden, after so many members have reported it."""
    return 0 < settings.reports_to_hide <= num_reporters


def _moment(time: datetime) -> str:
    """Discord shows it in each user's own time."""
    return f"<t:{int(time.timestamp())}:R>"
