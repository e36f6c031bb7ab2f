"""Runs the engine thread's program on the test's own thread until every job has ended: no thread, no event loop."""

import time
from collections.abc import Callable

from bot.engine.base import Engine
from bot.executor.backlog import Backlog
from bot.executor.events import Event, JobFailure, JobUpdate
from bot.executor.scheduler import Job, Scheduler
from bot.executor.worker import run_engine
from bot.language import Text
from bot.requests import Finished, GenerationRequest, Result, Update


class FakeClock:
    """Seconds that pass only in `sleep`. on_tick: called whenever they do."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.on_tick: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.on_tick()


class Play:
    """Runs jobs that are all there from the start, and those that a test adds on the way. events: all posted ones."""

    def __init__(self, *requests: GenerationRequest, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.backlog = Backlog(Scheduler(max_jobs=100, max_jobs_per_user=100))
        self.jobs = [Job(request) for request in requests]
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda event: None
        for job in self.jobs:
            self.backlog.add(job)

    def add(self, request: GenerationRequest) -> Job:
        """While the play runs: one more job."""
        job = Job(request)
        self.jobs.append(job)
        self.backlog.add(job)
        return job

    def run(self, engine: Engine, chunk_tokens: int = 4) -> "Play":
        run_engine(lambda: engine, self.backlog, self._post, chunk_tokens=chunk_tokens, clock=self.clock)
        return self

    def run_factory(self, factory: Callable[[], Engine]) -> "Play":
        run_engine(factory, self.backlog, self._post, chunk_tokens=4)
        return self

    def of(self, number: int) -> list[JobUpdate | JobFailure]:
        """The events of the job of that number."""
        job = self.jobs[number]
        return [event for event in self.events if isinstance(event, JobUpdate | JobFailure) and event.job is job]

    def updates(self, number: int) -> list[Update]:
        """What the job of that number was told, but for a failure."""
        return [event.update for event in self.of(number) if isinstance(event, JobUpdate)]

    def result(self, number: int) -> Result:
        last = self.of(number)[-1]
        assert isinstance(last, JobUpdate), last
        assert isinstance(last.update, Finished), last
        return last.update.result

    def failure(self, number: int) -> str:
        last = self.of(number)[-1]
        assert isinstance(last, JobFailure), last
        return str(last.error)

    def _post(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)
        if self.backlog.counts() == (0, 0):
            self.backlog.close(Text("The play is over."))
