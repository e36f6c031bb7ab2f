"""Store, executor and deliveries as they ship, on one event loop that a test turns by hand, with recorded messages.

The engine is held at a gate before each chunk, so that nothing happens between two steps of a test, and the database
refuses as a test says.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
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
from bot.cogs.updates import submit_job
from bot.config import STORE_FILE
from bot.engine.fake import FakeEngine, Faults, Gate, Verb
from bot.errors import DalleBotError, RequestError, StoreError
from bot.executor.local import LocalExecutor
from bot.fence import Fence
from bot.language import ENGLISH
from bot.pictures import PictureFolder
from bot.requests import GenerationRequest, new_job_id
from bot.store import FINAL_STATES, JobRecord, JobState, NewJob, Store
from tests.cogs.desk import refusal
from tests.conftest import TIMEOUT_S
from tests.faults.store_faults import StoreFaults

MAX_JOBS: Final = 6
MAX_JOBS_PER_USER: Final = 3
TEN_MIB: Final = 10 * 2**20
MOMENT_S: Final = 0.02
CHANNEL_ID: Final = 20


@dataclass
class Shown:
    """What a job's message has been made to show. refusals: of the edits to come, by status and code."""

    contents: list[str] = field(default_factory=list)
    num_results: int = 0
    refusals: list[tuple[int, int]] = field(default_factory=list)

    async def edit(self, *, content: str, attachments: list[discord.File], **_: object) -> None:
        if self.refusals:
            raise refusal(*self.refusals.pop(0))
        self.contents.append(content)
        self.num_results += attachments is not discord.utils.MISSING and bool(attachments)


@dataclass
class _Run:
    """The bot between two restarts. raises: as Faults has it; a test adds to it."""

    stack: AsyncExitStack
    store: Store
    engine: FakeEngine
    executor: LocalExecutor
    deliveries: Deliveries
    fatal: FatalJobs
    unfinished: UnfinishedJobs
    gate: Gate
    raises: dict[tuple[Verb, int], Exception]


