"""The executor with the engine in this process: the asyncio side of one engine thread.

Everything here runs on the event loop but `_post`, which the engine thread calls. The thread is joined in a pool
thread, for a bounded time.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.engine.base import Engine
from bot.errors import ExecutorClosedError, JobFailedError, NotReadyError
from bot.executor.base import EngineState, TextVector
from bot.executor.events import (
    AloneChanged,
    ChunkDone,
    EngineFailed,
    EngineReady,
    Event,
    JobFailure,
    JobUpdate,
    LoadChanged,
    QuestionAnswered,
)
from bot.executor.pulse import Pulse
from bot.executor.questions import Question
from bot.executor.queued import STOPPING, QueuedExecutor
from bot.executor.scheduler import Scheduler
from bot.executor.watchdog import stays_silent, until_hung
from bot.executor.work_done import WorkDone
from bot.executor.worker import run_engine
from bot.language import Text
from bot.requests import Started
from bot.startup import StartUp
from bot.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class LocalExecutor(QueuedExecutor):
    """Implements Executor. `async with LocalExecutor(...)` starts the engine thread and closes it.

    engine_factory: called once, on the engine thread; may take minutes, jobs are accepted meanwhile.
    chunk_tokens: image tokens per dispatch. max_jobs, max_jobs_per_user, max_jobs_per_guild, guild_weights: see
    Scheduler. scheduler: takes the place of the one that these describe; nobody else may touch it.
    close_timeout_s: how long `aclose` waits for the engine to end its present chunk, or for the factory to return.
    start_up: what the factory tells its progress, and is cancelled by `aclose`.
    hang_timeout_s: how long the engine may take for one round before it counts as hung. load_timeout_s: how long
    nothing may be heard of its start. None waits for ever.
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
        start_up: StartUp | None = None,
        hang_timeout_s: float | None = None,
        load_timeout_s: float | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        if chunk_tokens < 1:
            raise ValueError(f"chunk_tokens must be at least 1, not {chunk_tokens}.")
        if scheduler is None:
            scheduler = Scheduler(
                max_jobs=max_jobs,
                max_jobs_per_user=max_jobs_per_user,
                max_jobs_per_guild=max_jobs_per_guild,
                guild_weights=guild_weights,
            )
        super().__init__(scheduler, metrics)
        self._engine_factory = engine_factory
        self._chunk_tokens = chunk_tokens
        self._close_timeout_s = close_timeout_s
        self._start_up = start_up or StartUp()
        self._hang_timeout_s = hang_timeout_s
        self._load_timeout_s = load_timeout_s
        self._answers: dict[Question, asyncio.Future[TextVector]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pulse = Pulse()
        self._work = WorkDone()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts the engine thread and returns at once. Raises RuntimeError the second time."""
        if self._thread is not None or self._state is EngineState.CLOSED:
            raise RuntimeError("This executor has been started already: build a new one.")
        self._loop = asyncio.get_running_loop()
        # Whoever waits for another process to end is made long before it starts.
        self._start_up.begin()
        # A daemon, so that a device that hangs can't keep the program from ending; `aclose` joins it.
        self._thread = threading.Thread(target=self._run_engine, name="engine", daemon=True)
        self._thread.start()
        if self._hang_timeout_s is not None:
            self._begin(self._watch(self._hang_timeout_s, self._thread), "engine watchdog")
        if self._load_timeout_s is not None:
            self._begin(self._watch_start(self._load_timeout_s, self._thread), "start watchdog")

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

    async def aclose(self) -> None:
        """Ends every job with JobCancelledError and the thread with its present chunk. Safe to call twice."""
        self._close()
        self._refuse_answers(STOPPING)
        self._start_up.cancel()
        await self._end_tasks()
        if self._thread is None or self._hung_because is not None:
            return
        await asyncio.to_thread(self._thread.join, self._close_timeout_s)
        if self._thread.is_alive():
            logger.warning("The engine thread has not ended within %g s; it is left behind.", self._close_timeout_s)

    @property
    def work(self) -> WorkDone:
        """What the engine has done since it is there."""
        return self._work

    @property
    def _has_been_started(self) -> bool:
        return self._thread is not None

    @property
    def _busy_s(self) -> float:
        return self._pulse.busy_s

    def _run_engine(self) -> None:
        run_engine(self._engine_factory, self._backlog, self._post, chunk_tokens=self._chunk_tokens, pulse=self._pulse)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end_tasks(self) -> None:
        if tasks := set(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=self._close_timeout_s)

    async def _watch(self, limit_s: float, thread: threading.Thread) -> None:
        await until_hung(self._pulse, limit_s, thread)
        self._end_with(
            Text("The image engine does not answer any more: the bot has to be restarted."),
            f"The device did not answer for {limit_s:g} s.",
        )

    async def _watch_start(self, limit_s: float, thread: threading.Thread) -> None:
        if await stays_silent(self._start_up, limit_s, thread, lambda: self._state is EngineState.LOADING):
            self._end_with(
                Text("The image model does not load: the bot has to be restarted."),
                f"The model did not load: nothing was heard of it for {limit_s:g} s. The log says where it is; if it "
                "only needs longer, raise engine.load_timeout_s.",
            )

    def _end_with(self, sentence: Text, because: str) -> None:
        """The thread is inside the engine for good; should it come back, it is not listened to. because: see
        ExecutorStatus.hung_because."""
        self._hung_because = because
        self._backlog.close(sentence)
        self._refuse_answers(sentence)
        self._fail_for_good(sentence)

    def _post(self, event: Event) -> None:
        """Engine thread: hands an event to the loop."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._on_event, event)
        except RuntimeError:
            # The loop was closed without `aclose`: nobody is left to draw for, so the thread ends.
            self._backlog.close(Text("The event loop is closed."))

    def _on_event(self, event: Event) -> None:
        if self._state is EngineState.CLOSED or self._hung_because is not None:
            if isinstance(event, AloneChanged):
                event.may_go_on.set()
            return
        match event:
            case EngineReady(info):
                self._state = EngineState.READY
                self._info = info
            case EngineFailed(sentence):
                self._refuse_answers(sentence)
                self._fail_for_good(sentence)
            case LoadChanged(load):
                self._load = load
                self._places.observe(load)
            case ChunkDone(num_steps, num_tokens, seconds):
                self._work = self._work.plus(num_tokens, seconds / num_steps)
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
            case AloneChanged():
                self._announce(event)
            case QuestionAnswered(question, vector):
                self._answer(question, vector)

    def _announce(self, changed: AloneChanged) -> None:
        async def tell() -> None:
            if changed.job.alone is not None:
                await changed.job.alone(changed.is_alone)

        # Not at the end of the task itself: one that is cancelled before its first step never comes there.
        task = self._begin(tell(), "announce a job that is drawn alone")
        task.add_done_callback(lambda _: changed.may_go_on.set())

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
