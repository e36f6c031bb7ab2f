"""The message that a job begins with, as an answer to its command or beside it. Used by the job desk; event loop."""

import asyncio
import logging
from typing import Final

import aiohttp
import discord

ANSWER_TIMEOUT_S: Final = 10.0
ALREADY_ACKNOWLEDGED: Final = 40060

_log = logging.getLogger(__name__)


async def send_job_message(
    interaction: discord.Interaction,
    job_id: str,
    content: str,
    view: discord.ui.View | None,
    *,
    is_private: bool,
    is_follow_up: bool,
) -> int:
    """Answers the interaction, or adds to its answer, and returns the message's id.

    view: with the job's id in its controls. Raises what Discord refuses it with, and TimeoutError, ClientError or
    OSError if the message isn't known to be there.
    """
    mentions = discord.AllowedMentions.none()
    shown = view or discord.utils.MISSING
    if is_follow_up:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            follow_up = await interaction.followup.send(
                content, view=shown, ephemeral=is_private, allowed_mentions=mentions, wait=True
            )
        return follow_up.id
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            response = await interaction.response.send_message(
                content, view=shown, ephemeral=is_private, allowed_mentions=mentions
            )
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        message_id = await _taken_answer(interaction, job_id) if _may_be_taken(error) else None
        if message_id is None:
            raise
        _log.info("job %s: Discord took the answer without confirming it", job_id)
        return message_id
    assert response.message_id is not None, "Discord names the message when a message was the answer"
    return response.message_id


def _may_be_taken(error: Exception) -> bool:
    """Whether an answer that failed may be there all the same: its confirmation was lost, and discord.py, which then
    tries again, was told that there is one already."""
    return not isinstance(error, discord.HTTPException) or error.code == ALREADY_ACKNOWLEDGED or error.status >= 500


async def _taken_answer(interaction: discord.Interaction, job_id: str) -> int | None:
    """The message that answers the interaction, if its controls say that it is this job's."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await interaction.original_response()
    except (discord.DiscordException, aiohttp.ClientError, OSError):
        return None
    buttons = (child for row in answer.components if isinstance(row, discord.ActionRow) for child in row.children)
    is_own = any(job_id in (getattr(button, "custom_id", None) or "") for button in buttons)
    return answer.id if is_own else None
