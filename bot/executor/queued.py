"""What every executor does on the event loop, wherever its engines are: it accepts jobs, tells each its place, hands on
updates and ends streams.

LocalExecutor and RemoteExecutor build on it. Everything here runs on the event loop, and nothing blocks: the only lock
is the Backlog's.
"""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bot.engine.base import ModelInfo
from bot.errors import ExecutorClosedError, JobCancelledError, JobError, QueueFullError
from bot.executor.backlog import Backlog
from bot.executor.base import EngineState, ExecutorLoad, ExecutorStatus, TextVector, UpdateStream
from bot.executor.forecast import EngineLoad
from bot.executor.places import Places
from bot.executor.scheduler import Alone, Job, Scheduler
from bot.executor.stream import JobStream
from bot.language import Text
from bot.requests import Finished, GenerationRequest, Queued, Update
from bot.telemetry.metrics import Metrics

STOPPING: Final = Text("The bot is stopping: ask again when it is back.")


@dataclass(eq=False, slots=True)
class Entry:
    """An unfinished job as its reader sees it. accepted_s: when, as time.monotonic."""

    job: Job
    stream: JobStream
    accepted_s: float


class QueuedExecutor(ABC):
    """Implements Executor but for `start` and where pictures come from. `async with` starts and closes it.

    scheduler: nobody else may touch it. metrics: of its steps; None for nobody's.
    """

    def __init__(self, scheduler: Scheduler, metrics: Metrics | None = None) -> None:
        self._backlog = Backlog(scheduler)
        self._places = Places(self._backlog, tell=self._tell_place, clock=time.monotonic)
        self._entries: dict[str, Entry] = {}
        self._state = EngineState.LOADING
        self._info: ModelInfo | None = None
        self._others: tuple[ModelInfo, ...] = ()
        self._hung_because: str | None = None
        self._has_none_left = asyncio.Event()
        self._metrics = metrics or Metrics()
        self._load: EngineLoad | None = None

    @abstractmethod
    async def start(self) -> None:
        """Begins to bring up what draws, and returns at once. Raises RuntimeError the second time."""

    @abstractmethod
    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector:
        """What CLIP makes of a text. Raises NotReadyError, JobFailedError or ExecutorClosedError; see Executor."""

    @abstractmethod
    async def aclose(self) -> None:
        """Ends every job with JobCancelledError and what draws. Safe to call twice."""

    @property
    @abstractmethod
    def _has_been_started(self) -> bool: ...

    @property
    @abstractmethod
    def _busy_s(self) -> float:
        """How long what draws has been at work without a sign of life; 0.0 while it has nothing to do."""

    @property
    def engine_load(self) -> EngineLoad | None:
        """How far the engine is; None before it is ready."""
        return self._load

    @property
    def load(self) -> ExecutorLoad:
        """What the engine is busy with. It looks at every job that waits: not for each of many."""
        now_s = time.monotonic()
        waiting = (self._entries.get(job.request.job_id) for job in self._backlog.lineup().waiting)
        return ExecutorLoad(
            num_slots=0 if self._load is None else self._load.num_slots,
            num_occupied=0 if self._load is None else len(self._load.remaining),
            oldest_wait_s=max((now_s - entry.accepted_s for entry in waiting if entry is not None), default=0.0),
            busy_s=self._busy_s,
        )

    @property
    def demand(self) -> float:
        """The weight of those who wait here for slots that other processes of the bot use too; 0.0 if nobody does."""
        return 0.0

    def share_with(self, others: float) -> None:  # noqa: B027 - for those whose slots are shared
        """others: the demand of all other processes together."""

    @property
    def status(self) -> ExecutorStatus:
        num_queued, num_running = self._backlog.counts()
        return ExecutorStatus(self._state, num_queued, num_running, self._info, self._hung_because, self._others)

    async def submit(
        self,
        request: GenerationRequest,
        *,
        accepted_before: bool = False,
        alone: Alone | None = None,
    ) -> UpdateStream:
        """Accepts a job at once, or raises QueueFullError, UserLimitError or ExecutorClosedError.

        accepted_before: the limits don't refuse it, but it counts in them. alone: see Executor.
        Raises ValueError if a job of this id is unfinished, RuntimeError before `start`.
        """
        if not self._has_been_started and self._state is not EngineState.CLOSED:
            raise RuntimeError("The executor has not been started: await start() first.")
        if request.job_id in self._entries:
            raise ValueError(f"Job {request.job_id} is unfinished: a second one needs an id of its own.")
        job = Job(request, alone)
        with self._saying_when():
            position = self._backlog.add(job, accepted_before=accepted_before)
        entry = Entry(job, JobStream(), time.monotonic())
        self._entries[request.job_id] = entry
        self._places.welcome(job, position)
        self._on_accepted()
        return entry.stream

    def drawing_s(self, request: GenerationRequest) -> float | None:
        """Seconds from a job's start to its end under full load; None while nothing is measured."""
        return self._places.drawing_s(request)

    async def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        """Raises QueueFullError, UserLimitError or ExecutorClosedError unless that many new jobs fit now."""
        with self._saying_when():
            self._backlog.check_room(requester, num_jobs, guild=guild)

    def check_user(self, num_own: int, num_jobs: int) -> None:
        """Raises UserLimitError; see Executor."""
        self._backlog.check_user(num_own, num_jobs)

    @contextmanager
    def _saying_when(self) -> Iterator[None]:
        """Around what may find the queue full: adds when to come back, as far as that can be told."""
        try:
            yield
        except QueueFullError as error:
            room_s = self._places.room_s()
            if room_s is None or "when" not in error.text.values:
                raise
            when = Text("The next picture is done in about {span}: try again then.", span=_span(room_s))
            told = error.text.replacing(when=when)
            raise QueueFullError(told) from None

    async def cancel(self, job_id: str) -> bool:
        """Ends the job's stream now; its slots, if it has any, are free soon."""
        entry = self._entries.get(job_id)
        if entry is None or not self._backlog.cancel(entry.job):
            return False
        self._on_cancelled(entry.job)
        self._fail(entry, JobCancelledError("The job was cancelled."))
        self._places.refresh()
        return True

    async def drain(self) -> None:
        """Accepts no more jobs and starts none; returns once those that have started have ended. See Executor."""
        for job in self._backlog.drain(STOPPING):
            if entry := self._entry(job):
                self._fail(entry, ExecutorClosedError(STOPPING))
        self._places.close()
        while self._entries:
            self._has_none_left.clear()
            await self._has_none_left.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _on_accepted(self) -> None:  # noqa: B027 - for those who don't wait on the Backlog
        """A job waits that did not before."""

    def _on_cancelled(self, job: Job) -> None:  # noqa: B027 - see above
        """A job was cancelled, whether it had started or not."""

    def _close(self) -> None:
        """Ends every job with JobCancelledError and refuses more."""
        self._state = EngineState.CLOSED
        self._places.close()
        self._backlog.close(STOPPING)
        self._fail_all(lambda: JobCancelledError("The job was cancelled because the bot is stopping."))

    def _fail_for_good(self, sentence: Text) -> None:
        """Nothing can be drawn any more. The caller has closed the backlog, or what draws has."""
        self._state = EngineState.FAILED
        self._places.close()
        self._fail_all(lambda: ExecutorClosedError(sentence))

    def _entry(self, job: Job) -> Entry | None:
        """The entry of this very job; None if it has ended, also if its id was submitted again since."""
        entry = self._entries.get(job.request.job_id)
        return entry if entry is not None and entry.job is job else None

    def _push(self, entry: Entry, update: Update) -> None:
        entry.stream.push(update)
        if isinstance(update, Finished):
            self._forget(entry)

    def _fail(self, entry: Entry, error: JobError) -> None:
        self._forget(entry)
        entry.stream.fail(error)

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.job.request.job_id]
        if not self._entries:
            self._has_none_left.set()

    def _fail_all(self, error: Callable[[], JobError]) -> None:
        for entry in list(self._entries.values()):
            self._fail(entry, error())

    def _tell_place(self, job: Job, queued: Queued) -> None:
        if entry := self._entry(job):
            entry.stream.push(queued)


def _span(seconds: float) -> Text:
    """Rounded up, so that nobody comes too early: to whole minutes, below one to steps of five seconds."""
    if seconds > 55.0:
        return Text.plural("{n} minute", "{n} minutes", math.ceil(seconds / 60.0))
    return Text.plural("{n} second", "{n} seconds", 5 * max(1, math.ceil(seconds / 5.0)))
