"""A database that refuses, from outside of the store. Tests put it on; it works on the event loop's thread."""

import sqlite3
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bot.store import Store

Kind = Literal["locked", "full", "gone", "unconfirmed"]

KINDS: Final[tuple[Kind, ...]] = ("locked", "full", "gone", "unconfirmed")
_SENTENCES: Final[dict[Kind, str]] = {
    "locked": "database is locked",
    "full": "database or disk is full",
    "gone": "unable to open database file",
    "unconfirmed": "server closed the connection unexpectedly",
}


@dataclass
class StoreFaults:
    """What the next transactions meet. left: how many of them.

    kind: "locked": none that writes begins. "full": none that writes is committed. "gone": none begins at all.
    "unconfirmed": those that write are committed, and nobody is told. num_met: those that were hit.
    """

    kind: Kind = "locked"
    left: int = 0
    num_met: int = 0

    def put_on(self, store: Store) -> None:
        """From now on, for as long as the store is open."""
        engine = store.jobs._database._engine.sync_engine
        # Before the store's own listener, which begins the transaction.
        event.listen(engine, "begin", self._on_begin, insert=True)
        event.listen(engine, "commit", self._on_commit)

    def _on_begin(self, connection: sqlalchemy.Connection) -> None:
        if self.kind == "gone" or (self.kind == "locked" and _writes(connection)):
            self._meet()

    def _on_commit(self, connection: sqlalchemy.Connection) -> None:
        if not self.left or not _writes(connection):
            return
        if self.kind == "unconfirmed":
            connection.connection.commit()
        if self.kind in ("full", "unconfirmed"):
            self._meet()

    def _meet(self) -> None:
        if self.left:
            self.left -= 1
            self.num_met += 1
            raise OperationalError("a test's", None, sqlite3.OperationalError(_SENTENCES[self.kind]))


def _writes(connection: sqlalchemy.Connection) -> Any:
    return connection.get_execution_options().get("writes", False)
