"""The settings of guilds, and who changed them. Used by the cogs, on the event loop."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ChangedMeanwhileError, StoreError
from bot.guild_settings import GuildSettings, digest_of, json_of, settings_from
from bot.store.audit import AuditAction, AuditRecord, write_audit
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.records import SettingChange
from bot.store.schema import guilds, setting_changes

MAX_ATTEMPTS: Final = 10

_log = logging.getLogger(__name__)


class GuildStore:
    """Every method may raise StoreError. What a method returned is committed.

    Settings are read on a worker thread, since the rules of a time zone come from a file, and never within a
    transaction, which would keep other writers waiting for that thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settings(self, guild_id: int) -> GuildSettings:
        """The settings of a guild; the defaults for whatever nobody has set, and for what is damaged."""
        text = await self._text(guild_id)
        return (await asyncio.to_thread(_read, guild_id, text))[1]

    async def change(self, guild_id: int, user_id: int, *, seen: str | None = None, **values: Any) -> GuildSettings:
        """Sets some keys of GuildSettings and records each one that is another now, with who did it, in the audit too.

        seen: the digest of these keys as the user saw them; if it is another one now, ChangedMeanwhileError is raised.
        Raises InvalidParameterError if the settings aren't valid with these values. Then nothing is changed.
        """
        for _ in range(MAX_ATTEMPTS):
            text = await self._text(guild_id)
            after, new_text, changed = await asyncio.to_thread(_changed, guild_id, text, values, seen)
            if not changed:
                return after
            who = {"guild_id": guild_id, "user_id": user_id, "changed_at": datetime.now(UTC)}
            async with self._database.transaction() as connection:
                if await _swap(connection, guild_id, text, new_text):
                    await connection.execute(insert(setting_changes), [who | change for change in changed])
                    action = AuditAction.SETTING_CHANGED
                    records = [
                        AuditRecord(guild_id=guild_id, action=action, actor_id=user_id, details=change)
                        for change in changed
                    ]
                    await write_audit(connection, *records)
                    return after
        raise StoreError(f"The settings of guild {guild_id} are being changed by others all the time. Try again.")

    async def ids(self) -> list[int]:
        """Every guild of this process that has set something."""
        query = select(guilds.c.guild_id).where(is_served(guilds.c.guild_id, self._database.shards))
        async with self._database.reading() as connection:
            return list(await connection.scalars(query.order_by(guilds.c.guild_id)))

    async def changes(self, guild_id: int, limit: int) -> list[SettingChange]:
        """What was changed, newest first, at most `limit`. A value of None was, or is now, the default."""
        columns = [column for column in setting_changes.columns if column is not setting_changes.c.id]
        query = select(*columns).where(setting_changes.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(setting_changes.c.id.desc()).limit(limit))
            return [SettingChange(**row._mapping) for row in rows]

    async def _text(self, guild_id: int) -> str | None:
        async with self._database.reading() as connection:
            text: str | None = await connection.scalar(select(guilds.c.settings).where(guilds.c.guild_id == guild_id))
            return text


async def _swap(connection: AsyncConnection, guild_id: int, old: str | None, new: str) -> bool:
    """Whether `old` was still there, and `new` is now."""
    here = guilds.c.guild_id == guild_id
    if old is None:
        row = select(literal(guild_id, guilds.c.guild_id.type), literal(new)).where(~exists().where(here))
        done = await connection.execute(insert(guilds).from_select(["guild_id", "settings"], row))
    else:
        done = await connection.execute(update(guilds).where(here, guilds.c.settings == old).values(settings=new))
    return done.rowcount == 1


def _read(guild_id: int, text: str | None) -> tuple[dict[str, Any], GuildSettings]:
    """What is stored, the keys of newer versions included, and what it means here."""
    try:
        stored = json.loads(text) if text is not None else {}
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        _log.warning("guild %d: its stored settings are damaged, the defaults count", guild_id)
        stored = {}
    settings, problems = settings_from(stored)
    for key, sentence in problems.items():
        _log.warning("guild %d: the stored setting %s is damaged, its default counts: %s", guild_id, key, sentence)
    return stored, settings


def _changed(
    guild_id: int, text: str | None, values: Mapping[str, Any], seen: str | None
) -> tuple[GuildSettings, str, list[dict[str, Any]]]:
    """The settings with `values`, the same as text, and the key, old and new value of each change."""
    stored, before = _read(guild_id, text)
    if seen is not None and seen != digest_of(before, values):
        raise ChangedMeanwhileError(
            "Somebody else has changed this meanwhile, so your change was not made. Look at what it is now, and change "
            "it again if you still want to."
        )
    after = replace(before, **values)
    old, new = json_of(before), json_of(after)
    changed = [key for key in values if old.get(key) != new.get(key)]
    kept = {key: value for key, value in stored.items() if key not in changed}
    kept |= {key: new[key] for key in changed if key in new}
    return after, json.dumps(kept), [{"key": key, "old": old.get(key), "new": new.get(key)} for key in changed]
