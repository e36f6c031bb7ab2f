"""The executor with its engines in other processes, perhaps on other machines: the same queue as LocalExecutor's, and
each job goes to a replica as soon as one has a free slot, or this process its turn among others. Event loop only.

A job whose replica is lost starts again on another one, before any that waits: with the same model while there is one,
else as a whole with what there is. Only what its last replica says counts, so nothing is delivered twice.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from bot.errors import EngineHungError, ExecutorClosedError, JobFailedError, NotReadyError
from bot.executor.asking import Asking
from bot.executor.base import EngineState, TextVector
from bot.executor.course import Course, OtherModelError
from bot.executor.fleet import Fleet, Wanted
from bot.executor.lookout import Lookout
from bot.executor.queued import STOPPING, QueuedExecutor
from bot.executor.replica_counts import ReplicaCounts
from bot.executor.replicas import (
    Accepted,
    Alive,
    Refused,
    ReplicaLostError,
    Replicas,
    ReplicaState,
)
from bot.executor.returning import Returning
from bot.executor.scheduler import Job, Scheduler
from bot.executor.sharing import may_take
from bot.language import Text
from bot.requests import Finished, Preview, Progress, Queued, Started, Update
from bot.telemetry.metrics import Metrics

LOOK_S: Final = 1.0

_log = logging.getLogger(__name__)


class RemoteExecutor(QueuedExecutor):
    """Implements Executor. `async with RemoteExecutor(...)` begins to look for replicas, and lets go of them.

    client: what replicas call this bot; each process needs a name of its own. scheduler: nobody else may touch it.
    silence_timeout_s: how long a replica may say nothing of a job before it counts as lost; they say something every
    two seconds. look_s: how often it is asked which replicas there are. metrics: of their work, too.
    """

    def __init__(
        self,
        replicas: Replicas,
        scheduler: Scheduler,
        *,
        client: str,
        silence_timeout_s: float = 30.0,
        look_s: float = LOOK_S,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(scheduler, metrics)
        self._replicas = replicas
        self._client = client
        self._silence_timeout_s = silence_timeout_s
        self._look_s = look_s
        self._fleet = Fleet(client)
        self._counts = ReplicaCounts(self._metrics)
        self._told: set[str] = set()  # replicas that the log has as there
        self._courses: dict[Job, Course] = {}
        self._returning = Returning()
        self._demand_elsewhere = 0.0
        self._lookout = Lookout(replicas)
        self._asking = Asking(replicas)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to look for replicas and returns at once. Raises RuntimeError the second time."""
        if self._tasks or self._state is EngineState.CLOSED:
            raise RuntimeError("This executor has been started already: build a new one.")
        self._tasks = [
            asyncio.create_task(self._look(), name="look for replicas"),
            asyncio.create_task(self._hand_out(), name="hand out jobs"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._on_task_ended)

    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector:
        """What CLIP makes of a text. Raises NotReadyError, JobFailedError or ExecutorClosedError; see Executor."""
        if self._is_closed:
            raise ExecutorClosedError(STOPPING)
        replica_id = self._fleet.choose()
        if replica_id is None:
            raise NotReadyError("The model is still loading. Try again in a minute.")
        try:
            return await self._asking.text_vector(text, timeout_s=timeout_s, replica_id=replica_id)
        except asyncio.CancelledError:
            if self._is_closed:
                raise ExecutorClosedError(STOPPING) from None
            raise

    async def aclose(self) -> None:
        """Ends every job with JobCancelledError and lets go of the replicas. Safe to call twice."""
        self._close()
        ending: list[asyncio.Future[Any]] = [*self._tasks, *self._asking.close()]
        ending += (course.task for course in self._courses.values() if course.task is not None)
        self._tasks = []
        self._courses.clear()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._replicas.aclose()

    @property
    def demand(self) -> float:
        """The weight of the guilds that wait here, for a first replica or for another one."""
        return self._backlog.demand(course.job.request.guild for course in self._returning)

    def share_with(self, others: float) -> None:
        """others: the demand of all other processes. While there is any, no more than a share of the slots is taken."""
        self._demand_elsewhere = others
        self._wake.set()

    @property
    def _has_room(self) -> bool:
        fleet = self._fleet
        return may_take(
            fleet.num_slots,
            fleet.num_held,
            has_free=fleet.has_room,
            own=self.demand,
            others=self._demand_elsewhere,
        )

    @property
    def _is_closed(self) -> bool:
        return self._state is EngineState.CLOSED

    @property
    def _has_been_started(self) -> bool:
        return bool(self._tasks)

    @property
    def _busy_s(self) -> float:
        now_s = time.monotonic()
        return max((now_s - c.heard_s for c in self._courses.values() if c.task is not None), default=0.0)

    def _on_accepted(self) -> None:
        self._wake.set()

    def _on_cancelled(self, job: Job) -> None:
        # Nobody else asks for these.
        self._backlog.take_cancelled()
        course = self._courses.pop(job, None)
        if course is None:
            return
        if course.task is not None:
            course.task.cancel()
            # A task that has not begun yet ends without a word.
            self._fleet.leave(job)
            self._wake.set()
        else:
            self._returning.remove(course)

    async def _look(self) -> None:
        # Not for ever: on Python 3.11 a cancellation may be lost inside of asyncio.wait_for, which Ray uses.
        while not self._is_closed:
            asked_s = time.monotonic()
            self._see(await self._lookout.states(), asked_s)
            await asyncio.sleep(self._look_s)

    def _on_task_ended(self, task: asyncio.Task[None]) -> None:
        """Without either of them nothing would be drawn any more, and nobody would know."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.critical("The task “%s” has failed.", task.get_name(), exc_info=error)
        if isinstance(error, EngineHungError):
            self._hung_because = str(error)
        sentence = Text("The image engine failed and could not recover: restart the bot. Its log holds the reason.")
        self._backlog.close(sentence)
        self._fail_for_good(sentence)

    def _see(self, states: Sequence[ReplicaState] | None, asked_s: float) -> None:
        """states: None where nobody could say."""
        if self._is_closed:
            return
        self._fleet.see(states or ())
        self._counts.see(states, asked_s)
        if states is not None:
            self._tell_changes({state.id: state for state in states})
        if states:
            self._settle(asked_s)
            self._state = EngineState.READY
            self._info, *others = self._fleet.models
            self._others = tuple(others)
        else:
            self._state = EngineState.LOADING
        self._load = self._fleet.load(time.monotonic())
        if self._load is not None:
            self._places.observe(self._load)
        self._wake.set()

    def _tell_changes(self, there: Mapping[str, ReplicaState]) -> None:
        """there: what the newest look that was answered has found."""
        for replica_id in there.keys() - self._told:
            state = there[replica_id]
            _log.info("Replica %s draws with %s, %d slots.", state.id, state.model.name, state.load.num_slots)
        for replica_id in self._told - there.keys():
            _log.warning("Replica %s is gone.", replica_id)
        self._told = set(there)

    def _settle(self, asked_s: float) -> None:
        """A look has found some replicas: it tells which of the lost ones have died."""
        for course in self._courses.values():
            course.see(self._fleet.states, asked_s)
        for course in self._returning.take_vain():
            self._give_up(course, "They have died.")

    async def _hand_out(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._has_room and (course := self._next()) is not None:
                replica_id = self._fleet.choose(course.wanted)
                assert replica_id is not None
                self._enter(course, replica_id)
                course.heard_s = time.monotonic()
                name = f"draw job {course.job.request.job_id}"
                course.task = asyncio.create_task(self._draw(course), name=name)

    def _enter(self, course: Course, replica_id: str) -> None:
        course.replica_id = replica_id
        self._fleet.enter(course.job, replica_id)

    def _next(self) -> Course | None:
        if (returning := self._returning.take()) is not None:
            return returning
        job = self._backlog.start()
        if job is None:
            return None
        self._courses[job] = course = Course(job, Wanted(job.request.codes_of))
        return course

    async def _draw(self, course: Course) -> None:
        try:
            await self._follow(course)
        except OtherModelError:
            self._put_back(course)
        except (ReplicaLostError, TimeoutError) as error:
            self._fleet.forget(course.replica_id)
            self._on_lost(course, str(error) or f"It said nothing for {self._silence_timeout_s:g} s.")
        except asyncio.CancelledError:
            if self._courses.get(course.job) is not course:
                raise
            self._on_lost(course, "It was cancelled there.")
        except Exception:
            _log.exception("Job %s can't be followed.", course.job.request.job_id)
            self._end(course, Text("The picture could not be drawn: try again; the bot's log holds the reason."))
        finally:
            self._fleet.leave(course.job)
            self._wake.set()

    def _put_back(self, course: Course) -> None:
        course.task = None
        if course.job in self._courses:
            self._returning.add(course)

    def _on_lost(self, course: Course, reason: str) -> None:
        job_id = course.job.request.job_id
        course.lose(time.monotonic())
        if course.is_in_vain:
            self._give_up(course, reason)
        else:
            _log.warning("Job %s lost its replica and starts again. %s", job_id, reason, extra={"job_id": job_id})
            self._put_back(course)

    def _give_up(self, course: Course, reason: str) -> None:
        job_id = course.job.request.job_id
        _log.error("Job %s lost its replica too often. %s", job_id, reason, extra={"job_id": job_id})
        self._end(course, Text("The picture was lost {n} times while it was drawn: ask again later.", n=course.losses))

    async def _follow(self, course: Course) -> None:
        """Returns once the job has ended. Raises ReplicaLostError, TimeoutError for a replica that says nothing, and
        OtherModelError."""
        job = course.job
        stream = self._replicas.draw(job.request, client=self._client, replica_id=course.replica_id)
        async with aclosing(stream) as signs:
            while True:
                async with asyncio.timeout(self._silence_timeout_s):
                    sign = await anext(signs, None)
                course.heard_s = time.monotonic()
                match sign:
                    case Accepted():
                        self._on_taken(course, sign)
                    case Alive() | Queued():
                        pass
                    case Started():
                        self._tell_started(course)
                    case Progress():
                        self._tell(job, sign)
                        if self._fleet.progress(job, sign):
                            self._wake.set()
                    case Preview():
                        self._tell(job, sign)
                    case Finished(result):
                        self._finish(course, Finished(replace(result, request=job.request)))
                        return
                    case Refused(sentence):
                        self._end(course, sentence)
                        return
                    case None:
                        raise ReplicaLostError("Its stream ended too early.")

    def _on_taken(self, course: Course, accepted: Accepted) -> None:
        if accepted.replica_id != course.replica_id:
            # The one that was asked is gone.
            self._fleet.forget(course.replica_id)
            if self._fleet.has_better(course.wanted, accepted.model):
                raise OtherModelError
        course.wanted = replace(course.wanted, like=accepted.model)
        self._enter(course, accepted.replica_id)

    def _tell(self, job: Job, update: Update) -> None:
        if entry := self._entry(job):
            self._push(entry, update)

    def _tell_started(self, course: Course) -> None:
        """Once, whatever becomes of its replica."""
        if not course.was_told:
            course.was_told = True
            self._tell(course.job, Started())
        self._places.refresh()

    def _finish(self, course: Course, finished: Finished) -> None:
        if self._courses.pop(course.job, None) and self._backlog.finish(course.job):
            self._tell(course.job, finished)

    def _end(self, course: Course, sentence: Text) -> None:
        if self._courses.pop(course.job, None) and self._backlog.finish(course.job):
            if entry := self._entry(course.job):
                self._fail(entry, JobFailedError(sentence))
            # A job that fails before it starts leaves its place to those behind it.
            self._places.refresh()
