"""Posts the audit's new records into each server's log channel. A task of the client, on the event loop.

It reads on from the last record that it posted, so whoever writes records needn't know of it, and a burst becomes few
messages. A channel that can't be written to costs the mirror and never the record.

Which records a round has is stored before it posts them. After a stop in its midst the next start posts the same ones
in the same messages, each with a nonce of its own by which Discord knows those that it has, for some minutes.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.background import BackgroundLoop
from bot.cogs.log_page import entry_line
from bot.language import Text
from bot.store import AuditAction, AuditEntry, Store

INTERVAL_S: Final = 3.0
STORE_TIMEOUT_S: Final = 1.5
SEND_TIMEOUT_S: Final = 10.0
MAX_READ: Final = 100
MAX_MESSAGE_UNITS: Final = 1900

_MIRRORED: Final = "audit/mirrored"
_POSTING: Final = "audit/posting"  # the last record of a round that has begun

_log = logging.getLogger(__name__)


class AuditMirror:
    def __init__(self, client: discord.Client, store: Store, notices: AdminNotices, languages: Languages) -> None:
        self._client = client
        self._store = store
        self._notices = notices
        self._languages = languages
        self._loop = BackgroundLoop("mirror of the audit", self.post_new, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Goes on behind the last record that was posted."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops; the next run goes on."""
        await self._loop.aclose()

    async def post_new(self) -> None:
        """Posts what has come since the last call. Raises StoreError and TimeoutError."""
        if not self._client.is_ready():
            return
        async with asyncio.timeout(STORE_TIMEOUT_S):
            kept = await self._store.values.get(_MIRRORED)
            # A bot that is new to mirroring begins with what is new.
            last = int(kept) if kept is not None else await self._store.audit.newest_id()
            entries = await self._store.audit.after(last, MAX_READ)
            end = int(await self._store.values.get(_POSTING) or 0)
            if end > last:
                entries = [entry for entry in entries if entry.id <= end]
            elif entries:
                await self._store.values.set(_POSTING, str(entries[-1].id))
        if kept is not None and not entries:
            return
        for guild_id, theirs in groupby(sorted(entries, key=_guild_of), key=_guild_of):
            await self._post(guild_id, list(theirs))
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.values.set(_MIRRORED, str(entries[-1].id if entries else last))

    async def _post(self, guild_id: int, entries: Sequence[AuditEntry]) -> None:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(guild_id)
        guild, channel_id = self._client.get_guild(guild_id), settings.log_channel
        if guild is None or channel_id is None:
            return
        language = self._languages.of(settings.language or str(guild.preferred_locale))
        # The record of a sweep's end counts its results: a message for each would bury the rest.
        shown = [entry for entry in entries if entry.action != AuditAction.RESULT_SWEPT]
        lines = [entry_line(entry, language, self._languages.all()) for entry in shown]
        channel = self._client.get_partial_messageable(channel_id)
        try:
            for number, text in enumerate(_messages(lines)):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await channel.send(
                        text,
                        allowed_mentions=discord.AllowedMentions.none(),
                        silent=True,
                        nonce=f"{entries[0].id}/{number}",
                    )
        except (discord.NotFound, discord.Forbidden) as error:
            _log.warning("guild %d: its log channel can't be written to: %s", guild_id, error)
            gone = Text(
                "I can't write into {channel}, where the log of the moderation should go. Records are kept all the "
                "same; choose another channel with /settings, or let me write there.",
                channel=f"<#{channel_id}>",
            )
            await self._notices.tell_once(guild_id, f"log_channel/{channel_id}", gone)
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("guild %d: records were not mirrored: %s", guild_id, error or type(error).__name__)


def _guild_of(entry: AuditEntry) -> int:
    return entry.guild_id


def _messages(lines: Sequence[str]) -> Iterator[str]:
    """Texts of whole lines, each within what a message holds."""
    text = ""
    for line in lines:
        if text and len(text) + len(line) >= MAX_MESSAGE_UNITS:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    if text:
        yield text
