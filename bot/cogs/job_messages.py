"""Finds the message of a job whose id was lost: the answer was given, and its confirmation or the bot's end came in
between. Used by the job desk and after a restart, on the event loop.

The first answer is found by its interaction's token while that lives; other messages only if others see them too, and
where the bot may read what was written before. Direct messages are the bot's own, which it may always read.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import discord

from bot.message_text import MAX_CONTENT_CHARACTERS

SEARCH_TIMEOUT_S: Final = 10.0
MAX_LOOKED_AT: Final = 50  # messages after the command; an answer comes within seconds
MAX_DIRECT_LOOKED_AT: Final = 500  # newest first; so many come to one person in days at most
_ORIGINAL: Final[Any] = "@original"  # discord.py puts it into the path as it is

_log = logging.getLogger(__name__)


async def messages_of(client: discord.Client, channel_id: int, interaction_id: int, job_id: str) -> list[int]:
    """The ids of the job's messages, oldest first. interaction_id: of its command.

    Raises HTTPException, ClientError, OSError or TimeoutError if Discord can't say now; where the bot may not look, or
    the channel is gone, there are none.
    """
    channel = client.get_partial_messageable(channel_id)
    after = discord.Object(interaction_id)
    try:
        async with asyncio.timeout(SEARCH_TIMEOUT_S):
            return [
                message.id
                async for message in channel.history(limit=MAX_LOOKED_AT, after=after, oldest_first=True)
                if client.user is not None and message.author.id == client.user.id and is_of_job(message, job_id)
            ]
    except (discord.Forbidden, discord.NotFound):
        return []


async def answer_of(client: discord.Client, token: str, job_id: str) -> int | None:
    """The id of the message that answers the interaction with this token, if it is the job's; None too once the token
    has expired.

    Raises HTTPException, ClientError, OSError or TimeoutError if Discord can't say now.
    """
    assert client.application_id is not None, "known since the login"
    webhook = discord.Webhook.partial(client.application_id, token, client=client)
    try:
        async with asyncio.timeout(SEARCH_TIMEOUT_S):
            answer = await webhook.fetch_message(_ORIGINAL)
    except (discord.NotFound, discord.Forbidden):
        return None
    except discord.HTTPException as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            return None
        raise
    return answer.id if is_of_job(answer, job_id) else None


def is_of_job(message: discord.Message | discord.InteractionMessage, job_id: str) -> bool:
    """Whether its controls say that it is this job's."""
    buttons = (child for row in message.components if isinstance(row, discord.ActionRow) for child in row.children)
    return any(job_id in (getattr(button, "custom_id", None) or "") for button in buttons)


async def direct_message_of(
    client: discord.Client, channel: discord.DMChannel, after_id: int, job_id: str
) -> discord.Message | None:
    """The bot's direct message that shows how a job ended; None if there is none. after_id: of an older message.

    Raises HTTPException, ClientError or OSError if Discord can't say now.
    """
    found = None
    after = discord.Object(after_id)
    # The oldest of them: copies of its pictures, which whoever has them may ask for, come later.
    async for message in channel.history(limit=MAX_DIRECT_LOOKED_AT, after=after, oldest_first=False):
        if client.user is not None and message.author.id == client.user.id and _shows_end(message, job_id):
            found = message
    return found


def _shows_end(message: discord.Message, job_id: str) -> bool:
    """Pictures have the job's id in their file's name, a text has its mark."""
    has_picture = any(f"{job_id}." in attachment.filename for attachment in message.attachments)
    return has_picture or message.content.endswith(_mark(job_id))


def marked(content: str, job_id: str) -> str:
    """A text by which its job can be found, unless that has no room left."""
    mark = _mark(job_id)
    return content + mark if len(content) + len(mark) <= MAX_CONTENT_CHARACTERS else content


def _mark(job_id: str) -> str:
    return f"\n-# {job_id}"


async def keep_one(client: discord.Client, channel_id: int, message_ids: list[int], kept_id: int) -> None:
    """Deletes all but one of a job's messages, as far as Discord lets it now."""
    channel = client.get_partial_messageable(channel_id)
    for message_id in message_ids:
        if message_id == kept_id:
            continue
        try:
            async with asyncio.timeout(SEARCH_TIMEOUT_S):
                await channel.get_partial_message(message_id).delete()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("message %d, a second one of its job, could not be deleted: %s", message_id, error)


async def find_messages(interaction: discord.Interaction[Any], job_id: str) -> list[int]:
    """`messages_of`, for whoever goes on without: none if Discord can't say now."""
    if interaction.channel_id is None:
        return []
    try:
        return await messages_of(interaction.client, interaction.channel_id, interaction.id, job_id)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("job %s: whether its message is there could not be found out: %s", job_id, error)
        return []
