"""What is past a guild's time goes, and nothing else, in steps that a restart may come between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.cogs import retention
from bot.cogs.audit_notes import AuditNotes
from bot.cogs.retention import Retention
from bot.errors import StoreError
from bot.pictures import PictureFolder
from bot.store import AuditAction, AuditFilter, JobState, Store
from tests.store.samples import new_job, url_of

GUILD, OTHER_GUILD, ADMIN = 7, 8, 5
NOW = datetime.now(UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(url_of(tmp_path)) as store:
        yield store


@pytest.fixture
def pictures(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures", 2**30)


async def finished_job(store: Store, pictures: PictureFolder, number: int, guild_id: int) -> str:
    job = await store.jobs.create(new_job(number, guild_id=guild_id))
    await store.jobs.move(job.id, JobState.FAILED)
    await asyncio.to_thread(pictures.save, job.id, [b"a picture"])
    return job.id


def make_retention(store: Store, pictures: PictureFolder, days: float) -> Retention:
    """days: how many have gone by."""
    notes = AuditNotes(store.audit)
    return Retention(store=store, pictures=pictures, notes=notes, now=lambda: NOW + timedelta(days=days), pause_s=0)


async def recorded(store: Store, guild_id: int = GUILD) -> list[dict[str, object]]:
    """What the audit has of deletions in a guild, newest first."""
    wanted = AuditFilter(guild_id=guild_id, action=AuditAction.RESULTS_EXPIRED)
    return [dict(entry.details) for entry in await store.audit.page(wanted, 9)]


async def kept(store: Store, *job_ids: str) -> list[bool]:
    return [await store.jobs.get(job_id) is not None for job_id in job_ids]


async def test_only_guilds_that_set_a_time_lose_what_is_past_it(
    store: Store, pictures: PictureFolder, tmp_path: Path
) -> None:
    mine = await finished_job(store, pictures, 1, GUILD)
    theirs = await finished_job(store, pictures, 2, OTHER_GUILD)
    await store.guilds.change(GUILD, ADMIN, retention_days=30)
    await store.guilds.change(OTHER_GUILD, ADMIN, cooldown_s=9)
    await make_retention(store, pictures, 29.9).enforce()
    assert await kept(store, mine, theirs) == [True, True]
    assert await recorded(store) == []
    await make_retention(store, pictures, 30.1).enforce()
    assert await kept(store, mine, theirs) == [False, True]
    assert [path.parent.name for path in (tmp_path / "pictures").glob("*/*/*.png")] == [theirs]
    assert await recorded(store) == [{"deleted": 1, "days": 30}]
    assert await recorded(store, OTHER_GUILD) == []


async def test_many_go_in_batches(store: Store, pictures: PictureFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_JOBS", 2)
    jobs = [await finished_job(store, pictures, number, GUILD) for number in range(5)]
    await store.guilds.change(GUILD, ADMIN, retention_days=1)
    await make_retention(store, pictures, 2).enforce()
    assert not any(await kept(store, *jobs))
    assert await recorded(store) == [{"deleted": 5, "days": 1}]


async def test_after_a_fault_the_next_round_goes_on(
    store: Store, pictures: PictureFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await finished_job(store, pictures, number, GUILD) for number in range(3)]
    await store.guilds.change(GUILD, ADMIN, retention_days=1)
    delete, num_deleted = PictureFolder.delete, 0

    def failing(self: PictureFolder, job_id: str) -> None:
        nonlocal num_deleted
        num_deleted += 1
        if num_deleted == 2:
            raise StoreError("The disk has gone.")
        delete(self, job_id)

    monkeypatch.setattr(PictureFolder, "delete", failing)
    with pytest.raises(StoreError):
        await make_retention(store, pictures, 2).enforce()
    assert await kept(store, *jobs) == [False, True, True]
    assert await recorded(store) == [{"deleted": 1, "days": 1}]
    await make_retention(store, pictures, 2).enforce()
    assert not any(await kept(store, *jobs))
    assert await recorded(store) == [{"deleted": 2, "days": 1}, {"deleted": 1, "days": 1}]
