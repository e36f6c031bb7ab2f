"""What a database says when it refuses → what is wrong and what to do, for whoever runs the bot. Used by the store, on
any thread. The database's own words are in the log at level debug, and nowhere else.
"""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.errors import NoRoomError, StoreError, StoreFaultError

POOL_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """found: what is wrong, to be read after the database's name. cure: what to do. is_lasting: see StoreFaultError."""

    found: str
    cure: str
    is_lasting: bool = False

    def error(self, name: str) -> StoreFaultError:
        """name: from `describe`."""
        return StoreFaultError(f"{name} {self.found}", self.cure, is_lasting=self.is_lasting)


LOCKED: Final = Refusal("is locked by another program.", "Wait until that has ended, or stop it.")
DAMAGED: Final = Refusal(
    "is damaged.",
    "Run `dalle-bot restore FILE` with the newest backup. Without one, move what is there away to start anew, and "
    "with it the folder pictures in data_dir.",
    is_lasting=True,
)
NEWER: Final = Refusal(
    "has a schema that this version doesn't know: it was used by a newer dalle-bot.",
    "Update this one, or restore a backup from before: `dalle-bot restore FILE`.",
    is_lasting=True,
)
FULL: Final = Refusal("can't grow: the disk is full.", "Make room on it.")
FAULTY_DISK: Final = Refusal(
    "can't be read or written: its disk answers with faults.",
    "See in the kernel's log (`dmesg`) what ails it, and restore a backup onto one that works.",
)
UNOPENED: Final = Refusal("can't be opened.", "See whether its folder is there, and whether this user may write there.")
UNWRITABLE: Final = Refusal("can't be written.", "Give this user the right to write the file and its folder.")
UNREACHED: Final = Refusal(
    "can't be reached.", "Start its server, or put right store.url, or the network to the host that it names."
)
UNREADY: Final = Refusal("can't be reached: its server starts or stops just now.", "Wait a moment.")
CROWDED: Final = Refusal(
    "takes no more connections.", "Raise max_connections of its server, or stop other programs that use it."
)
NO_DATABASE: Final = Refusal(
    "is not there: its server has no database of that name.",
    "Make it, or put its name right in store.url.",
    is_lasting=True,
)
WRONG_PASSWORD: Final = Refusal(
    "does not accept the user or the password of store.url.", "Put both right there.", is_lasting=True
)
NOT_LET_IN: Final = Refusal(
    "does not let in the user of store.url from this machine.",
    "Let that user in with a line of its server's pg_hba.conf, and reload the server.",
    is_lasting=True,
)
TLS_FILES: Final = Refusal(
    "can't be reached: a file with a certificate or a key that it takes is missing, or can't be used.",
    "Put right sslrootcert, sslcert and sslkey in store.url, and see whether this user may read those files; a key "
    "must be for its owner alone (`chmod 600`).",
    is_lasting=True,
)
TURNED_AWAY: Final = Refusal(
    "is reached, but its server turns away what store.url says.",
    "Put right user, password, name and options there.",
)
TOO_FEW_RIGHTS: Final = Refusal(
    "does not give the user of store.url the rights that the bot needs.",
    "Make that user its owner.",
    is_lasting=True,
)
NOT_UTF8: Final = Refusal(
    "keeps its text in another encoding than UTF8, so it can't hold what people write.",
    "Make another one (`CREATE DATABASE` with `ENCODING 'UTF8' TEMPLATE template0`), and name it in store.url.",
    is_lasting=True,
)
STANDBY: Final = Refusal(
    "can only be read: its server is a standby of another one, or was set to read only.",
    "Name the primary server in store.url.",
    is_lasting=True,
)
LACKING: Final = Refusal(
    "lacks tables that the bot has made: somebody has deleted or changed them.",
    "Run `dalle-bot restore FILE` with the newest backup.",
    is_lasting=True,
)
STRANGE: Final = Refusal(
    "has no tables of the bot's.",
    "Put right which database store.url and data_dir name. If it is the right one, start the bot once.",
    is_lasting=True,
)
UNKNOWN: Final = Refusal(
    "refused, for a reason that this version of dalle-bot does not know.",
    "Set log.level to debug: the log then has the database's own words.",
)

_SAME_INTERACTION: Final = "already holds a job of this interaction."
_SAME_ID: Final = "already holds a job with this id."
_NO_JOB: Final = "does not hold the job that this belongs to."

# A phrase of a database's → the rule of ours that was broken.
_RULES: Final = (
    ("UNIQUE constraint failed: jobs.interaction_id", _SAME_INTERACTION),
    ("UNIQUE constraint failed: jobs.id", _SAME_ID),
    ("FOREIGN KEY constraint failed", _NO_JOB),
    ("uq_jobs_interaction_id", _SAME_INTERACTION),
    ("pk_jobs", _SAME_ID),
    ("violates foreign key constraint", _NO_JOB),
)

