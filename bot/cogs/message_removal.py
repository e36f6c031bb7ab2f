"""Deletes a job's messages on Discord: its own one and those that show it again. Used by deletions, event loop.

What is gone already counts as deleted, so every call may be repeated.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

import aiohttp
import discord

from bot.cogs.job_message import TOO_MANY_REQUESTS, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE
from bot.cogs.origin import message_link
from bot.cogs.results import STORE_TIMEOUT_S
from bot.errors import StoreError
from bot.store import JobRecord, Showing, ShowingStore

MESSAGE_TIMEOUT_S: Final = 10.0
RETRY_PAUSES_S: Final = (2.0, 10.0)
MAX_DIRECT: Final = 500
EXPORT_PREFIX: Final = "dalle-bot-export-"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """A message that is still there. may_pass: Discord could not be reached, so that another attempt may succeed."""

    link: str
    may_pass: bool


class MessageRemoval:
    """Every method may raise StoreError. retry_pauses_s: waits while Discord can't be reached."""

    def __init__(
        self,
        client: discord.Client,
        showings: ShowingStore,
        *,
        retry_pauses_s: tuple[float, ...] = RETRY_PAUSES_S,
    ) -> None:
        self._client = client
        self._showings = showings
        self._retry_pauses_s = retry_pauses_s

    async def remove(self, job: JobRecord) -> tuple[Left, ...]:
        """Those messages that could not be deleted."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                showings = await self._showings.of(job.id)
        except TimeoutError as error:
            raise StoreError(f"The messages of job {job.id} could not be read in time.") from error
        own = self.remove_message(job, job.channel_id, job.message_id)
        left = await asyncio.gather(own, *(self._remove_showing(job, each) for each in showings))
        return tuple(each for each in left if each is not None)

    async def remove_in_the_end(self, job: JobRecord) -> tuple[Left, ...]:
        """The same, with some further attempts while Discord can't be reached."""
        left = await self.remove(job)
        for pause_s in self._retry_pauses_s:
            if not any(each.may_pass for each in left):
                break
            await asyncio.sleep(pause_s)
            left = await self.remove(job)
        return left

    async def remove_direct(self, user_id: int) -> None:
        """Deletes the newest MAX_DIRECT direct messages to a person, but for exports, as far as Discord lets it."""
        try:
            channel = await self._client.create_dm(discord.Object(user_id))
            async for message in channel.history(limit=MAX_DIRECT):
                is_export = any(file.filename.startswith(EXPORT_PREFIX) for file in message.attachments)
                if self._client.user is not None and message.author.id == self._client.user.id and not is_export:
                    async with asyncio.timeout(MESSAGE_TIMEOUT_S):
                        await message.delete()
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("direct messages to user %d stay: %s", user_id, str(error) or type(error).__name__)

    async def remove_message(self, job: JobRecord, channel_id: int, message_id: int | None) -> Left | None:
        """One that is about a job; None if it is gone now."""
        if message_id is None:
            return None
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        link = message_link(job.guild_id, channel_id, message_id)
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_S):
                await message.delete()
        except discord.HTTPException as error:
            if isinstance(error, discord.NotFound) and error.code in (UNKNOWN_CHANNEL, UNKNOWN_MESSAGE):
                return None
            _log.warning("message %d could not be deleted: %s", message_id, error)
            return Left(link, may_pass=error.status >= 500 or error.status == TOO_MANY_REQUESTS)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("message %d could not be deleted: %s", message_id, str(error) or type(error).__name__)
            return Left(link, may_pass=True)
        return None

    async def _remove_showing(self, job: JobRecord, showing: Showing) -> Left | None:
        left = await self.remove_message(job, showing.channel_id, showing.message_id)
        if left is None:
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    await self._showings.remove(showing.message_id)
            except (StoreError, TimeoutError) as error:
                # It is tried again with the next press, which finds the message gone.
                _log.warning("message %d is gone but still stored: %s", showing.message_id, error)
        return left
