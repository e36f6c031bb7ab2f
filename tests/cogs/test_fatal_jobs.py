"""Jobs that were being drawn whenever the bot ended, and what is kept of that."""

from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import pytest

from bot.cogs.fatal_jobs import KEY, FatalJobs, key_of
from bot.config import Settings
from bot.errors import StoreError
from bot.executor.base import EngineState, Executor, ExecutorStatus
from bot.fence import Fence
from bot.moderation.suspects import MAX_ENDS_ALONE, SUSPECT_FROM, Suspects
from bot.shards import Shards
from bot.store import JobState, Store
from bot.store.values import ValueStore
from tests.conftest import OpenStage
from tests.store.samples import new_job, url_of

pytestmark = pytest.mark.fault


def of(
    store: Store, state: EngineState = EngineState.READY, *, is_loaded: bool = True, fence: Fence | None = None
) -> FatalJobs:
    """Those of a new run, whose engine is in a state."""
    status = ExecutorStatus(state, 0, 0, MagicMock() if is_loaded else None)
    return FatalJobs(store, MagicMock(spec=Executor, status=status), fence or Fence())


async def started(store: Store, fence: Fence | None = None) -> FatalJobs:
    """A run that has looked at what the last one left."""
    fatal = of(store, fence=fence)
    await fatal.count(await store.jobs.outlines())
    return fatal


async def drawing(store: Store, number: int, *, state: JobState = JobState.RUNNING, channel_id: int = 2) -> str:
    """number: of its message, too."""
    job = await store.jobs.create(new_job(number))
    await store.jobs.acknowledge(job.id, channel_id, number)
    for step in (JobState.QUEUED, JobState.RUNNING):
        await store.jobs.move(job.id, step)
        if step is state:
            break
    return job.id


async def test_the_one_that_ends_the_bot_is_given_up_and_its_neighbours_are_not(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        deadly, neighbour = await drawing(store, 1), await drawing(store, 2)
        waiting = await drawing(store, 3, state=JobState.QUEUED)
        # Nobody knows of a run before.
        assert (await started(store)).alone(deadly) is None
        for _ in range(MAX_ENDS_ALONE):
            fatal = await started(store)
            assert fatal.alone(neighbour) is not None
            assert fatal.alone(waiting) is None
            assert not fatal.is_fatal(deadly)
            announce = fatal.alone(deadly)
            assert announce is not None
            await announce(True)
        fatal = await started(store)
        assert [job for job in (deadly, neighbour, waiting) if fatal.is_fatal(job)] == [deadly]


async def test_what_is_drawn_after_it_is_not_its_fault(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id = await drawing(store, 1)
        await started(store)
        for _ in range(9):
            announce = (await started(store)).alone(job_id)
            assert announce is not None
            await announce(True)
            # The store does not know yet that it has come through.
            await announce(False)
        assert not (await started(store)).is_fatal(job_id)


async def test_a_stop_in_peace_does_not_count(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id = await drawing(store, 1)
        for _ in range(9):
            fatal = await started(store)
            assert fatal.alone(job_id) is None
            await fatal.aclose()
            await fatal.aclose()


async def test_whoever_has_lost_its_shards_leaves_what_its_successor_has_counted(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id, fence = await drawing(store, 1), Fence()
        before = await started(store, fence)
        announce = (await started(store)).alone(job_id)
        assert announce is not None
        await announce(True)
        kept = await store.values.get(KEY)
        fence.close_at(0.0)
        await before.aclose()
        assert await store.values.get(KEY) == kept


def test_the_key_of_each_process_is_another_one_that_fits() -> None:
    even, odd = (Shards(1000, tuple(range(first, 1000, 2))) for first in (0, 1))
    assert len({key_of(even), key_of(odd), key_of(Shards(1, (0,)))}) == 3
    assert max(len(key_of(shards)) for shards in (even, odd)) <= 100


@pytest.mark.parametrize(("is_loaded", "counts"), [(True, True), (False, False)])
async def test_the_end_of_an_engine_counts_if_it_could_draw(tmp_path: Path, is_loaded: bool, counts: bool) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        job_id = await drawing(store, 1)
        fatal = of(store, EngineState.FAILED, is_loaded=is_loaded)
        await fatal.count(await store.jobs.outlines())
        await fatal.aclose()
        assert ((await started(store)).alone(job_id) is not None) == counts


async def test_what_this_run_draws_is_not_taken_for_what_the_last_one_left(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        await started(store)
        fatal = await started(store)
        job_id = await drawing(store, 1)
        await fatal.count(await store.jobs.outlines())
        assert fatal.alone(job_id) is None


async def test_a_store_that_can_not_say_suspects_nobody_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        await started(store)
        job_id = await drawing(store, 1)
        fatal = of(store)
        with monkeypatch.context() as patched:
            patched.setattr(ValueStore, "get", AsyncMock(side_effect=StoreError("It is locked.")))
            await fatal.count(await store.jobs.outlines())
            assert fatal.alone(job_id) is None
            await fatal.aclose()
        with monkeypatch.context() as patched:
            patched.setattr(ValueStore, "set", AsyncMock(side_effect=StoreError("It is locked.")))
            await fatal.count(await store.jobs.outlines())
            announce = fatal.alone(job_id)
            assert announce is not None
            await announce(True)


async def test_what_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        await store.values.set(KEY, "[")
        job_id = await drawing(store, 1)
        assert (await started(store)).alone(job_id) is None
        assert (await started(store)).alone(job_id) is not None


async def test_its_message_says_so(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:1")
        delivered = await stage.job(JobState.DELIVERED)
    async with Store.open(settings.store_url) as store:
        assert Suspects.from_json(await store.values.get(KEY) or "").is_open is False
        assert delivered.message_id is not None
        job_id = await drawing(store, delivered.message_id, channel_id=delivered.channel_id)
        known = Suspects(weights={job_id: SUSPECT_FROM}, ends_alone={job_id: MAX_ENDS_ALONE})
        await store.values.set(KEY, known.to_json())
    async with open_stage() as stage:
        stage.job_ids.append(job_id)
        job = await stage.job(JobState.FAILED)
        assert job.error == "The bot ended again and again while it drew this. Ask for something else."
        edits = [request for request in stage.sandbox.requests if request.method == "PATCH"]
        assert edits[-1].payload["content"].endswith(job.error)
