"""Who holds a lock that somebody waits for: processes for files, sessions for PostgreSQL. Used by explaining.py and
in_use.py. Blocks.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from bot.errors import StoreError
from bot.store.database import BUSY_TIMEOUT_S, WRITERS_LOCK, create_blocking_engine, describe
from bot.store.refusals import refusals_of

LOCKS_FILE: Final = Path("/proc/locks")

_SESSIONS: Final = """
    SELECT DISTINCT session.pid, session.usename,
        -- PostgreSQL may hide where others come from, and then says NULL, as for a socket.
        CASE session.usename WHEN current_user THEN ' on ' || coalesce(host(session.client_addr), 'its own machine')
        ELSE '' END
    FROM pg_locks AS held JOIN pg_stat_activity AS session USING (pid)
    WHERE held.granted AND held.pid <> pg_backend_pid()
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (held.mode IN ('ExclusiveLock', 'AccessExclusiveLock', 'ShareRowExclusiveLock') AND held.locktype = 'relation'
           OR held.locktype = 'advisory' AND (held.classid::bigint << 32 | held.objid::bigint) = %s)
    ORDER BY session.pid
"""


def holders_of_files(*files: Path, locks: Path = LOCKS_FILE) -> str | None:
    """Processes that keep others from writing them, such as "process 17 (sqlite3)"; None where the system tells of
    none, as in a container, and for this process itself. locks: as Linux lists them."""
    wanted = set(_places(files))
    pids = [pid for pid, place in _writing(locks) if place in wanted and pid not in (0, os.getpid())]
    return _listed(f"process {pid}{_name_of(pid)}" for pid in dict.fromkeys(pids))


def holders_of_database(url: URL) -> str | None:
    """Sessions of PostgreSQL that keep others from writing, such as "session 17 of its server (user bot on 10.0.0.2)";
    None if there is none any more, or if they can't be asked for. The place is told for those of this user alone."""
    engine = create_blocking_engine(url, BUSY_TIMEOUT_S, is_writing=False)
    with suppress(StoreError), refusals_of(describe(url)), engine.connect() as connection:
        rows = connection.exec_driver_sql(_SESSIONS, (WRITERS_LOCK,)).all()
        return _listed(f"session {pid} of its server (user {user}{where})" for pid, user, where in rows)
    return None


def _listed(holders: Iterator[str]) -> str | None:
    return ", ".join(holders) or None


def _places(files: tuple[Path, ...]) -> Iterator[str]:
    """As /proc/locks names them."""
    for file in files:
        with suppress(OSError):
            found = os.stat(file)
            yield f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def _writing(locks: Path) -> Iterator[tuple[int, str]]:
    """Process and file of each lock that keeps others out, but for those that only wait (`->`)."""
    try:
        lines = locks.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        match line.split():
            case [_, "POSIX" | "FLOCK" | "OFDLCK", _, "WRITE", pid, place, *_] if pid.isdigit():
                yield int(pid), place


def _name_of(pid: int) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text(encoding='utf-8', errors='replace').strip()})"
    except OSError:
        return ""
