"""Who uses a store: one bot, the processes of one bot, or whatever restores a backup. Used by app.py and bot/backups.

Two bots on one store would both take up its unfinished jobs and deliver each twice. A process that dies lets go by
itself: SQLite's store is held by a lock on a file beside it, PostgreSQL's by a lock that belongs to a connection. The
processes of one bot share that, and each of them has leases of its own shards (leases.py).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from sqlalchemy import URL, func, select

from bot.errors import StoreFaultError
from bot.private_files import FILE_MODE
from bot.store.database import BUSY_TIMEOUT_S, create_blocking_engine, describe, make_folder, sqlite_file
from bot.store.explaining import explained_refusals_of, refuse_place
from bot.store.lock_holders import holders_of_files
from bot.store.migrate import unfinished_file
from bot.store.refusals import Refusal

WAIT_S: Final = 30.0  # a predecessor may still be saying goodbye
APPEARS_S: Final = 5.0  # a first start takes less to make its tables
POLL_S: Final = 0.2
_LOCK: Final = 0x64616C6C66  # of PostgreSQL's, beside the writers' one

_VANISHED: Final = Refusal(
    "is gone, and a bot that runs uses it still.",
    "Stop that bot. Then put what was there back, or run `dalle-bot restore FILE` with the newest backup.",
    is_lasting=True,
)

_UNFINISHED: Final = Refusal("is just being made, by a bot that starts for the first time.", "Wait a moment.")

Release = Callable[[], None]


@asynccontextmanager
async def store_in_use(url: URL, *, is_shared: bool = False, wait_s: float = WAIT_S) -> AsyncIterator[None]:
    """Inside, no other process gets in. Raises StoreError after `wait_s` if one is there.

    is_shared: others that share it too may be there; PostgreSQL only.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while (release := await asyncio.to_thread(take, url, is_shared)) is None:
        if loop.time() >= end:
            raise _refusal(url)
        await asyncio.sleep(POLL_S)
    try:
        yield
    finally:
        await asyncio.to_thread(release)


@contextmanager
def store_kept_alone(url: URL, *, wait_s: float = 0.0) -> Iterator[None]:
    """The same where there is no event loop."""
    end = time.monotonic() + wait_s
    while (release := take(url)) is None:
        if time.monotonic() >= end:
            raise _refusal(url)
        time.sleep(POLL_S)
    try:
        yield
    finally:
        release()


def refuse_vanished(url: URL, is_there: Callable[[], bool]) -> None:
    """For a database that was found missing, or without tables: raises StoreFaultError if a bot runs on it. Takes it
    for a moment. Blocks for APPEARS_S before it refuses: a bot that starts for the first time may be making it.

    is_there: whether it has appeared meanwhile; then all is well.
    """
    file = sqlite_file(url)
    if file is not None and not lock_file(file).exists():
        return
    end = time.monotonic() + APPEARS_S
    while (release := take(url)) is None:
        if is_there():
            return
        if time.monotonic() >= end:
            is_made = file is not None and unfinished_file(file.resolve()).exists()
            raise (_UNFINISHED if is_made else _VANISHED).error(describe(url))
        time.sleep(POLL_S)
    release()


def _refusal(url: URL) -> StoreFaultError:
    file = sqlite_file(url)
    holders = None if file is None else holders_of_files(lock_file(file))
    by = "a bot that runs" if holders is None else f"a bot that runs, {holders}"
    return StoreFaultError(f"{describe(url)} is used by {by}.", "Stop that one first.")


def take(url: URL, is_shared: bool = False) -> Release | None:
    """What lets go again; None if somebody else has it."""
    file = sqlite_file(url)
    if file is None:
        return _take_postgresql(url, is_shared)
    refuse_place(url)
    make_folder(file)
    return _take_file(lock_file(file))


def lock_file(file: Path) -> Path:
    """The one that keeps an SQLite file for one bot."""
    return file.with_name(f"{file.name}.lock")


def _take_file(file: Path) -> Release | None:
    # It is taken on one thread and let go on another.
    lock = FileLock(file, mode=FILE_MODE, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise StoreFaultError(f"{file} can't be written.", "Give this user the right to do so.") from error
    return lock.release


def _take_postgresql(url: URL, is_shared: bool) -> Release | None:
    with explained_refusals_of(url):
        connection = create_blocking_engine(url, BUSY_TIMEOUT_S).connect()
        try:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            take = func.pg_try_advisory_lock_shared if is_shared else func.pg_try_advisory_lock
            if connection.scalar(select(take(_LOCK))):
                return connection.close
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None
