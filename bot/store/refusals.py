"""What a database says when it refuses → one sentence for whoever runs the bot. Used by the store, on any thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.errors import StoreError

POOL_TIMEOUT_S: Final = 10.0

LOCKED: Final = "is locked by another program: stop that one, or try again."
DAMAGED: Final = (
    "is damaged: run `dalle-bot restore FILE` with the newest backup, or move the database away to start anew."
)
FULL: Final = "can't grow: the disk is full. Free some space."
UNREACHED: Final = "can't be reached: start its server, or check store.url and the network."
READ_ONLY: Final = (
    "can't be written: give this user the right to write the file and its folder, or connect to a server that takes "
    "writes."
)
UNOPENED: Final = "can't be opened: check that its folder exists and that this user may write there."
_SAME_INTERACTION: Final = "already holds a job of this interaction."
_SAME_ID: Final = "already holds a job with this id."
_NO_JOB: Final = "does not hold the job that this belongs to."

# A phrase of a database's → what it means and what to do. The first one that fits counts.
_PHRASES: Final = (
    ("database is locked", LOCKED),
    ("file is not a database", DAMAGED),
    ("malformed", DAMAGED),
    ("unable to open", UNOPENED),
    ("readonly", READ_ONLY),
    ("disk is full", FULL),
    ("disk I/O error", "can't be read or written: check the disk and how full it is."),
    ("UNIQUE constraint failed: jobs.interaction_id", _SAME_INTERACTION),
    ("UNIQUE constraint failed: jobs.id", _SAME_ID),
    ("FOREIGN KEY constraint failed", _NO_JOB),
    ("uq_jobs_interaction_id", _SAME_INTERACTION),
    ("pk_jobs", _SAME_ID),
    ("violates foreign key constraint", _NO_JOB),
    ("password authentication failed", "does not accept the user or the password of store.url."),
    ("does not exist", "lacks what store.url or this version expects there: create the database, or check store.url."),
    ("server closed the connection unexpectedly", UNREACHED),
    ("connection is", UNREACHED),
    ("connection failed", UNREACHED),
    ("terminating connection", UNREACHED),
    ("consuming input failed", UNREACHED),
    ("sending query", UNREACHED),
)

# PostgreSQL's codes say more than its words, which may be in any language.
_CODES: Final = {
    "25006": READ_ONLY,
    "53100": FULL,
    "53300": "takes no more connections: raise its max_connections, or stop other programs.",
    "55P03": LOCKED,
    "57P01": UNREACHED,
    "57P02": UNREACHED,
    "57P03": UNREACHED,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}


@contextmanager
def refusals_of(name: str) -> Iterator[None]:
    """Turns what the database raises into StoreError. name: from `describe`."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError(f"{name} is too busy: no connection was free in {POOL_TIMEOUT_S:g} s. Try again.") from error
    except DBAPIError as error:
        raise StoreError(f"{name} {reason_of(error)}") from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"{name} can't be used ({type(error).__name__}): the log has the details.") from error


def reason_of(error: DBAPIError) -> str:
    """What it means and what to do, without the database's name: one of the constants above, where it is known."""
    refusal, code = str(error.orig), str(getattr(error.orig, "sqlstate", None))
    if code in _CODES:
        return _CODES[code]
    if code.startswith("08"):
        return UNREACHED
    known = (sentence for phrase, sentence in _PHRASES if phrase in refusal)
    return next(known, f"refused the operation: {refusal.splitlines()[0] if refusal else 'no reason given'}.")


def blame_lock(error: BaseException, name: str) -> None:
    """Notes at a call that was given up what kept it waiting, so that its traceback says so. name: as above."""
    error.add_note(f"{name} {LOCKED}")


def is_lock_blamed(error: BaseException) -> bool:
    """Whether that was noted."""
    return any(note.endswith(LOCKED) for note in getattr(error, "__notes__", ()))
