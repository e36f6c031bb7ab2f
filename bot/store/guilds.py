"""The settings of guilds, and who changed them. Used by the cogs, on the event loop."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.guild_settings import DEFAULTS, GuildSettings, json_of, settings_from
from bot.store.database import Database
from bot.store.records import SettingChange
from bot.store.schema import guilds, setting_changes

_log = logging.getLogger(__name__)


class GuildStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settings(self, guild_id: int) -> GuildSettings:
        """The settings of a guild; the defaults for whatever nobody has set, and for what is damaged."""
        async with self._database.transaction() as connection:
            stored = await _stored(connection, guild_id)
        return await _read(guild_id, stored) if stored else DEFAULTS

    async def change(self, guild_id: int, user_id: int, **values: Any) -> GuildSettings:
        """Sets some keys of GuildSettings and records each one that is another now, with who did it.

        Raises InvalidParameterError, and changes nothing, if the settings aren't valid with these values.
        """
        now = datetime.now(UTC)
        async with self._database.transaction() as connection:
            # A write first: SQLite refuses to make a writer of a reader when somebody else has written meanwhile.
            touched = await connection.execute(
                update(guilds).where(guilds.c.guild_id == guild_id).values(updated_at=now)
            )
            if not touched.rowcount:
                await connection.execute(insert(guilds).values(guild_id=guild_id, settings="{}", updated_at=now))
            stored = await _stored(connection, guild_id)
            before = await _read(guild_id, stored)
            after = await asyncio.to_thread(replace, before, **values)
            old, new = json_of(before), json_of(after)
            changed = [key for key in values if old.get(key) != new.get(key)]
            if changed:
                kept = {key: value for key, value in stored.items() if key not in changed}
                kept |= {key: new[key] for key in changed if key in new}
                text = json.dumps(kept)
                await connection.execute(update(guilds).where(guilds.c.guild_id == guild_id).values(settings=text))
                who = {"guild_id": guild_id, "user_id": user_id, "changed_at": now}
                rows = [who | {"key": key, "old": old.get(key), "new": new.get(key)} for key in changed]
                await connection.execute(insert(setting_changes), rows)
        return after

    async def changes(self, guild_id: int, limit: int) -> list[SettingChange]:
        """What was changed, newest first, at most `limit`. A value of None was, or is now, the default."""
        columns = [column for column in setting_changes.columns if column is not setting_changes.c.id]
        query = select(*columns).where(setting_changes.c.guild_id == guild_id)
        async with self._database.transaction() as connection:
            rows = await connection.execute(query.order_by(setting_changes.c.id.desc()).limit(limit))
            return [SettingChange(**row._mapping) for row in rows]


async def _stored(connection: AsyncConnection, guild_id: int) -> dict[str, Any]:
    text = await connection.scalar(select(guilds.c.settings).where(guilds.c.guild_id == guild_id))
    try:
        stored = json.loads(text) if text is not None else {}
    except ValueError:
        stored = None
    if isinstance(stored, dict):
        return stored
    _log.warning("guild %d: its stored settings are damaged, the defaults count", guild_id)
    return {}


async def _read(guild_id: int, stored: Mapping[str, Any]) -> GuildSettings:
    # On a thread, since the rules of a time zone are read from a file.
    settings, problems = await asyncio.to_thread(settings_from, stored)
    for key, sentence in problems.items():
        _log.warning("guild %d: the stored setting %s is damaged, its default counts: %s", guild_id, key, sentence)
    return settings