class SmallBot:
    """folder: where it keeps everything. messages: job id → what it shows, in all runs. faults: of its database."""

    def __init__(self, folder: Path, not_finite_seed: int) -> None:
        self.url = f"sqlite+aiosqlite:///{folder / STORE_FILE}"
        self.messages: dict[str, Shown] = {}
        self.faults = StoreFaults()
        self._folder = folder
        self._not_finite_seed = not_finite_seed
        self._run: _Run | None = None
        self._languages = Languages.load()

    @property
    def now(self) -> _Run:
        assert self._run is not None, "it is open"
        return self._run

    async def open(self) -> None:
        """Starts, and takes up what the last run left."""
        stack = AsyncExitStack()
        gate, raises = Gate(), dict[tuple[Verb, int], Exception]()
        engine = FakeEngine(
            num_slots=2, gate=gate, faults=Faults(raises=raises, not_finite=[(self._not_finite_seed, 0)])
        )
        store = await stack.enter_async_context(Store.open(self.url))
        self.faults.put_on(store)
        executor = await stack.enter_async_context(
            LocalExecutor(lambda: engine, chunk_tokens=8, max_jobs=MAX_JOBS, max_jobs_per_user=MAX_JOBS_PER_USER)
        )
        threads = PictureThreads(1)
        stack.callback(threads.close)
        deliveries = Deliveries(
            store=store.jobs,
            executor=executor,
            keeper=ResultKeeper(store.jobs, store.images, PictureFolder(self._folder / "pictures", 2**30), threads),
            threads=threads,
            max_deliveries=2 * MAX_JOBS,
            edit_interval_s=0.0,
            retry_pauses_s=(0.0,) * 3,
            record_pauses_s=(0.01,),
        )
        fatal = FatalJobs(store, executor, Fence())
        unfinished = UnfinishedJobs(
            store=store,
            resubmitting=cast(Resubmitting, _Resubmitting(self)),
            deliveries=deliveries,
            fatal=fatal,
            languages=self._languages,
            pauses_s=(0.0,),
        )
        self._run = _Run(stack, store, engine, executor, deliveries, fatal, unfinished, gate, raises)
        await unfinished.begin()
        await self.settle()

    async def look(self) -> None:
        """Takes up what nobody does anything about, as the bot does now and then."""
        await self.now.unfinished.look()
        await self.settle()

    async def close(self, *, is_killed: bool) -> None:
        """is_killed: without a word to anybody, as far as one process can do that to itself."""
        run, self._run = self.now, None
        if is_killed:
            for task in list(run.deliveries._tasks):
                task.cancel()
            await asyncio.gather(*run.deliveries._tasks, return_exceptions=True)
        run.gate.open()
        await run.deliveries.aclose()
        if not is_killed:
            await run.fatal.aclose()
        await run.stack.aclose()

    async def ask(self, user_id: int, num_images: int, seed: int) -> str | None:
        """What the job desk does; the job's id, or None if it was refused."""
        run, job = self.now, self._new_job(user_id, num_images, seed)
        try:
            with run.deliveries.accepting(job.id):
                await run.executor.check_room(str(user_id), 1)
                stored = await run.store.jobs.create(job)
                updates, first = await submit_job(run.executor, request_of(stored))
                self.messages[job.id] = Shown()
                run.deliveries.start(
                    self._accepted(stored, self.message(job.id), updates, first, await self._acknowledged(job))
                )
        except (RequestError, StoreError):
            return None
        await self.settle()
        return job.id

    async def _acknowledged(self, job: NewJob) -> JobState:
        """The state of a job whose message is there, as far as the store says."""
        try:
            await self.now.store.jobs.acknowledge(job.id, job.channel_id, job.interaction_id)
        except StoreError:
            return JobState.RECEIVED
        return JobState.ACKNOWLEDGED

    async def cancel(self, job_id: str) -> None:
        """In the name of its user, if that is possible."""
        try:
            await self.now.deliveries.cancel(job_id, 1)
        except DalleBotError:
            return
        await self.settle()

    async def step(self) -> None:
        """Lets the engine do one chunk, if there is one to do."""
        self.now.gate.let_pass()
        await self.settle()

    def break_next(self, verb: Verb, error: Exception) -> None:
        """The next call of a verb raises."""
        self.now.raises[verb, self.now.engine.calls[verb] + 1] = error

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.faults.left = 0
        self.now.raises.clear()
        for shown in self.messages.values():
            shown.refusals.clear()

    async def finish(self) -> None:
        """The engine draws until nothing is left to do."""
        self.now.gate.open()
        async with asyncio.timeout(TIMEOUT_S):
            while any(job.state not in FINAL_STATES for job in await self.jobs()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(MOMENT_S)
            while self.now.deliveries._tasks:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(MOMENT_S)

    async def jobs(self) -> list[JobRecord]:
        """Those that were accepted."""
        found = [await self.now.store.jobs.get(job_id) for job_id in self.messages]
        return [job for job in found if job is not None]

    async def settle(self) -> None:
        """Lets the loop and the engine's thread come to rest, as far as nobody announces that."""
        for _ in range(3):
            await asyncio.sleep(MOMENT_S)

    def message(self, job_id: str) -> JobMessage:
        number = int(job_id, 16)
        channel = MagicMock(id=CHANNEL_ID)
        partial = MagicMock(spec=discord.PartialMessage, id=number, channel=channel, edit=self.messages[job_id].edit)
        return JobMessage(partial, job_id, ENGLISH)

    def _new_job(self, user_id: int, num_images: int, seed: int) -> NewJob:
        job_id = new_job_id()
        return NewJob(
            id=job_id,
            prompt="a red circle",
            num_images=num_images,
            seed=seed,
            user_id=user_id,
            channel_id=CHANNEL_ID,
            interaction_id=int(job_id, 16),
        )

    def _accepted(
        self, job: JobRecord, message: JobMessage, updates: Any, first: Any, stored: JobState, *, resumed: bool = False
    ) -> AcceptedJob:
        request: GenerationRequest = request_of(job)
        return AcceptedJob(
            request=request,
            user_id=job.user_id,
            message=message,
            updates=updates,
            first=first,
            language=ENGLISH,
            stored=stored,
            max_bytes=TEN_MIB,
            resumed=resumed,
        )


class _Resubmitting:
    """What `UnfinishedJobs` needs of the real one, over recorded messages."""

    def __init__(self, bot: SmallBot) -> None:
        self._bot = bot

    async def found_again(self, job: JobRecord) -> JobRecord | None:
        """Its message was sent before its id was lost, or there is none."""
        if job.id not in self._bot.messages:
            return None
        return await self._bot.now.store.jobs.acknowledge(job.id, job.channel_id, job.interaction_id)

    async def finished(self, job: JobRecord, message: JobMessage, *, is_spoiler: bool) -> None:
        """Nothing is delivered from disk here: what was on its way is drawn again."""

    def message(self, job: JobRecord) -> JobMessage | None:
        return None if job.message_id is None else self._bot.message(job.id)

    async def submit(self, job: JobRecord, message: JobMessage, **_: object) -> AcceptedJob:
        run = self._bot.now
        updates, first = await submit_job(
            run.executor, request_of(job), accepted_before=True, alone=run.fatal.alone(job.id)
        )
        return self._bot._accepted(job, message, updates, first, job.state, resumed=True)
