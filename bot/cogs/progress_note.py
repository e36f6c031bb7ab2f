"""An answer for one person's eyes that tells how far something is, for as long as Discord lets the bot edit it.

Used by what takes minutes, on the event loop. What ends later than that reaches the person as a direct message.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import discord

from bot.cogs.job_message import TOKEN_LIFE_S

EDIT_INTERVAL_S: Final = 3.0
SEND_TIMEOUT_S: Final = 20.0

_FAILURES: Final = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)

_log = logging.getLogger(__name__)


class ProgressNote:
    """interaction: has been answered, for its user alone. clock: seconds, as time.monotonic."""

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = EDIT_INTERVAL_S,
    ) -> None:
        self._interaction = interaction
        self._clock = clock
        self._interval_s = interval_s
        self._edited_s = clock()
        self._ends_s = clock() + TOKEN_LIFE_S

    @property
    def is_over(self) -> bool:
        """Whether the answer can't be edited any more."""
        return self._clock() >= self._ends_s

    @property
    def is_due(self) -> bool:
        """Whether `tell` would show something now."""
        return not self.is_over and self._clock() >= self._edited_s + self._interval_s

    async def tell(self, text: str, view: discord.ui.View | None = None) -> None:
        """Shows `text`, unless the last edit is too short a time ago or the answer can't be edited any more."""
        if self.is_due:
            await self._edit(text, view)

    async def end(self, text: str) -> bool:
        """Shows how it ended; whether the person could see that."""
        return await self._edit(text, None)

    async def _edit(self, text: str, view: discord.ui.View | None) -> bool:
        if self.is_over:
            return False
        self._edited_s = self._clock()
        mentions = discord.AllowedMentions.none()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._interaction.edit_original_response(content=text, view=view, allowed_mentions=mentions)
        except _FAILURES as error:
            _log.info("an answer to user %d could not be edited: %s", self._interaction.user.id, error)
            return False
        return True


async def write_to(client: discord.Client, user_id: int, text: str, *files: discord.File) -> bool:
    """Sends a direct message; False if it can't be delivered, which many people's settings lead to."""
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            channel = await client.create_dm(discord.Object(user_id))
            await channel.send(text, files=list(files), allowed_mentions=discord.AllowedMentions.none())
    except _FAILURES as error:
        _log.info("user %d could not be written to: %s", user_id, str(error) or type(error).__name__)
        return False
    return True
