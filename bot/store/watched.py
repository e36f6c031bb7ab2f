"""The database as metrics see it: how long transactions take and why they fail. Made by `Store.open`; event loop."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import StoreError
from bot.shards import ALL_SHARDS, Shards
from bot.store.database import Database
from bot.store.refusals import (
    DAMAGED,
    FULL,
    LOCKED,
    STANDBY,
    UNOPENED,
    UNREACHED,
    UNREADY,
    UNWRITABLE,
    is_lock_blamed,
    refusal_of,
)
from bot.telemetry.metrics import Metrics

_KINDS: Final = {
    LOCKED: "locked",
    DAMAGED: "damaged",
    FULL: "full",
    UNWRITABLE: "read_only",
    STANDBY: "read_only",
    UNOPENED: "unreachable",
    UNREACHED: "unreachable",
    UNREADY: "unreachable",
}

_log = logging.getLogger(__name__)


class WatchedDatabase(Database):
    """Counts what fails and times everything. metrics: where to."""

    def __init__(
        self, name: str, engine: AsyncEngine, file: Path | None, metrics: Metrics, shards: Shards = ALL_SHARDS
    ) -> None:
        super().__init__(name, engine, file, shards)
        self._metrics = metrics

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        with self._watched("write"):
            async with super().transaction(is_urgent=is_urgent) as connection:
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        with self._watched("read"):
            async with super().reading() as connection:
                yield connection

    def _check_file(self) -> None:
        try:
            super()._check_file()
        except StoreError:
            self._metrics.store_errors.labels("unreachable").inc()
            raise

    @contextmanager
    def _watched(self, access: str) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        except StoreError as error:
            kind = kind_of(error)
            if kind is not None:
                self._metrics.store_errors.labels(kind).inc()
            raise
        except asyncio.CancelledError as error:
            is_locked = is_lock_blamed(error)
            if is_locked:
                # Not everybody who gives up logs a traceback.
                waited_s = time.monotonic() - began_s
                _log.warning("a %s was given up after %.1f s: %s", access, waited_s, LOCKED.error(self._name))
            self._metrics.store_errors.labels("locked" if is_locked else "abandoned").inc()
            raise
        finally:
            self._metrics.store_transaction.labels(access).observe(time.monotonic() - began_s)


def kind_of(error: StoreError) -> str | None:
    """One of STORE_ERRORS; None for what is no fault of the database: an illegal move, a number that is taken."""
    cause = error.__cause__
    if cause is None or isinstance(cause, IntegrityError):
        return None
    if isinstance(cause, PoolTimeoutError):
        return "busy"
    return _KINDS.get(refusal_of(cause), "other") if isinstance(cause, DBAPIError) else "other"
