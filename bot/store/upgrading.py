"""Brings the database of several processes up to date while none of them runs: those of an older version would go on
with tables that they don't know. Used by app.py before a process joins the others; event loop.
"""

import asyncio
import logging
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import URL, column, inspect, select, table

from bot.store.database import create_blocking_engine, describe
from bot.store.explaining import explained_refusals_of
from bot.store.in_use import POLL_S, WAIT_S, Release, take
from bot.store.migrate import migrate, migration_config
from bot.store.refusals import Refusal
from bot.store.restore_mark import refuse_half_restored

ALONE_WAIT_S: Final = 300.0  # somebody else's upgrade may rewrite large tables
_TIMEOUT_S: Final = 60.0
_SHARED_LOOKS: Final = 3
_OLDER_RUN: Final = Refusal(
    "has the schema of an older version, and processes of that one use it.",
    "Stop all of them; then start those of this version.",
)
_KEPT_ALONE: Final = Refusal(
    "has the schema of an older version, and one process keeps all others out: it upgrades or restores it, or is a bot "
    "of one process.",
    "Wait until an upgrade or a restore has ended; stop such a bot.",
)

_log = logging.getLogger(__name__)


async def upgrade_alone(url: URL, *, wait_s: float = WAIT_S, alone_wait_s: float = ALONE_WAIT_S) -> None:
    """Upgrades an older schema once nobody uses the database. Raises StoreError after `wait_s` if processes that share
    it still do, and after `alone_wait_s` if one has it alone.

    Of several that start together one upgrades, and the others find it done.
    """
    loop = asyncio.get_running_loop()
    start, is_told, num_shared = loop.time(), False, 0
    while await asyncio.to_thread(_is_older, url):
        release = await asyncio.to_thread(take, url)
        if release is not None:
            await asyncio.to_thread(_upgrade, url, release)
            continue
        waited_s = loop.time() - start
        if waited_s >= wait_s:
            num_shared = 0 if await asyncio.to_thread(_is_kept_alone, url) else num_shared + 1
            # Once may be chance: it was let go, or had a probe of another process, between these two looks.
            if num_shared >= _SHARED_LOOKS:
                raise _OLDER_RUN.error(describe(url))
            if waited_s >= alone_wait_s:
                raise _KEPT_ALONE.error(describe(url))
            if num_shared == 0 and not is_told:
                _log.warning("%s", _KEPT_ALONE.error(describe(url)))
                is_told = True
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


def _is_kept_alone(url: URL) -> bool:
    """Whether not even one that would share it gets in."""
    release = take(url, is_shared=True)
    if release is None:
        return True
    release()
    return False


def _upgrade(url: URL, release: Release) -> None:
    try:
        refuse_half_restored(url)
        if _is_older(url):  # still: another one may have been before this
            migrate(url, _TIMEOUT_S)
    finally:
        release()
