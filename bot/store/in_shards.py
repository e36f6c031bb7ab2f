"""Which rows are this process's to see to, where several processes share a database. Pure; used by the store.

What somebody asks for is found wherever it is; only what goes on by itself in the background is divided.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, true

from bot.shards import FIRST, Shards


def is_served(guild_id: ColumnElement[Any], shards: Shards) -> ColumnElement[bool]:
    """Whether a row's guild belongs to these shards; as Shards.serves. guild_id: NULL for direct messages."""
    if shards.are_all:
        return true()
    # A bound number would be as wide as the id, by which PostgreSQL doesn't shift.
    time = guild_id.op(">>")(literal_column("22"))
    return (func.coalesce(time, FIRST) % shards.count).in_(shards.ids)
