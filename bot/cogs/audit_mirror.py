"""Posts the audit's new records into each server's log channel. A task of the client, on the event loop; of several
processes of a bot, one does it for all servers.

It reads on from the last record that it posted, so whoever writes records needn't know of it, and a burst becomes few
messages. A channel that is gone or closed to the bot costs the mirror and never the record. What Discord did not take
for another reason is posted later, by and by, while other servers' channels go on.

Which records a round has is stored before it posts them. After a stop in its midst the next start posts the same ones
in the same messages, each with a nonce of its own by which Discord knows those that it has, for some minutes.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.background import BackgroundLoop
from bot.cogs.guild_lookup import GuildLookup
from bot.cogs.log_page import entry_line
from bot.cogs.mirror_backlog import MirrorBacklog, Part
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


@dataclass(frozen=True, slots=True)
class _Message:
    """text: whole lines. first_id, last_id: of the records in it."""

    text: str
    first_id: int
    last_id: int


class AuditMirror:
    def __init__(
        self, client: discord.Client, store: Store, guilds: GuildLookup, notices: AdminNotices, languages: Languages
    ) -> None:
        self._client = client
        self._store = store
        self._guilds = guilds
        self._notices = notices
        self._languages = languages
        self._backlog = MirrorBacklog(store.values)
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
            behind = await self._backlog.parts()
        for guild_id, theirs in groupby(sorted(entries, key=_guild_of), key=_guild_of):
            if guild_id not in behind:
                new = list(theirs)
                await self._post_part(guild_id, Part(new[0].id - 1, new[-1].id), new, behind)
        if entries or kept is None:
            last = entries[-1].id if entries else last
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.values.set(_MIRRORED, str(last))
        for guild_id in filter(self._backlog.is_due, tuple(behind)):
            await self._catch_up(guild_id, behind, last)

    async def _catch_up(self, guild_id: int, behind: dict[int, Part], last: int) -> None:
        """Posts the part that a guild is to get next. last: the newest record that was posted elsewhere."""
        part = behind[guild_id]
        async with asyncio.timeout(STORE_TIMEOUT_S):
            theirs = await self._store.audit.after(part.after, MAX_READ, guild_id=guild_id)
            later = await self._store.audit.after(part.end, MAX_READ, guild_id=guild_id)
        later = [entry for entry in later if entry.id <= last]
        following = Part(part.end, later[-1].id) if later else None
        theirs = [entry for entry in theirs if entry.id <= part.end]
        await self._post_part(guild_id, part, theirs, behind, following)

    async def _post_part(
        self,
        guild_id: int,
        part: Part,
        entries: Sequence[AuditEntry],
        behind: dict[int, Part],
        following: Part | None = None,
    ) -> None:
        """Puts down in `behind` what the guild gets next: what Discord did not take of the part, or the following one.
        entries: the part's."""
        reached = await self._post(guild_id, entries) if entries else part.end
        if reached < part.end:
            self._backlog.failed(guild_id)
            following = Part(reached, part.end)
        else:
            self._backlog.went_on(guild_id)
        if following == behind.get(guild_id):
            return
        if following is None:
            del behind[guild_id]
        else:
            behind[guild_id] = following
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._backlog.keep(behind)

    async def _post(self, guild_id: int, entries: Sequence[AuditEntry]) -> int:
        """The last of these records that needs no other attempt, by its id; the one before them if all do."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(guild_id)
        channel_id = settings.log_channel
        if channel_id is None:
            return entries[-1].id
        reached = entries[0].id - 1
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                guild = await self._guilds.find(guild_id)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("guild %d: records are not mirrored yet: %s", guild_id, str(error) or type(error).__name__)
            return reached
        if guild is None:
            return entries[-1].id
        language = self._languages.of(settings.language or str(guild.preferred_locale))
        # The record of a sweep's end counts its results: a message for each would bury the rest.
        shown = [entry for entry in entries if entry.action != AuditAction.RESULT_SWEPT]
        lines = [(entry.id, entry_line(entry, language, self._languages.all())) for entry in shown]
        channel = self._client.get_partial_messageable(channel_id)
        try:
            for message in _messages(lines):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await channel.send(
                        message.text,
                        allowed_mentions=discord.AllowedMentions.none(),
                        silent=True,
                        nonce=f"audit/{message.first_id}",
                    )
                reached = message.last_id
        except (discord.NotFound, discord.Forbidden) as error:
            _log.warning("guild %d: its log channel can't be written to: %s", guild_id, error)
            gone = Text(
                "I can't write into {channel}, where the log of the moderation should go. Records are kept all the "
                "same; choose another channel with /settings, or let me write there.",
                channel=f"<#{channel_id}>",
            )
            await self._notices.tell_once(guild_id, f"log_channel/{channel_id}", gone)
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429:
                _log.error("guild %d: Discord refuses records that should be mirrored: %s", guild_id, error)
            else:
                _log.warning("guild %d: records are not mirrored yet: %s", guild_id, str(error) or type(error).__name__)
                return reached
        return entries[-1].id


def _guild_of(entry: AuditEntry) -> int:
    return entry.guild_id


def _messages(lines: Sequence[tuple[int, str]]) -> Iterator[_Message]:
    """Messages of whole lines, each within what one holds. lines: of records, by id. Those that follow a message are
    the same without it."""
    texts: list[str] = []
    first_id = last_id = 0
    for id_, line in lines:
        if texts and sum(map(len, texts)) + len(texts) + len(line) > MAX_MESSAGE_UNITS:
            yield _Message("\n".join(texts), first_id, last_id)
            texts = []
        if not texts:
            first_id = id_
        texts.append(line)
        last_id = id_
    if texts:
        yield _Message("\n".join(texts), first_id, last_id)
