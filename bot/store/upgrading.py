"""Brings the database of several processes up to date while none of them runs: those of an older version would go on
with tables that they don't know. Used by app.py before a process joins the others; event loop.
"""

import asyncio
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import URL, column, inspect, select, table

from bot.store.database import create_blocking_engine, describe
from bot.store.explaining import explained_refusals_of
from bot.store.in_use import POLL_S, WAIT_S, Release, take
from bot.store.migrate import migrate, migration_config
from bot.store.refusals import Refusal
from bot.store.restore_mark import refuse_half_restored

_TIMEOUT_S: Final = 60.0
_OLDER_RUN: Final = Refusal(
    "has the schema of an older version, and processes of that one use it.",
    "Stop all of them; then start those of this version.",
)


async def upgrade_alone(url: URL, *, wait_s: float = WAIT_S) -> None:
    """Upgrades an older schema once nobody uses the database. Raises StoreError after `wait_s` if somebody still does.

    Of several that start together one upgrades, and the others find it done.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while await asyncio.to_thread(_is_older, url):
        release = await asyncio.to_thread(take, url)
        if release is not None:
            await asyncio.to_thread(_upgrade, url, release)
        elif loop.time() >= end:
            raise _OLDER_RUN.error(describe(url))
        else:
            await asyncio.sleep(POLL_S)


def _is_older(url: URL) -> bool:
    """Whether this version knows its schema, and has a newer one."""
    script = ScriptDirectory.from_config(migration_config())
    older = {known.revision for known in script.walk_revisions()} - {script.get_current_head()}
    engine = create_blocking_engine(url, _TIMEOUT_S, is_writing=False)
    with explained_refusals_of(url), engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.scalar(select(column("version_num")).select_from(table("alembic_version"))) in older


def _upgrade(url: URL, release: Release) -> None:
    try:
        refuse_half_restored(url)
        migrate(url, _TIMEOUT_S)
    finally:
        release()
