"""The moderators' channels: which one of a guild may be written to now, and writing there. Used by the boards for cases
and for appeals, on the event loop.

Where there is none, the owner is told once, and what should be shown is kept.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.staff_channels import is_public
from bot.guild_settings import GuildSettings
from bot.language import Language, Text

SEND_TIMEOUT_S: Final = 60.0

_NONE: Final = Text(
    "Requests or appeals wait for moderators, and I can't show them, since there is no moderators' channel. They are "
    "kept; choose a channel with /settings."
)
_GONE: Final = Text(
    "Requests or appeals wait for moderators, and I can't show them in the moderators' channel: it is gone, or I may "
    "not write and attach files there. They are kept; choose a channel with /settings, then use /mod review."
)
_PUBLIC: Final = Text(
    "Requests or appeals wait for moderators, and I show none in the moderators' channel, since everybody can see it. "
    "They are kept: take View Channel from @everyone there, or choose another channel with /settings."
)

_log = logging.getLogger(__name__)


class ReviewChannels:
    """Methods raise nothing: what Discord refuses is logged."""

    def __init__(self, client: discord.Client, notices: AdminNotices, languages: Languages) -> None:
        self._client = client
        self._notices = notices
        self._languages = languages
        # Channels that did not take a message, so that nobody knocks there all the time. Bounded by the guilds.
        self._refusing: dict[int, int] = {}

    def language(self, guild_id: int, settings: GuildSettings) -> Language:
        """What a guild's moderators read."""
        guild = self._client.get_guild(guild_id)
        return self._languages.of(settings.language or (None if guild is None else str(guild.preferred_locale)))

    async def find(self, guild_id: int, settings: GuildSettings, *, is_asked_for: bool = False) -> int | None:
        """The id of a guild's channel, if it may be written to as far as is known.

        is_asked_for: also one that has refused before.
        """
        channel_id = settings.review_channel
        guild = self._client.get_guild(guild_id)
        if guild is None or guild.unavailable:
            # Nobody knows yet who can see the channel.
            return None
        if channel_id is None:
            await self._notices.tell_once(guild_id, "review_channel/0", _NONE)
            return None
        if self._refusing.get(guild_id) == channel_id and not is_asked_for:
            return None
        known = guild.get_channel(channel_id)
        if isinstance(known, discord.TextChannel) and is_public(known):
            await self._notices.tell_once(guild_id, f"public_review_channel/{channel_id}", _PUBLIC)
            return None
        return channel_id

    def is_gone(self, guild_id: int, channel_id: int) -> bool:
        """Whether a channel of a guild was deleted, as far as is known."""
        guild = self._client.get_guild(guild_id)
        return guild is not None and not guild.unavailable and guild.get_channel(channel_id) is None

    async def send(
        self,
        guild_id: int,
        channel_id: int,
        content: str,
        *,
        files: Sequence[discord.File] = (),
        view: discord.ui.View | None = None,
    ) -> discord.Message | None:
        """The message in a channel that `find` has found; None if it was refused."""
        channel = self._client.get_partial_messageable(channel_id, guild_id=guild_id)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                message = await channel.send(
                    content,
                    files=files,
                    view=view or discord.utils.MISSING,
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except (discord.Forbidden, discord.NotFound) as error:
            _log.warning("guild %d: its moderators' channel can't be written to: %s", guild_id, error)
            self._refusing[guild_id] = channel_id
            await self._notices.tell_once(guild_id, f"review_channel/{channel_id}", _GONE)
            return None
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("guild %d: its moderators' channel took no message: %s", guild_id, error)
            return None
        self._refusing.pop(guild_id, None)
        return message

    async def remove(self, channel_id: int, message_id: int) -> None:
        """A message in whose place another one stands."""
        old = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await old.delete()
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("message %d stays in the moderators' channel %d: %s", message_id, channel_id, error)
