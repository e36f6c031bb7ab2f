"""What tests of jobs that are taken up again work with: a store in memory that can fail, real deliveries, and messages
and an engine that do what they are told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import discord

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.fatal_jobs import FatalJobs
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.job_requests import request_of
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.unfinished_jobs import UnfinishedJobs
from bot.cogs.updates import UpdateReader
from bot.engine.fake_pictures import expected_image
from bot.errors import IllegalMoveError, JobFailedError, StoreError
from bot.executor.base import EngineState, Executor
from bot.fence import Fence
from bot.language import ENGLISH
from bot.requests import Finished, Queued, Result, Sampling, Update
from bot.shards import ALL_SHARDS
from bot.store import FINAL_STATES, CaseRecord, JobOutline, JobRecord, JobState, JobStore, Store, may_move
from tests.clock import Clock
from tests.cogs.desk import refusal
from tests.store.samples import new_job

TEN_MIB = 10 * 2**20
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def stored(number: int, state: JobState = JobState.RUNNING, **changes: Any) -> JobRecord:
    """A job with a message, unless it is `received`."""
    created_at = BEGAN + timedelta(seconds=number // 3)
    values: dict[str, Any] = {
        "state": state,
        "message_id": None if state is JobState.RECEIVED else number,
        "created_at": created_at,
        "updated_at": created_at,
        "error": None,
        "result": None,
        "deleted_at": None,
    }
    asked = asdict(new_job(number, id=f"{number:012x}", num_images=1))
    return JobRecord(**(asked | values | changes))


@dataclass
class MemoryJobs:
    """A JobStore. num_faults: how many reads of unfinished jobs fail. is_locked: every move does. may_move: waited
    for by each. on_read: what happens once, after a page was read. ends: final states by job, in their order."""

    records: dict[str, JobRecord] = field(default_factory=dict)
    num_faults: int = 0
    is_locked: bool = False
    may_move: asyncio.Event = field(default_factory=asyncio.Event)
    on_read: Callable[[], Awaitable[None]] | None = None
    ends: dict[str, list[JobState]] = field(default_factory=dict)

    async def unfinished(
        self, limit: int = 1000, *, but: JobState | None = None, after: JobRecord | None = None
    ) -> list[JobRecord]:
        if self.num_faults:
            self.num_faults -= 1
            raise StoreError("It is locked.")
        found = sorted(
            (job for job in self.records.values() if job.state not in FINAL_STATES and job.state is not but), key=_place
        )
        page = [job for job in found if after is None or _place(job) > _place(after)][:limit]
        on_read, self.on_read = self.on_read, None
        if on_read is not None:
            await on_read()
        return page

    async def outlines(self) -> list[JobOutline]:
        unfinished = await self.unfinished(len(self.records), but=JobState.IN_REVIEW)
        return [JobOutline(job.id, job.state) for job in unfinished]

    async def just_cancelled(self, within: timedelta) -> list[JobRecord]:
        return []

    async def get(self, job_id: str) -> JobRecord | None:
        return self.records.get(job_id)

    async def acknowledge(self, job_id: str, channel_id: int, message_id: int) -> JobRecord:
        return self._move(job_id, JobState.ACKNOWLEDGED, channel_id=channel_id, message_id=message_id)

    async def move(self, job_id: str, to: JobState, **given: Any) -> JobRecord:
        await self.may_move.wait()
        return self._move(job_id, to, **{name: value for name, value in given.items() if value is not None})

    def _move(self, job_id: str, to: JobState, **values: Any) -> JobRecord:
        job = self.records[job_id]
        if self.is_locked:
            raise StoreError("It is locked.")
        if not may_move(job.state, to):
            raise IllegalMoveError(f"Job {job_id} is {job.state}; it can't become {to}.")
        if to in FINAL_STATES:
            self.ends.setdefault(job_id, []).append(to)
        self.records[job_id] = replace(job, state=to, **values)
        return self.records[job_id]


def _place(job: JobRecord) -> tuple[datetime, int, str]:
    return job.created_at, job.interaction_part, job.id


@dataclass
class MemoryValues:
    values: dict[str, str] = field(default_factory=dict)

    async def get(self, key: str) -> str | None:
        return self.values.get(key)

    async def set(self, key: str, value: str) -> None:
        self.values[key] = value


@dataclass
class MemoryCases:
    cases: list[CaseRecord] = field(default_factory=list)

    async def of_job(self, job_id: str) -> list[CaseRecord]:
        return [case for case in self.cases if case.job_id == job_id]


class IdleExecutor:
    """Has no job."""

    status = SimpleNamespace(state=EngineState.READY)

    async def cancel(self, job_id: str) -> bool:
        return False


class StoredJobs:
    """The jobs, and what came of them.

    submitted: how often each was drawn again; all of these fail once `may_end` is set. loaded: from disk. searched:
    whose message was looked for. shown: what messages were made to say. faults: raised by each of these, by job.
    may_show: waited for by every edit. num_unreached: edits to come that Discord does not take. most_at_once:
    deliveries.
    """

    def __init__(
        self, *records: JobRecord, cases: tuple[CaseRecord, ...] = (), max_deliveries: int = 100, **options: Any
    ) -> None:
        self.jobs = MemoryJobs({job.id: job for job in records})
        self.submitted: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.searched: list[str] = []
        self.shown: dict[str, list[str]] = {}
        self.faults: dict[str, Exception] = {}
        self.may_end, self.may_show = asyncio.Event(), asyncio.Event()
        for event in (self.may_end, self.may_show, self.jobs.may_move):
            event.set()
        self.most_at_once = self.num_unreached = 0
        self.clock = Clock()
        self.threads = PictureThreads(1)
        self.deliveries = Deliveries(
            store=cast(JobStore, self.jobs),
            executor=cast(Executor, IdleExecutor()),
            keeper=MagicMock(spec=ResultKeeper),
            threads=self.threads,
            max_deliveries=max_deliveries,
            edit_interval_s=0.0,
            retry_pauses_s=(),
            record_pauses_s=(0.0, 0.01),
        )
        parts = SimpleNamespace(
            shards=ALL_SHARDS, jobs=self.jobs, values=MemoryValues(), cases=MemoryCases(list(cases))
        )
        self.store = cast(Store, parts)
        self.unfinished = UnfinishedJobs(
            store=self.store,
            resubmitting=cast(Resubmitting, self),
            deliveries=self.deliveries,
            fatal=FatalJobs(self.store, cast(Executor, IdleExecutor()), Fence()),
            languages=Languages({}),
            clock=self.clock,
            **options,
        )

    def state(self, number: int) -> JobState:
        return self.jobs.records[f"{number:012x}"].state

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        while self.deliveries._tasks:
            await self.deliveries.wait_for_end(10.0)
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        for event in (self.may_end, self.may_show, self.jobs.may_move):
            event.set()
        await self.unfinished.aclose()
        await self.deliveries.aclose()
        self.threads.close()

    def message(self, job: JobRecord) -> JobMessage | None:
        if job.message_id is None:
            return None

        async def edit(*, content: str, **_: object) -> None:
            await self.may_show.wait()
            if self.num_unreached:
                self.num_unreached -= 1
                raise refusal(503, 0)
            self.shown.setdefault(job.id, []).append(content)

        partial = SimpleNamespace(id=job.message_id, channel=SimpleNamespace(id=job.channel_id), edit=edit)
        return JobMessage(cast(discord.PartialMessage, partial), job.id, ENGLISH)

    async def found_again(self, job: JobRecord) -> JobRecord | None:
        self.searched.append(job.id)
        self._fail(job)
        return None

    async def finished(self, job: JobRecord, message: JobMessage, *, is_spoiler: bool) -> AcceptedJob | None:
        self.loaded.append(job.id)
        self._fail(job)
        image = expected_image(job.prompt, 1, 0, image_length=4, image_size_px=8)
        result = Result(request_of(job), "fake", Sampling(1.0, 0, 1.0, 1.0), (image,), (), 1.0)
        accepted = self._accepted(job, message, Finished(result))
        return replace(accepted, is_kept=True, is_reviewed=True)

    async def submit(self, job: JobRecord, message: JobMessage, **_: object) -> AcceptedJob:
        self.submitted[job.id] += 1
        self._fail(job)
        return replace(self._accepted(job, message, Queued(1)), resumed=True)

    def _fail(self, job: JobRecord) -> None:
        if job.id in self.faults:
            raise self.faults[job.id]

    def _accepted(self, job: JobRecord, message: JobMessage, first: Update) -> AcceptedJob:
        self.most_at_once = max(self.most_at_once, len(self.deliveries._under_way))

        async def updates() -> AsyncIterator[Update]:
            await self.may_end.wait()
            yield Queued(1)
            raise JobFailedError("No luck.")

        return AcceptedJob(
            request=request_of(job),
            user_id=job.user_id,
            message=message,
            updates=UpdateReader(updates()),
            first=first,
            language=ENGLISH,
            stored=job.state,
            max_bytes=TEN_MIB,
            guild_id=job.guild_id,
        )
