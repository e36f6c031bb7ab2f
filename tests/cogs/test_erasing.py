"""Deletions of people whose jobs belong to several processes; tests/cogs/test_privacy.py has those of one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.erasing import ASKED_LATELY, Erasing
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.progress_note import ProgressNote
from bot.moderation.cases import CaseKind
from bot.pictures import PictureFolder
from bot.shards import Shards
from bot.store import JobRecord, JobState, NewCase, Store
from tests.store.samples import SNOWFLAKE, new_job, url_of

SHARDS = (1, 2)


@asynccontextmanager
async def erasing_in(url: str, shard: int, folder: Path) -> AsyncIterator[tuple[Erasing, Store]]:
    """As the process with this shard has it."""
    removal = MagicMock(spec=MessageRemoval, remove_in_the_end=AsyncMock(return_value=()), remove_direct=AsyncMock())
    async with Store.open(url, shards=Shards(3, (shard,))) as store:
        erasing = Erasing(
            MagicMock(spec=discord.Client, fetch_user=AsyncMock(side_effect=OSError)),
            store=store,
            pictures=PictureFolder(folder, 2**20),
            removal=removal,
            deliveries=MagicMock(spec=Deliveries),
            clock=DiscordClock(),
            languages=Languages.load(),
            unfinished_pause_s=0.0,
        )
        yield erasing, store


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[list[tuple[Erasing, Store]]]:
    """Two of them, with a job each of the same person."""
    url = url_of(tmp_path)
    async with (
        erasing_in(url, SHARDS[0], tmp_path / "pictures") as one,
        erasing_in(url, SHARDS[1], tmp_path / "pictures") as other,
    ):
        for shard in SHARDS:
            job = await one[1].jobs.create(new_job(shard, guild_id=shard << 22))
            await one[1].jobs.move(job.id, JobState.FAILED, error="It failed.")
        yield [one, other]


async def left(store: Store) -> list[int]:
    return sorted(job.guild_id or 0 for job in await store.jobs.latest_of(SNOWFLAKE))


def note_of(*, is_over: bool) -> MagicMock:
    return MagicMock(spec=ProgressNote, is_over=is_over, tell=AsyncMock(), end=AsyncMock(return_value=not is_over))


async def test_each_deletes_its_own_and_the_one_that_was_asked_ends_it(
    processes: list[tuple[Erasing, Store]],
) -> None:
    (asked, store), (other, _) = processes
    await asked.record(SNOWFLAKE, "en-US")
    note = asked._notes[SNOWFLAKE] = note_of(is_over=False)
    await asked._work()
    assert await left(store) == [2 << 22]
    note.end.assert_not_awaited()
    await other._work()
    assert await left(store) == []
    assert len(await store.erasures.under_way()) == 1, "the other process leaves the end to the one that was asked"
    await asked._work()
    assert await store.erasures.under_way() == []
    (text,) = note.end.await_args.args
    assert text.startswith("Deleted: 2 results")


async def test_if_that_one_is_gone_whichever_comes_ends_it(processes: list[tuple[Erasing, Store]]) -> None:
    (asked, store), (other, _) = processes
    await store.erasures.begin(SNOWFLAKE, "en-US", datetime.now(UTC) - ASKED_LATELY / 2)
    await asked._work()
    await other._work()
    assert len(await store.erasures.under_way()) == 1
    (erasure,) = await store.erasures.under_way()
    await store.erasures.finish(erasure, datetime.now(UTC))
    await store.erasures.begin(SNOWFLAKE, "en-US", datetime.now(UTC) - ASKED_LATELY - timedelta(seconds=1))
    await other._work()
    assert await store.erasures.under_way() == []


async def test_where_it_was_asked_for_nothing_is_left_of_what_another_one_ended(
    processes: list[tuple[Erasing, Store]],
) -> None:
    (asked, store), (other, _) = processes
    await store.erasures.begin(SNOWFLAKE, "en-US", datetime.now(UTC) - ASKED_LATELY - timedelta(seconds=1))
    over, lasting = note_of(is_over=True), note_of(is_over=False)
    asked._notes = {SNOWFLAKE: over, SNOWFLAKE + 1: lasting}
    await other._work()
    assert await store.erasures.under_way() == []
    await asked._work()
    assert asked._notes == {SNOWFLAKE + 1: lasting}


async def begun(store: Store, number: int, shard: int, *, user_id: int = SNOWFLAKE) -> JobRecord:
    """A job that is acknowledged."""
    job = await store.jobs.create(new_job(number, guild_id=shard << 22, user_id=user_id))
    return await store.jobs.acknowledge(job.id, 1, number)


async def test_what_other_processes_are_still_to_draw_is_cancelled_at_once(
    processes: list[tuple[Erasing, Store]],
) -> None:
    (asked, store), _ = processes
    other_shard = SHARDS[1]
    drawn, held = await begun(store, 10, other_shard), await begun(store, 11, other_shard)
    for state in (JobState.QUEUED, JobState.RUNNING):
        await store.jobs.move(drawn.id, state)
    await store.cases.open(
        NewCase(
            guild_id=other_shard << 22,
            kind=CaseKind.HELD_PROMPT,
            job_id=held.id,
            user_id=SNOWFLAKE,
            deadline_at=datetime.now(UTC),
        )
    )
    arriving = await store.jobs.create(new_job(12, guild_id=other_shard << 22))
    somebody_elses = await begun(store, 13, other_shard, user_id=SNOWFLAKE + 1)
    await asked.record(SNOWFLAKE, "en-US")
    later = await begun(store, 14, other_shard)
    asked._notes[SNOWFLAKE] = note_of(is_over=False)
    await asked._work()
    found = [await store.jobs.get(job.id) for job in (drawn, held, arriving, somebody_elses, later)]
    assert [job and job.state for job in found] == [
        "cancelled",
        "acknowledged",
        "received",
        "acknowledged",
        "acknowledged",
    ]
    assert found[0] is not None
    assert found[0].error == f"Cancelled by <@{SNOWFLAKE}>."
