"""Answers that Discord lets the bot edit for 15 minutes only: which those are, and how long a job may take for one.

Asked by the job desk, on the event loop. Everywhere else the bot edits its message with its own token, at any time.
"""

from typing import Final

import discord

from bot.cogs.elsewhere import is_outside
from bot.errors import WaitTooLongError

MAX_WAIT_S: Final = 12 * 60.0  # leaves the forecast three minutes to be wrong


def is_short_lived(interaction: discord.Interaction, *, is_private: bool) -> bool:
    """Whether only the interaction's token reaches its answers: private ones, and those where the bot is no member."""
    return is_private or is_outside(interaction)


def check_wait(expected_end_s: float | None, *, is_private: bool) -> None:
    """Raises WaitTooLongError if a job's expected end, in seconds from now, is too far off. None: nobody knows.

    is_private: its user asked for that; otherwise the bot is no member where they are.
    """
    if expected_end_s is None or expected_end_s <= MAX_WAIT_S:
        return
    minutes = round(expected_end_s / 60)
    if is_private:
        raise WaitTooLongError(
            "This would be done in about {minutes} min, and Discord lets me write into an answer of this kind for 15 "
            "minutes only. Ask without “private” in one of the server's channels, or try again later.",
            minutes=minutes,
        )
    raise WaitTooLongError(
        "This would be done in about {minutes} min, and where I am not a member Discord lets me write into an answer "
        "for 15 minutes only. Ask in a server that I am in, or try again later.",
        minutes=minutes,
    )
