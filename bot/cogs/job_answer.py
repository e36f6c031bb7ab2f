"""The message that a job begins with, as an answer to its command or beside it. Used by the job desk; event loop.

Discord may have taken what it did not confirm. Whether it did is found out before the job is given up, and before
anything is sent a second time.
"""

import asyncio
import logging
from typing import Any, Final

import aiohttp
import discord

from bot.cogs.job_message import JobMessage
from bot.cogs.job_messages import find_messages, is_of_job, keep_one

ANSWER_TIMEOUT_S: Final = 10.0
ALREADY_ACKNOWLEDGED: Final = 40060
LOOK_PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # between looks whether an answer is there
RETRIED_AFTER_S: Final = 1.0  # discord.py waits so long before it sends once more what Discord answered with a fault

_log = logging.getLogger(__name__)


class UnconfirmedError(OSError):
    """Nobody can say whether Discord took the answer to an interaction."""


class UnconfirmedAnswer(JobMessage):
    """The answer to an interaction, if there is one: its id is unknown, so only the interaction's token reaches it."""

    def _gives_up_token(self, error: discord.HTTPException) -> bool:
        return False

    async def _edit_by_bot(self, rendered: object) -> None:
        """There is nothing that it could edit."""


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

    view: with the job's id in its controls. Raises what Discord refuses it with; TimeoutError, ClientError or OSError
    if the message isn't there; UnconfirmedError if it may be.
    """
    if is_follow_up:
        return await _send_follow_up(interaction, job_id, content, view, is_private=is_private)
    mentions = discord.AllowedMentions.none()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            response = await interaction.response.send_message(
                content, view=view or discord.utils.MISSING, ephemeral=is_private, allowed_mentions=mentions
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


async def _send_follow_up(
    interaction: discord.Interaction[Any], job_id: str, content: str, view: discord.ui.View | None, *, is_private: bool
) -> int:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            follow_up = await interaction.followup.send(
                content,
                view=view or discord.utils.MISSING,
                ephemeral=is_private,
                allowed_mentions=discord.AllowedMentions.none(),
                wait=True,
            )
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        found = await find_messages(interaction, job_id) if _may_be_taken(error) and not is_private else []
        if not found:
            raise
        message_id = found[0]
        _log.info("job %s: Discord took the message without confirming it", job_id)
    else:
        message_id = follow_up.id
        was_certain = is_private or loop.time() - began_s < RETRIED_AFTER_S
        found = [] if was_certain else await find_messages(interaction, job_id)
    if interaction.channel_id is not None:
        await keep_one(interaction.client, interaction.channel_id, found, message_id)
    return message_id


async def _taken_answer(interaction: discord.Interaction[Any], job_id: str) -> int | None:
    """The message that answers the interaction, if its controls say that it is this job's; None if there is none. Looks
    for a while, and then raises UnconfirmedError."""
    for pause_s in (*LOOK_PAUSES_S, None):
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await interaction.original_response()
        except (discord.NotFound, discord.ClientException):
            return None
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            if pause_s is None:
                raise UnconfirmedError(f"whether the answer of job {job_id} is there can't be found out") from error
            await asyncio.sleep(pause_s)
        else:
            return answer.id if is_of_job(answer, job_id) else None
    return None
