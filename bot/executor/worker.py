"""The engine thread's program, the only caller of the engine.

`run_engine` is the target of a thread that the executor starts. It takes jobs from the Backlog and tells what happens
through `post`, a callable that hands an Event to the event loop without waiting.

The device is kept busy: the next chunk is dispatched before the last one is waited for. What a chunk says of a slot
counts only while the slot still holds the image that it was dispatched with (SlotTable).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from bot.engine.base import Chunk, Engine, FailedSlot, Prefix, PromptText, SlotAssignment
from bot.engine.slots import Occupant, SlotTable
from bot.errors import DalleBotError, JobFailedError, StartCancelledError
from bot.executor.backlog import Backlog
from bot.executor.events import EngineFailed, EngineReady, Event, JobFailure, JobUpdate
from bot.executor.scheduler import Admission, Job
from bot.requests import Finished, GeneratedImage, Progress, Result, Sampling, Started

logger = logging.getLogger(__name__)

# Only a bound: whatever gives the idle thread work also wakes it.
IDLE_WAIT_S: Final = 60.0


def run_engine(
    engine_factory: Callable[[], Engine], backlog: Backlog, post: Callable[[Event], None], *, chunk_tokens: int
) -> None:
    """Builds the engine and runs jobs until the backlog is closed. Raises nothing: what goes wrong is an Event."""
    try:
        engine = engine_factory()
        loop = EngineLoop(engine, backlog, post, chunk_tokens=chunk_tokens)
    except StartCancelledError:
        # Whoever cancelled it has told the users.
        sentence = "The bot is stopping: ask again when it is back."
    except Exception as error:
        # A DalleBotError explains itself; of anything else the log needs to know where it came from.
        logger.error("The engine could not be built: %s", error, exc_info=not isinstance(error, DalleBotError))
        # Users are not told more: the reason names files and settings of whoever runs the bot.
        sentence = "The image model could not be loaded. Whoever runs the bot finds the reason in its log."
    else:
        logger.info("The engine is ready: %s with %d slots.", engine.info.name, engine.num_slots)
        post(EngineReady(engine.info))
        try:
            loop.run()
            return
        except Exception:
            logger.exception("The engine could not be reset; its thread ends.")
            sentence = "The image engine failed and could not recover: restart the bot. Its log holds the reason."
    backlog.close(sentence)
    post(EngineFailed(sentence))


@dataclass(eq=False, slots=True)
class _Run:
    """A started job. positions: per image, tokens that are certain; expected: tokens once every dispatched chunk is
    done. prefix: kept until the last image is in, for the jobs that run in waves."""

    job: Job
    prefix: Prefix | None
    row: int
    notices: tuple[str, ...]
    sampling: Sampling
    started_s: float
    positions: list[int]
    expected: list[int]
    images: list[GeneratedImage]


@dataclass(frozen=True, slots=True)
class _Flight:
    """A dispatched chunk and whom it was dispatched for."""

    chunk: Chunk
    occupants: tuple[Occupant[_Run], ...]


class EngineLoop:
    """Runs jobs on an engine, one round per chunk of `chunk_tokens` image tokens."""

    def __init__(self, engine: Engine, backlog: Backlog, post: Callable[[Event], None], *, chunk_tokens: int) -> None:
        self._engine = engine
        self._backlog = backlog
        self._post = post
        self._chunk_tokens = chunk_tokens
        self._image_length = engine.info.image_length
        self._slots: SlotTable[_Run] = SlotTable(engine.num_slots)
        self._runs: dict[Job, _Run] = {}
        self._flight: _Flight | None = None

    def run(self) -> None:
        """Returns once the backlog is closed. Raises what `Engine.reset` raises."""
        while self._backlog.wait(0.0 if self._flight or self._slots.occupants else IDLE_WAIT_S):
            try:
                self._round()
            except Exception as error:
                self._recover(error)

    def _round(self) -> None:
        for job in self._backlog.take_cancelled():
            self._drop(job)
        self._enter(self._backlog.admit(len(self._slots.free_slots)))
        ahead = self._dispatch()
        if self._flight is not None:
            self._settle(self._flight)
        self._flight = ahead
        self._harvest()

    def _enter(self, admissions: Sequence[Admission]) -> None:
        self._prefill([admission.job for admission in admissions if admission.job not in self._runs])
        prefilled = [admission for admission in admissions if admission.job in self._runs]
        for _, group in groupby(prefilled, key=lambda admission: id(self._runs[admission.job].prefix)):
            self._insert(list(group))

    def _prefill(self, jobs: Sequence[Job]) -> None:
        """Encodes all prompts in one call. If it raises, each is tried alone, so that only the guilty one fails."""
        if not jobs:
            return
        requests = [job.request for job in jobs]
        try:
            prefix = self._engine.prefill([PromptText(r.prompt, r.negative_prompt) for r in requests])
        except Exception as error:
            if len(jobs) == 1:
                self._fail(jobs[0], f"The model could not read the prompt. {_reason(error)}", error)
                return
            for job in jobs:
                self._prefill([job])
            return
        for row, job in enumerate(jobs):
            start = [len(job.request.image_tokens)] * job.request.num_images
            self._runs[job] = _Run(
                job=job,
                prefix=prefix,
                row=row,
                notices=prefix.notices[row],
                sampling=job.request.sampling.over(self._engine.info.sampling),
                started_s=time.monotonic(),
                positions=start,
                expected=list(start),
                images=[],
            )

    def _insert(self, admissions: Sequence[Admission]) -> None:
        """Fills free slots from one prefix. A refusal of the engine fails only the job that it is about."""
        runs = [(self._runs[admission.job], admission) for admission in admissions]
        prefix = runs[0][0].prefix
        assert prefix is not None
        free = iter(self._slots.free_slots)
        occupants = [self._slots.fill(next(free), run, image) for run, admission in runs for image in admission.images]
        try:
            self._engine.insert(prefix, [_assignment(occupant) for occupant in occupants])
        except DalleBotError as error:
            for occupant in occupants:
                self._slots.release(occupant)
            if len(admissions) == 1:
                self._fail(admissions[0].job, str(error), error)
                return
            for admission in admissions:
                self._insert([admission])
            return
        for run, admission in runs:
            if admission.images.start == 0:
                self._post(JobUpdate(run.job, Started()))
            if admission.images.stop == run.job.request.num_images:
                run.prefix = None

    def _dispatch(self) -> _Flight | None:
        """Starts a chunk, unless every slot will be complete once the present one is done."""
        occupants = self._slots.occupants
        if all(o.owner.expected[o.image] >= self._image_length for o in occupants):
            return None
        chunk = self._engine.step(self._chunk_tokens)
        for o in occupants:
            o.owner.expected[o.image] = int(chunk.positions[o.slot])
        return _Flight(chunk, occupants)

    def _settle(self, flight: _Flight) -> None:
        """Waits for a chunk and tells the jobs that are still in it how far they are."""
        flight.chunk.wait()
        moved: dict[_Run, None] = {}
        for o in flight.occupants:
            if self._slots.is_current(o):
                o.owner.positions[o.image] = int(flight.chunk.positions[o.slot])
                moved[o.owner] = None
        for run in moved:
            total = self._image_length * run.job.request.num_images
            self._post(JobUpdate(run.job, Progress(sum(run.positions), total)))

    def _harvest(self) -> None:
        """Collects complete images, frees their slots, and finishes the jobs that have all of theirs."""
        complete = [o for o in self._slots.occupants if o.owner.positions[o.image] >= self._image_length]
        if not complete:
            return
        outcomes = self._engine.collect([o.slot for o in complete])
        self._free(complete)
        for o, outcome in zip(complete, outcomes, strict=True):
            run = o.owner
            if run.job not in self._runs:
                continue  # an earlier image of this batch has failed the job
            if isinstance(outcome, FailedSlot):
                self._fail(run.job, f"Image {o.image + 1} could not be drawn. {outcome.sentence}")
                continue
            run.images.append(outcome)
            if len(run.images) == run.job.request.num_images:
                self._finish(run)

    def _finish(self, run: _Run) -> None:
        del self._runs[run.job]
        result = Result(
            request=run.job.request,
            model=self._engine.info.name,
            sampling=run.sampling,
            images=tuple(sorted(run.images, key=lambda image: (-image.score, image.index))),
            notices=run.notices,
            seconds=time.monotonic() - run.started_s,
        )
        if self._backlog.finish(run.job):
            self._post(JobUpdate(run.job, Finished(result)))

    def _fail(self, job: Job, sentence: str, error: Exception | None = None) -> None:
        """Ends one job. The error goes to the log only: chained, it would keep the engine's arrays alive."""
        logger.error("Job %s failed: %s", job.request.job_id, sentence, exc_info=error)
        self._drop(job)
        if self._backlog.finish(job):
            self._post(JobFailure(job, JobFailedError(sentence)))

    def _drop(self, job: Job) -> None:
        self._runs.pop(job, None)
        self._free([o for o in self._slots.occupants if o.owner.job is job])

    def _free(self, occupants: Sequence[Occupant[_Run]]) -> None:
        if occupants:
            self._engine.free([o.slot for o in occupants])
        for occupant in occupants:
            self._slots.release(occupant)

    def _recover(self, error: Exception) -> None:
        """The state of every slot is lost: fails what has started, and lets what waits go on."""
        lost = self._backlog.started()
        ids = ", ".join(job.request.job_id for job in lost) or "none"
        logger.error("The engine lost its state; jobs that fail: %s", ids, exc_info=error)
        self._flight = None
        self._runs.clear()
        self._slots.clear()
        # First of all, because if it raises these jobs end with the executor, as all others do.
        self._engine.reset()
        for job in lost:
            if self._backlog.finish(job):
                self._post(JobFailure(job, JobFailedError(f"The picture was lost. {_reason(error)}")))


def _assignment(occupant: Occupant[_Run]) -> SlotAssignment:
    run = occupant.owner
    request = run.job.request
    return SlotAssignment(
        slot=occupant.slot,
        row=run.row,
        index=occupant.image,
        seed=request.seed,
        sampling=run.sampling,
        image_tokens=request.image_tokens,
    )


def _reason(error: Exception) -> str:
    """A sentence for people: our own errors are written for them, any other may hold anything."""
    if isinstance(error, DalleBotError):
        return str(error)
    return "The engine failed in an unexpected way: try again; the bot's log holds the reason."
