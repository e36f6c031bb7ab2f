"""The executor with the engine in this process: the asyncio side of one engine thread.

Everything here runs on the event loop but `_post`, which the engine thread calls. Nothing blocks: the only lock is the
Backlog's, and the thread is joined in a pool thread, for a bounded time.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from bot.engine.base import Engine, ModelInfo
from bot.errors import ExecutorClosedError, JobCancelledError, JobError, JobFailedError, NotReadyError, QueueFullError
from bot.executor.backlog import Backlog
from bot.executor.base import EngineState, ExecutorLoad, ExecutorStatus, TextVector, UpdateStream
from bot.executor.events import (
    ChunkDone,
    EngineFailed,
    EngineReady,
    Event,
    JobFailure,
    JobUpdate,
    LoadChanged,
    QuestionAnswered,
)
from bot.executor.forecast import EngineLoad
from bot.executor.places import Places
from bot.executor.pulse import Pulse
from bot.executor.questions import Question
from bot.executor.scheduler import Job, Scheduler
from bot.executor.stream import JobStream
from bot.executor.watchdog import until_hung
from bot.executor.worker import run_engine
from bot.language import Text
from bot.requests import Finished, GenerationRequest, Queued, Started, Update
from bot.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Entry:
    """An unfinished job as its reader sees it. accepted_s: when, as time.monotonic."""

    job: Job
    stream: JobStream
    accepted_s: float


class LocalExecutor:
    """Implements Executor. `async with LocalExecutor(...)` starts the engine thread and closes it.

    engine_factory: called once, on the engine thread; may take minutes, jobs are accepted meanwhile.
    chunk_tokens: image tokens per dispatch. max_jobs, max_jobs_per_user, max_jobs_per_guild, guild_weights: see
    Scheduler. scheduler: takes the place of the one that these describe; nobody else may touch it.
    close_timeout_s: how long `aclose` waits for the engine to end its present chunk, or for the factory to return.
    cancel_start: tells the factory to give up; called by `aclose`.
    hang_timeout_s: how long the engine may take for one round before it counts as hung; None waits for ever.
    metrics: of its steps; None for nobody's.
    """

    def __init__(
        self,
        engine_factory: Callable[[], Engine],
        *,
        chunk_tokens: int,
        max_jobs: int = 100,
        max_jobs_per_user: int = 100,
        max_jobs_per_guild: int | None = None,
        guild_weights: Mapping[str, float] | None = None,
        scheduler: Scheduler | None = None,
        close_timeout_s: float = 30.0,
        cancel_start: Callable[[], None] | None = None,
        hang_timeout_s: float | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        if chunk_tokens < 1:
            raise ValueError(f"chunk_tokens must be at least 1, not {chunk_tokens}.")
        self._engine_factory = engine_factory
        self._chunk_tokens = chunk_tokens
        self._close_timeout_s = close_timeout_s
        self._cancel_start = cancel_start
        self._hang_timeout_s = hang_timeout_s
        if scheduler is None:
            scheduler = Scheduler(
                max_jobs=max_jobs,
                max_jobs_per_user=max_jobs_per_user,
                max_jobs_per_guild=max_jobs_per_guild,
                guild_weights=guild_weights,
            )
        self._backlog = Backlog(scheduler)
        self._places = Places(self._backlog, tell=self._tell_place, clock=time.monotonic)
        self._entries: dict[str, _Entry] = {}
        self._answers: dict[Question, asyncio.Future[TextVector]] = {}
        self._state = EngineState.LOADING
        self._info: ModelInfo | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pulse = Pulse()
        self._watchdog: asyncio.Task[None] | None = None
        self._has_hung = False
        self._has_none_left = asyncio.Event()
        self._metrics = metrics or Metrics()
        self._load: EngineLoad | None = None

    @property
    def load(self) -> ExecutorLoad:
        """What the engine is busy with. It looks at every job that waits: not for each of many."""
        now_s = time.monotonic()
        waiting = (self._entries.get(job.request.job_id) for job in self._backlog.lineup().waiting)
        return ExecutorLoad(
            num_slots=0 if self._load is None else self._load.num_slots,
            num_occupied=0 if self._load is None else len(self._load.remaining),
            oldest_wait_s=max((now_s - entry.accepted_s for entry in waiting if entry is not None), default=0.0),
            busy_s=self._pulse.busy_s,
        )

    @property
    def status(self) -> ExecutorStatus:
        num_queued, num_running = self._backlog.counts()
        return ExecutorStatus(self._state, num_queued, num_running, self._info, self._has_hung)

    async def start(self) -> None:
        """Starts the engine thread and returns at once. Raises RuntimeError the second time."""
        if self._thread is not None or self._state is EngineState.CLOSED:
            raise RuntimeError("This executor has been started already: build a new one.")
        self._loop = asyncio.get_running_loop()
        # A daemon, so that a device that hangs can't keep the program from ending; `aclose` joins it.
        self._thread = threading.Thread(target=self._run_engine, name="engine", daemon=True)
        self._thread.start()
        if self._hang_timeout_s is not None:
            self._watchdog = asyncio.create_task(
                self._watch(self._hang_timeout_s, self._thread), name="engine watchdog"
            )

    async def submit(self, request: GenerationRequest, *, accepted_before: bool = False) -> UpdateStream:
        """Accepts a job at once, or raises QueueFullError, UserLimitError or ExecutorClosedError.

        accepted_before: the limits don't refuse it, but it counts in them.
        Raises ValueError if a job of this id is unfinished, RuntimeError before `start`.
        """
        if self._thread is None and self._state is not EngineState.CLOSED:
            raise RuntimeError("The executor has not been started: await start() first.")
        if request.job_id in self._entries:
            raise ValueError(f"Job {request.job_id} is unfinished: a second one needs an id of its own.")
        job = Job(request)
        with self._saying_when():
            position = self._backlog.add(job, accepted_before=accepted_before)
        entry = _Entry(job, JobStream(), time.monotonic())
        self._entries[request.job_id] = entry
        self._places.welcome(job, position)
        return entry.stream

    def drawing_s(self, request: GenerationRequest) -> float | None:
        """Seconds from a job's start to its end under full load; None while nothing is measured."""
        return self._places.drawing_s(request)

    async def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        """Raises QueueFullError, UserLimitError or ExecutorClosedError unless that many new jobs fit now."""
        with self._saying_when():
            self._backlog.check_room(requester, num_jobs, guild=guild)

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

    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector:
        """What CLIP makes of a text. Raises NotReadyError, JobFailedError or ExecutorClosedError; see Executor."""
        if self._state is EngineState.LOADING:
            raise NotReadyError("The model is still loading. Try again in a minute.")
        question = Question(text)
        self._backlog.ask(question)
        answer: asyncio.Future[TextVector] = asyncio.get_running_loop().create_future()
        self._answers[question] = answer
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from error
        finally:
            del self._answers[question]
            self._backlog.withdraw(question)

    async def cancel(self, job_id: str) -> bool:
        """Ends the job's stream now; its slots, if it has any, are free from the next chunk on."""
        entry = self._entries.get(job_id)
        if entry is None or not self._backlog.cancel(entry.job):
            return False
        self._fail(entry, JobCancelledError("The job was cancelled."))
        self._places.refresh()
        return True

    async def drain(self) -> None:
        """Accepts no more jobs and starts none; returns once those that have started have ended. See Executor."""
        stopping = Text("The bot is stopping: ask again when it is back.")
        for job in self._backlog.drain(stopping):
            if entry := self._entry(job):
                self._fail(entry, ExecutorClosedError(stopping))
        self._places.close()
        while self._entries:
            self._has_none_left.clear()
            await self._has_none_left.wait()

    async def aclose(self) -> None:
        """Ends every job with JobCancelledError and the thread with its present chunk. Safe to call twice."""
        self._state = EngineState.CLOSED
        self._places.close()
        stopping = Text("The bot is stopping: ask again when it is back.")
        self._backlog.close(stopping)
        self._refuse_answers(stopping)
        self._fail_all(lambda: JobCancelledError("The job was cancelled because the bot is stopping."))
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._thread is None or self._has_hung:
            return
        if self._cancel_start is not None:
            self._cancel_start()
        await asyncio.to_thread(self._thread.join, self._close_timeout_s)
        if self._thread.is_alive():
            logger.warning("The engine thread has not ended within %g s; it is left behind.", self._close_timeout_s)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _run_engine(self) -> None:
        run_engine(self._engine_factory, self._backlog, self._post, chunk_tokens=self._chunk_tokens, pulse=self._pulse)

    async def _watch(self, limit_s: float, thread: threading.Thread) -> None:
        await until_hung(self._pulse, limit_s, thread)
        sentence = Text("The image engine does not answer any more: the bot has to be restarted.")
        self._has_hung = True
        self._backlog.close(sentence)
        self._on_event(EngineFailed(sentence))

    def _post(self, event: Event) -> None:
        """Engine thread: hands an event to the loop."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._on_event, event)
        except RuntimeError:
            # The loop was closed without `aclose`: nobody is left to draw for, so the thread ends.
            self._backlog.close(Text("The event loop is closed."))

    def _on_event(self, event: Event) -> None:
        if self._state is EngineState.CLOSED:
            return
        match event:
            case EngineReady(info):
                self._state = EngineState.READY
                self._info = info
            case EngineFailed(sentence):
                self._state = EngineState.FAILED
                self._places.close()
                self._refuse_answers(sentence)
                self._fail_all(lambda: ExecutorClosedError(sentence))
            case LoadChanged(load):
                self._load = load
                self._places.observe(load)
            case ChunkDone(num_steps, num_tokens, seconds):
                self._metrics.engine_step.observe(seconds / num_steps)
                self._metrics.engine_tokens.inc(num_tokens)
            case JobUpdate(job, update):
                if entry := self._entry(job):
                    self._push(entry, update)
                if isinstance(update, Started):
                    self._places.refresh()
            case JobFailure(job, error):
                if entry := self._entry(job):
                    self._fail(entry, error)
                # A job that fails before it starts leaves its place to those behind it.
                self._places.refresh()
            case QuestionAnswered(question, vector):
                self._answer(question, vector)

    def _answer(self, question: Question, vector: npt.NDArray[np.float32] | None) -> None:
        answer = self._answers.get(question)
        if answer is None or answer.done():
            return
        if vector is None:
            answer.set_exception(JobFailedError("The model could not read the text. Try other words."))
        else:
            assert self._info is not None
            answer.set_result(TextVector(self._info.name, vector))

    def _refuse_answers(self, sentence: Text) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ExecutorClosedError(sentence))

    def _entry(self, job: Job) -> _Entry | None:
        """The entry of this very job; None if it has ended, also if its id was submitted again since."""
        entry = self._entries.get(job.request.job_id)
        return entry if entry is not None and entry.job is job else None

    def _push(self, entry: _Entry, update: Update) -> None:
        entry.stream.push(update)
        if isinstance(update, Finished):
            self._forget(entry)

    def _fail(self, entry: _Entry, error: JobError) -> None:
        self._forget(entry)
        entry.stream.fail(error)

    def _forget(self, entry: _Entry) -> None:
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
