"""Opens the database and hands out the store's parts. Built by app.py, used by the cogs, on the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sqlalchemy import URL

from bot.shards import ALL_SHARDS, Shards
from bot.store.audit import AuditStore
from bot.store.blocked_hashes import BlockedHashStore
from bot.store.cases import CaseStore
from bot.store.database import BUSY_TIMEOUT_S, create_engine, describe, make_folder, parse_url, sqlite_file
from bot.store.erasures import ErasureStore
from bot.store.explaining import refuse_place, refuse_remains
from bot.store.exports import ExportStore
from bot.store.favourites import FavouriteStore
from bot.store.galleries import GalleryStore
from bot.store.guilds import GuildStore
from bot.store.images import ImageStore
from bot.store.jobs import JobStore
from bot.store.leases import LeaseStore
from bot.store.migrate import migrate
from bot.store.past import PastStore
from bot.store.prompt_rules import RuleStore
from bot.store.reports import ReportStore
from bot.store.restore_mark import refuse_half_restored
from bot.store.sanctions import SanctionStore
from bot.store.showings import ShowingStore
from bot.store.statistics import StatisticsStore
from bot.store.styles import StyleStore
from bot.store.sweeps import SweepStore
from bot.store.values import ValueStore
from bot.store.vectors import VectorStore
from bot.store.watched import WatchedDatabase
from bot.telemetry.job_times import JobTimes
from bot.telemetry.metrics import Metrics

MIGRATION_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Store:
    """The parts share one database. Every method of theirs may raise StoreError; what it returned is committed.

    A cancelled call ends only when SQLite stops waiting, `busy_timeout_s` at most. It is rolled back, unless the
    cancellation came during its commit. shards: of this process, whose rows alone are given out to be seen to in the
    background.
    """

    shards: Shards
    jobs: JobStore
    values: ValueStore
    images: ImageStore
    favourites: FavouriteStore
    past: PastStore
    vectors: VectorStore
    galleries: GalleryStore
    showings: ShowingStore
    statistics: StatisticsStore
    styles: StyleStore
    guilds: GuildStore
    rules: RuleStore
    cases: CaseStore
    exports: ExportStore
    erasures: ErasureStore
    blocked_hashes: BlockedHashStore
    audit: AuditStore
    sweeps: SweepStore
    sanctions: SanctionStore
    reports: ReportStore
    leases: LeaseStore

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        metrics: Metrics | None = None,
        shards: Shards = ALL_SHARDS,
        pictures: Path | None = None,
    ) -> AsyncIterator[Self]:
        """Opens the database at `url`, creates or upgrades its tables, closes it at the end. Raises StoreError, also
        for one that is half restored, or of which only a part is left.

        pictures: the folder of those of its jobs, none of which comes before it; None if there is none. busy_timeout_s:
        how long a call waits while another program writes to the same database. metrics: of transactions and jobs; None
        for nobody's. shards: as above.
        """
        parsed = parse_url(url)
        file = sqlite_file(parsed)
        # Processes of one bot may start together, and one of them makes all tables.
        timeout_s = busy_timeout_s if shards.are_all else MIGRATION_TIMEOUT_S
        await asyncio.to_thread(_make_ready, parsed, pictures, timeout_s)
        engine = await asyncio.to_thread(create_engine, parsed, busy_timeout_s)
        metrics = metrics or Metrics()
        database = await asyncio.to_thread(WatchedDatabase, describe(parsed), engine, file, metrics, shards)
        try:
            await database.connect()
            yield cls(
                shards=shards,
                jobs=JobStore(database, JobTimes(metrics).moved),
                values=ValueStore(database),
                images=ImageStore(database),
                favourites=FavouriteStore(database),
                past=PastStore(database),
                vectors=VectorStore(database),
                galleries=GalleryStore(database),
                showings=ShowingStore(database),
                statistics=StatisticsStore(database),
                styles=StyleStore(database),
                guilds=GuildStore(database),
                rules=RuleStore(database),
                cases=CaseStore(database),
                exports=ExportStore(database),
                erasures=ErasureStore(database),
                blocked_hashes=BlockedHashStore(database),
                audit=AuditStore(database),
                sweeps=SweepStore(database),
                sanctions=SanctionStore(database),
                reports=ReportStore(database),
                leases=LeaseStore(database),
            )
        finally:
            await database.aclose()


def _make_ready(url: URL, pictures: Path | None, busy_timeout_s: float) -> None:
    refuse_place(url)
    file = sqlite_file(url)
    if file is not None:
        make_folder(file)
    refuse_half_restored(url)
    refuse_remains(url, pictures)
    migrate(url, busy_timeout_s)
