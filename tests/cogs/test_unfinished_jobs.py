"""Which unfinished jobs are taken up, when, and how many at once; over a store in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from bot.catalogues import Languages
from bot.cogs.cancelling import Cancelling
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.erasing import Erasing
from bot.cogs.held_jobs import HeldJobs
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.under_way import MAX_FROM_DISK
from bot.cogs.unfinished_jobs import ANSWERED_WITHIN_S
from bot.errors import ExecutorClosedError, InvalidPromptError, JobEndedError, StoreError
from bot.moderation.cases import CaseKind, Decision
from bot.render import render_failure
from bot.store import CaseRecord, JobRecord, JobState, JobStore
from tests.cogs.stored_jobs import BEGAN, StoredJobs, stored
from tests.conftest import TIMEOUT_S, eventually

Make = Callable[..., StoredJobs]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made = []

    def make(*records: JobRecord, **options: Any) -> StoredJobs:
        made.append(StoredJobs(*records, **options))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def held(job: JobRecord, decision: Decision | None) -> CaseRecord:
    return CaseRecord(
        guild_id=7,
        kind=CaseKind.HELD_PROMPT,
        job_id=job.id,
        user_id=1,
        number=1,
        opened_at=BEGAN,
        decision=decision,
        decided_by=None,
        decided_at=None,
        channel_id=None,
        message_id=None,
    )


async def test_more_jobs_than_fit_all_end_once(make: Make) -> None:
    """Of 2,500 most are drawn again, every fifth had no answer yet."""
    states = (JobState.RECEIVED, JobState.ACKNOWLEDGED, JobState.QUEUED, JobState.RUNNING, JobState.RUNNING)
    records = [stored(number, states[number % 5]) for number in range(2500)]
    held_back = stored(2500, JobState.IN_REVIEW)
    kept = make(*records, held_back, max_deliveries=20)
    await kept.unfinished.begin()
    assert len(kept.deliveries._tasks) == 20, "what does not fit is not begun"
    async with asyncio.timeout(TIMEOUT_S):
        kept.clock.now_s += ANSWERED_WITHIN_S
        await kept.unfinished.look()
        # Those without an answer were seen for the first time just now.
        kept.clock.now_s += ANSWERED_WITHIN_S
        await kept.unfinished.look()
        await kept.settle()
    assert kept.most_at_once <= 20
    assert set(kept.submitted.values()) == {1}
    ends = {job_id: [JobState.FAILED] for job_id in kept.submitted}
    ends |= {job.id: [JobState.EXPIRED] for job in records if job.state is JobState.RECEIVED}
    assert kept.jobs.ends == ends
    assert len(ends) == 2500
    assert kept.state(2500) is JobState.IN_REVIEW


async def test_a_read_that_fails_at_the_start_is_made_up_for(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    kept = make(stored(1))
    kept.jobs.num_faults = 4
    await kept.unfinished.begin()
    for _ in range(3):
        await kept.unfinished.look()
    assert kept.state(1) is JobState.RUNNING
    assert caplog.text.count("unfinished jobs could not be read, and are later: It is locked.") == 1
    await kept.unfinished.look()
    await kept.settle()
    assert kept.state(1) is JobState.FAILED


async def test_a_job_that_fails_keeps_no_other_from_its_turn(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    kept = make(stored(1), stored(2), stored(3))
    kept.faults = {stored(1).id: ZeroDivisionError("bug"), stored(2).id: StoreError("It is locked.")}
    await kept.unfinished.begin()
    await kept.settle()
    assert [kept.state(number) for number in (1, 2, 3)] == [JobState.RUNNING, JobState.RUNNING, JobState.FAILED]
    assert "ZeroDivisionError: bug" in caplog.text


async def test_its_next_turns_come_after_pauses_that_grow_and_the_log_has_it_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    kept = make(stored(1), pauses_s=(60.0, 120.0, 600.0))
    kept.faults = {stored(1).id: StoreError("It is locked.")}
    await kept.unfinished.begin()
    taken = []
    for _ in range(30):
        before = kept.submitted.total()
        kept.clock.now_s += 60.0
        await kept.unfinished.look()
        if kept.submitted.total() > before:
            taken.append(kept.clock.now_s - 1000.0)
    assert taken == [60.0, 180.0, 780.0, 1380.0]
    assert caplog.text.count("waits to be taken up: It is locked.") == 1
    kept.faults = {stored(1).id: StoreError("It is gone.")}
    kept.clock.now_s += 600.0
    await kept.unfinished.look()
    assert caplog.text.count("waits to be taken up: It is gone.") == 1
    kept.faults.clear()
    kept.clock.now_s += 600.0
    await kept.unfinished.look()
    await kept.settle()
    assert kept.state(1) is JobState.FAILED
    assert kept.unfinished._turns.keys() == {stored(1).id}
    await kept.unfinished.look()
    assert not kept.unfinished._turns, "what has ended is forgotten"


async def test_what_can_not_go_on_is_told_once(make: Make) -> None:
    kept = make(stored(1))
    kept.faults = {stored(1).id: InvalidPromptError("No words.")}
    for _ in range(2):
        await kept.unfinished.look()
        await kept.settle()
        kept.clock.now_s += 3600.0
    assert kept.jobs.records[stored(1).id].error == "This job could not be taken up again. No words."
    assert len(kept.shown[stored(1).id]) == 1


@pytest.mark.parametrize(
    ("state", "num_edits", "end"),
    [(JobState.RUNNING, 3, JobState.FAILED), (JobState.DELIVERING, 1, JobState.DELIVERED)],
)
async def test_what_discord_could_not_be_told_is_told_later(
    make: Make, state: JobState, num_edits: int, end: JobState
) -> None:
    job = stored(1, state)
    kept = make(job)
    kept.num_unreached = 2 * num_edits
    await kept.unfinished.begin()
    await kept.settle()
    assert not kept.jobs.ends
    for _ in range(4):
        kept.clock.now_s += 3600.0
        await kept.unfinished.look()
        await kept.settle()
    assert kept.jobs.ends == {job.id: [end]}
    assert sum("No luck." in content or "1 image" in content for content in kept.shown[job.id]) == 1


async def test_an_engine_that_is_gone_leaves_the_job_as_it_is(make: Make) -> None:
    kept = make(stored(1))
    kept.faults = {stored(1).id: ExecutorClosedError("No model.")}
    await kept.unfinished.begin()
    await kept.settle()
    assert kept.state(1) is JobState.RUNNING
    assert not kept.shown


@pytest.mark.parametrize("state", [JobState.RECEIVED, JobState.ACKNOWLEDGED, JobState.RUNNING])
async def test_a_job_that_is_just_being_accepted_is_never_taken_up(make: Make, state: JobState) -> None:
    """The race itself: it is committed, and looked at again and again before it is answered or handed over."""
    kept = make()
    await kept.unfinished.begin()
    job = stored(1, state)
    with kept.deliveries.accepting(job.id):
        kept.jobs.records[job.id] = job
        for _ in range(3):
            kept.clock.now_s += 3600.0
            await kept.unfinished.look()
    assert (kept.searched, kept.submitted.total(), kept.state(1)) == ([], 0, state)


async def test_nor_one_that_ends_after_its_page_was_read(make: Make) -> None:
    job = stored(1)
    kept = make(job)
    await kept.unfinished.begin()
    await kept.settle()
    kept.submitted.clear()
    kept.jobs.records[job.id] = job

    async def deliver() -> None:
        kept.jobs.records[job.id] = stored(1, JobState.DELIVERED)

    kept.jobs.on_read = deliver
    kept.clock.now_s += 3600.0
    await kept.unfinished.look()
    assert not kept.submitted


async def test_nor_one_that_somebody_cancels(make: Make) -> None:
    job = stored(1)
    kept = make(job)
    with kept.deliveries.moving(job.id):
        await kept.unfinished.begin()
    assert not kept.submitted, "it is being moved in the store"

    async def cancel() -> None:
        await kept.jobs.move(job.id, JobState.CANCELLED)

    kept.jobs.on_read = cancel
    await kept.unfinished.look()
    assert not kept.submitted, "it was cancelled after its page was read"
    assert kept.jobs.ends == {job.id: [JobState.CANCELLED]}


async def cancel_by_button(kept: StoredJobs, job: JobRecord) -> None:
    cancelling = Cancelling(
        MagicMock(),
        store=cast(JobStore, kept.jobs),
        audit=MagicMock(),
        deliveries=kept.deliveries,
        languages=Languages({}),
        on_withdrawn=MagicMock(),
    )
    await cancelling.cancel(MagicMock(user=MagicMock(id=job.user_id)), job.id)


async def erase(kept: StoredJobs, job: JobRecord) -> None:
    erasing = Erasing(
        MagicMock(),
        store=kept.store,
        pictures=MagicMock(),
        removal=MagicMock(),
        deliveries=kept.deliveries,
        clock=DiscordClock(),
        languages=Languages({}),
    )
    await erasing._cancel(job)


@pytest.mark.parametrize("end", [cancel_by_button, erase])
async def test_nor_one_whose_cancellation_is_being_stored(
    make: Make, end: Callable[[StoredJobs, JobRecord], Awaitable[None]]
) -> None:
    job = stored(1)
    kept = make(job)
    kept.jobs.may_move.clear()
    ending = asyncio.ensure_future(end(kept, job))
    for _ in range(3):
        await asyncio.sleep(0)
        await kept.unfinished.look()
    assert not kept.submitted
    kept.jobs.may_move.set()
    await ending
    kept.clock.now_s += 3600.0
    await kept.unfinished.look()
    await kept.settle()
    assert not kept.submitted
    assert kept.jobs.ends == {job.id: [JobState.CANCELLED]}


async def test_what_moderators_have_decided_is_not_done_twice_at_once(make: Make) -> None:
    job = stored(1, JobState.IN_REVIEW, guild_id=7)
    kept = make(job)
    held_jobs = HeldJobs(
        kept.store,
        pictures=MagicMock(),
        deliveries=kept.deliveries,
        resubmitting=cast(Resubmitting, kept),
        gate=MagicMock(),
        languages=Languages({}),
    )
    with kept.deliveries.accepting(job.id, accepted_before=True):
        await held_jobs.follow(held(job, Decision.APPROVE))
    assert not kept.submitted
    await held_jobs.follow(held(job, Decision.APPROVE))
    assert kept.submitted == {job.id: 1}


async def test_nor_one_about_which_something_is_told(make: Make) -> None:
    job, other = stored(1), stored(2)
    kept = make(job, other)
    kept.may_show.clear()
    kept.deliveries.reject(job.id, job.prompt, JobState.FAILED, "No.", message=kept.message(job))
    message = kept.message(other)
    assert message is not None
    kept.deliveries.show(other.id, message, render_failure(other.prompt, "No."))
    for _ in range(3):
        await kept.unfinished.look()
        kept.clock.now_s += 3600.0
    assert not kept.submitted
    kept.may_show.set()
    await kept.settle()
    assert kept.state(1) is JobState.FAILED


async def test_nor_one_whose_hold_could_not_be_written_yet(make: Make) -> None:
    job = stored(1, JobState.RECEIVED)
    kept = make(job)
    kept.jobs.is_locked = True
    await kept.deliveries.hold(job.id, (20, 30), 0.0)
    for _ in range(3):
        await kept.unfinished.look()
        kept.clock.now_s += 3600.0
    assert not kept.searched
    kept.jobs.is_locked = False
    await kept.settle()
    assert kept.state(1) is JobState.IN_REVIEW


async def test_while_it_is_taken_up_it_can_not_be_cancelled(make: Make) -> None:
    """Otherwise it would be cancelled in the store and drawn all the same."""
    job = stored(1)
    kept = make(job)
    with (
        kept.deliveries.accepting(job.id, accepted_before=True),
        pytest.raises(JobEndedError, match="just being taken up"),
    ):
        await kept.deliveries.cancel(job.id, 7)
    assert await kept.deliveries.cancel(job.id, 7) is False


async def test_a_job_that_nobody_was_answered_about_has_its_time(make: Make) -> None:
    """At the start nobody can be answering it; later somebody may."""
    old, new = stored(1, JobState.RECEIVED), stored(2, JobState.RECEIVED)
    kept = make(old)
    await kept.unfinished.begin()
    await kept.settle()
    assert kept.state(1) is JobState.EXPIRED
    kept.jobs.records[new.id] = new
    for _ in range(2):
        await kept.unfinished.look()
        kept.clock.now_s += ANSWERED_WITHIN_S - 1.0
    assert kept.searched == [old.id]
    await kept.unfinished.look()
    await kept.settle()
    assert kept.state(2) is JobState.EXPIRED


async def test_pictures_are_loaded_when_their_turn_comes(make: Make) -> None:
    records = [stored(number, JobState.DELIVERING) for number in range(3 * MAX_FROM_DISK)]
    kept = make(*records)
    kept.may_show.clear()
    await kept.unfinished.begin()
    assert len(kept.loaded) == MAX_FROM_DISK
    looking = asyncio.create_task(kept.unfinished.look())
    await asyncio.sleep(0)
    kept.may_show.set()
    async with asyncio.timeout(TIMEOUT_S):
        await looking
        await kept.settle()
    assert kept.most_at_once <= MAX_FROM_DISK
    assert kept.jobs.ends == {job.id: [JobState.DELIVERED] for job in records}
    assert all(len(contents) == 1 for contents in kept.shown.values())


@pytest.mark.parametrize("decision", [None, Decision.REJECT])
async def test_a_prompt_that_moderators_have_not_let_through_is_not_drawn(
    make: Make, decision: Decision | None
) -> None:
    job = stored(1, JobState.ACKNOWLEDGED, guild_id=7)
    kept = make(job, cases=(held(job, decision),))
    await kept.unfinished.begin()
    assert not kept.submitted
    assert kept.state(1) is JobState.IN_REVIEW


async def test_one_that_they_have_let_through_is(make: Make) -> None:
    job = stored(1, JobState.ACKNOWLEDGED, guild_id=7)
    kept = make(job, cases=(held(job, Decision.APPROVE),))
    await kept.unfinished.begin()
    await kept.settle()
    assert kept.submitted == {job.id: 1}


async def test_it_looks_again_and_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.unfinished_jobs.INTERVAL_S", 0.01)
    kept = make()
    await kept.unfinished.begin()
    kept.unfinished.start()
    kept.jobs.records[stored(1).id] = stored(1)
    await eventually(lambda: kept.state(1) is JobState.FAILED)