# A pattern → what it means. The first one that fits counts.
_PATTERNS: Final = (
    ("database is locked", LOCKED),
    ("file is not a database", DAMAGED),
    ("malformed", DAMAGED),
    ("unable to open", UNOPENED),
    ("readonly", UNWRITABLE),
    ("disk is full", FULL),
    ("disk I/O error", FAULTY_DISK),
    ("no such table", LACKING),
    ("no such column", LACKING),
    ("server closed the connection unexpectedly", UNREACHED),
    ("connection is", UNREACHED),
    ("terminating connection", UNREACHED),
    ("consuming input failed", UNREACHED),
    ("sending query", UNREACHED),
    ("certificate file", TLS_FILES),
    ("private key file", TLS_FILES),
    ("authentication failed", WRONG_PASSWORD),
    ("no password supplied", WRONG_PASSWORD),
    ("role ", WRONG_PASSWORD),
    (r"pg_hba\.conf", NOT_LET_IN),
    ("too many clients", CROWDED),
    ("remaining connection slots", CROWDED),
    ("the database system is ", UNREADY),
    ("permission denied for database", TOO_FEW_RIGHTS),
    (r'FATAL: +database ".*" does not exist', NO_DATABASE),
    # Whatever else a server says at the door, in whatever language.
    ("FATAL", TURNED_AWAY),
    ("connection failed", UNREACHED),
    ("connection timeout", UNREACHED),
    ("failed to resolve host", UNREACHED),
)

# PostgreSQL's codes say more than its words, which may be in any language. At the door it gives none.
_CODES: Final = {
    "25006": STANDBY,
    "3D000": NO_DATABASE,
    "28000": NOT_LET_IN,
    "28P01": WRONG_PASSWORD,
    "42501": TOO_FEW_RIGHTS,
    "42703": LACKING,
    "42P01": LACKING,
    "53100": FULL,
    "53300": CROWDED,
    "55P03": LOCKED,
    "57P01": UNREACHED,
    "57P02": UNREACHED,
    "57P03": UNREADY,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}

Explain = Callable[[Refusal], Refusal]
"""Says more of a refusal than the database did."""


@contextmanager
def refusals_of(name: str, explain: Explain = lambda refusal: refusal) -> Iterator[None]:
    """Turns what the database raises into StoreError: a broken rule of ours, or else StoreFaultError.

    name: from `describe`.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreFaultError(
            f"{name} is too busy: no connection was free in {POOL_TIMEOUT_S:g} s.", "Try again."
        ) from error
    except (DBAPIError, sqlite3.Error) as error:
        words = str(error.orig if isinstance(error, DBAPIError) else error)
        _log.debug("%s says: %s", name, _without_values(words))
        for phrase, sentence in _RULES:
            if phrase in words:
                raise StoreError(f"{name} {sentence}") from error
        raise explain(refusal_of(error)).error(name) from error
    except (SQLAlchemyError, OSError) as error:
        _log.debug("%s can't be used", name, exc_info=True)
        raise explain(UNKNOWN).error(name) from error


def refusal_of(error: DBAPIError | sqlite3.Error) -> Refusal:
    """One of the constants above."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    words, code = str(cause), str(getattr(cause, "sqlstate", None))
    if code in _CODES:
        return _CODES[code]
    if code.startswith("08"):
        return UNREACHED
    return next((refusal for pattern, refusal in _PATTERNS if re.search(pattern, words)), UNKNOWN)


def is_known(error: BaseException) -> bool:
    """Whether its sentence says all: what a database or the disk refuses, or does not do in time, and no bug."""
    if isinstance(error, StoreFaultError):
        return UNKNOWN.found not in error.found
    is_late = isinstance(error, StoreError) and isinstance(error.__cause__, TimeoutError)
    return is_late or isinstance(error, NoRoomError)


def blame_lock(error: BaseException, name: str) -> None:
    """Notes at a call that was given up what kept it waiting, so that its traceback says so. name: as above."""
    error.add_note(str(LOCKED.error(name)))


def is_lock_blamed(error: BaseException) -> bool:
    """Whether that was noted."""
    return any(LOCKED.found in note for note in getattr(error, "__notes__", ()))


def _without_values(words: str) -> str:
    """On one line, and without those that show a row, which may hold what people have asked for."""
    lines = [line.strip() for line in words.partition("DETAIL")[0].splitlines()]
    return " ".join(line for line in lines if line)
