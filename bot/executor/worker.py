"""The engine thread's program, the only caller of the engine.

`run_engine` is the target of a thread that the executor starts. It takes jobs from the Backlog and tells what happens
through `post`, a callable that hands an Event to the event loop without waiting.

The device is never waited for with nothing left to do: a chunk is waited for once the next one is dispatched. Slots
that a chunk completes are collected, freed and refilled behind it without waiting either, so pictures and scores are
computed between two chunks, and the next image starts with the chunk that follows. What comes back goes to the Run and
the image that it was dispatched for, whoever holds the slot by then.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.engine.base import Chunk, Engine, FailedSlot, PendingImages
from bot.engine.slots import Occupant, SlotTable
from bot.errors import DalleBotError, JobFailedError, StartCancelledError
from bot.executor.backlog import Backlog
from bot.executor.entering import Entrance, PoisonedInsertError
from bot.executor.events import ChunkDone, EngineFailed, EngineReady, Event, JobFailure, JobUpdate, LoadChanged
from bot.executor.forecast import EngineLoad
from bot.executor.pace import PaceMeter
from bot.executor.previewing import Previews
from bot.executor.pulse import Pulse
from bot.executor.running import Run, reason
from bot.executor.scheduler import Job
from bot.executor.text_reader import TextReader
from bot.language import Text
from bot.requests import Finished, GeneratedImage, Progress, Result

logger = logging.getLogger(__name__)

# Only a bound: whatever gives the idle thread work also wakes it.
IDLE_WAIT_S: Final = 60.0


def run_engine(
    engine_factory: Callable[[], Engine],
    backlog: Backlog,
    post: Callable[[Event], None],
    *,
    chunk_tokens: int,
    clock: Callable[[], float] = time.monotonic,
    pulse: Pulse | None = None,
) -> None:
    """Builds the engine and runs jobs until the backlog is closed. Raises nothing: what goes wrong is an Event.

    clock: seconds; a test may bring its own. pulse: beats with every round.
    """
    pulse = pulse or Pulse(clock)
    try:
        engine = engine_factory()
        loop = EngineLoop(engine, backlog, post, chunk_tokens=chunk_tokens, clock=clock, pulse=pulse)
    except StartCancelledError:
        # Whoever cancelled it has told the users.
        sentence = Text("The bot is stopping: ask again when it is back.")
    except Exception as error:
        # A DalleBotError explains itself; of anything else the log needs to know where it came from.
        logger.error("The engine could not be built: %s", error, exc_info=not isinstance(error, DalleBotError))
        # Users are not told more: the reason names files and settings of whoever runs the bot.
        sentence = Text("The image model could not be loaded. Whoever runs the bot finds the reason in its log.")
    else:
        logger.info("The engine is ready: %s with %d slots.", engine.info.name, engine.num_slots)
        post(EngineReady(engine.info))
        try:
            loop.run()
            return
        except Exception:
            logger.exception("The engine could not be reset; its thread ends.")
            sentence = Text("The image engine failed and could not recover: restart the bot. Its log holds the reason.")
        finally:
            pulse.rest()
    backlog.close(sentence)
    post(EngineFailed(sentence))


@dataclass(frozen=True, slots=True)
class _Flight:
    """What a round has dispatched. chunk: None if no slot had a token left to draw. moving: who takes part in it.

    complete: whose images come with `images`. dispatched_s: when, on the loop's clock. is_after_preview: whether the
    device has a preview to make before.
    """

    chunk: Chunk | None
    moving: tuple[Occupant[Run], ...]
    complete: tuple[Occupant[Run], ...]
    images: PendingImages | None
    dispatched_s: float
    is_after_preview: bool


class EngineLoop:
    """Runs jobs on an engine, one round per chunk of `chunk_tokens` image tokens. At most two flights are under way."""

    def __init__(
        self,
        engine: Engine,
        backlog: Backlog,
        post: Callable[[Event], None],
        *,
        chunk_tokens: int,
        clock: Callable[[], float],
        pulse: Pulse,
    ) -> None:
        self._engine = engine
        self._backlog = backlog
        self._post = post
        self._chunk_tokens = chunk_tokens
        self._clock = clock
        self._pulse = pulse
        self._image_length = engine.info.image_length
        self._slots: SlotTable[Run] = SlotTable(engine.num_slots)
        self._runs: dict[Job, Run] = {}
        # Unfinished jobs that were part of a lost state, and when they had started; None if they were not quite in.
        self._restarted: dict[Job, float | None] = {}
        self._entrance = Entrance(engine, self._slots, self._runs, post=post, fail=self._fail, clock=clock)
        self._previews = Previews(engine, post=post, clock=clock)
        self._reader = TextReader(engine, post=post)
        self._pace = PaceMeter()
        self._pace_without_previews = PaceMeter()
        self._flight: _Flight | None = None
        self._settled_s = clock()
        self._has_previewed = False

    def run(self) -> None:
        """Returns once the backlog is closed. Raises what `Engine.reset` raises."""
        self._post(LoadChanged(self._load()))
        while self._backlog.wait(0.0 if self._flight or self._slots.occupants else IDLE_WAIT_S):
            self._pulse.beat()
            try:
                self._round()
            except PoisonedInsertError as error:
                self._recover(error, error.job, error.reason)
            except Exception as error:
                self._recover(error)
            self._pulse.rest()

    def _round(self) -> None:
        for job in self._backlog.take_cancelled():
            logger.info("Job %s was cancelled.", job.request.job_id, extra={"job_id": job.request.job_id})
            self._drop(job)
        self._entrance.enter(self._backlog.admit(len(self._slots.free_slots)), self._restarted)
        # Before the chunk, so that its answer is there when the chunk is done.
        self._reader.dispatch(self._backlog.take_question)
        ahead = self._dispatch()
        self._has_previewed = self._previews.dispatch(self._slots.occupants)
        self._post(LoadChanged(self._load()))
        if self._flight is not None:
            self._settle(self._flight)
        self._flight = ahead
        self._previews.pick_up()
        self._reader.pick_up(is_idle=ahead is None)

    def _dispatch(self) -> _Flight | None:
        """Starts a chunk, unless nobody has a token left to draw, and collects and frees what it completes."""
        occupants = self._slots.occupants
        if not occupants:
            return None
        chunk = None
        if any(o.owner.dispatched[o.image] < self._image_length for o in occupants):
            chunk = self._engine.step(self._chunk_tokens)
            for o in occupants:
                o.owner.dispatched[o.image] = int(chunk.positions[o.slot])
        complete = tuple(o for o in occupants if o.owner.dispatched[o.image] >= self._image_length)
        images = self._engine.collect([o.slot for o in complete]) if complete else None
        self._free(complete)
        return _Flight(chunk, occupants, complete, images, self._clock(), self._has_previewed)

    def _load(self) -> EngineLoad:
        dispatched = [o.owner.dispatched[o.image] for o in self._slots.occupants]
        return EngineLoad(
            at_s=self._clock(),
            num_slots=self._engine.num_slots,
            chunk_tokens=self._chunk_tokens,
            image_length=self._image_length,
            remaining=tuple(self._image_length - position for position in dispatched),
            chunks_until_round=0 if self._flight is None else 1,
            pace=self._pace.pace,
        )

    def _settle(self, flight: _Flight) -> None:
        """Waits for a chunk, tells the jobs that are still in it how far they are, and takes the images it gave."""
        if flight.chunk is not None:
            flight.chunk.wait()
            self._measure(flight.chunk, flight)
            self._tell_progress(flight.chunk, flight.moving)
        if flight.images is not None:
            outcomes = flight.images.wait()
            for o, outcome in zip(flight.complete, outcomes, strict=True):
                # An earlier image of these may have failed the job.
                if not o.owner.has_ended:
                    self._take(o.owner, outcome, o.image)

    def _measure(self, chunk: Chunk, flight: _Flight) -> None:
        """The device was at work on this chunk since the one before it was done, or since it was dispatched."""
        since_s = max(self._settled_s, flight.dispatched_s)
        self._settled_s = self._clock()
        seconds, num_occupied = self._settled_s - since_s, len(flight.moving)
        self._pace.record(num_occupied, self._chunk_tokens, seconds)
        drawn = [
            int(chunk.positions[o.slot]) - o.owner.positions[o.image] for o in flight.moving if not o.owner.has_ended
        ]
        self._post(ChunkDone(self._chunk_tokens, sum(drawn), seconds))
        if not flight.is_after_preview:
            self._pace_without_previews.record(num_occupied, self._chunk_tokens, seconds)
        elif (pace := self._pace_without_previews.pace) is not None:
            usual_s = pace.seconds_per_token(num_occupied) * self._chunk_tokens
            self._previews.charge(max(0.0, seconds - usual_s))

    def _tell_progress(self, chunk: Chunk, moving: Sequence[Occupant[Run]]) -> None:
        moved: dict[Run, None] = {}
        for o in moving:
            if not o.owner.has_ended:
                o.owner.positions[o.image] = int(chunk.positions[o.slot])
                moved[o.owner] = None
        for run in moved:
            total = self._image_length * run.job.request.num_images
            self._post(JobUpdate(run.job, Progress(sum(run.positions), total)))

    def _take(self, run: Run, outcome: GeneratedImage | FailedSlot, image: int) -> None:
        if isinstance(outcome, FailedSlot):
            sentence = Text("Image {number} could not be drawn. {reason}", number=image + 1, reason=outcome.sentence)
            self._fail(run.job, sentence)
            return
        run.take(outcome)
        if len(run.images) == run.job.request.num_images:
            self._finish(run)

    def _finish(self, run: Run) -> None:
        request = run.job.request
        seconds = self._clock() - run.started_s
        self._drop(run.job)
        result = Result(
            request=request,
            model=self._engine.info.name,
            sampling=run.sampling,
            images=run.ranked,
            notices=run.notices,
            seconds=seconds,
        )
        if self._backlog.finish(run.job):
            logger.info(
                "Job %s is done: %d images in %.2f s.",
                *(request.job_id, request.num_images, seconds),
                extra={"job_id": request.job_id},
            )
            self._post(JobUpdate(run.job, Finished(result)))

    def _fail(self, job: Job, sentence: Text, error: Exception | None = None) -> None:
        """Ends one job. The error goes to the log only: chained, it would keep the engine's arrays alive."""
        job_id = job.request.job_id
        logger.error("Job %s failed: %s", job_id, sentence, exc_info=error, extra={"job_id": job_id})
        self._drop(job)
        if self._backlog.finish(job):
            self._post(JobFailure(job, JobFailedError(sentence)))

    def _drop(self, job: Job) -> None:
        """Forgets a job that has ended and frees its slots."""
        self._restarted.pop(job, None)
        run = self._runs.pop(job, None)
        if run is not None:
            run.has_ended = True
            self._previews.forget(run)
            self._free([o for o in self._slots.occupants if o.owner is run])

    def _free(self, occupants: Sequence[Occupant[Run]]) -> None:
        if occupants:
            self._engine.free([o.slot for o in occupants])
        for occupant in occupants:
            self._slots.release(occupant)

    def _recover(self, error: Exception, to_blame: Job | None = None, why: Text | None = None) -> None:
        """The state of every slot is lost: what had started enters again before what waits, each job once.

        to_blame: the job that cost the state; it fails, and the others keep their chance. why: for its user; None for
        what the error says.
        """
        started = self._backlog.started()
        ids = ", ".join(job.request.job_id for job in started) or "none"
        logger.error("The engine lost its state; jobs that had started: %s", ids, exc_info=error)
        self._flight = None
        self._previews.clear()
        self._slots.clear()
        runs = dict(self._runs)
        self._runs.clear()
        # First of all, because if it raises these jobs end with the executor, as all others do.
        self._engine.reset()
        if to_blame is not None:
            self._fail(to_blame, Text("The picture could not be started. {reason}", reason=why or reason(error)))
        else:
            for job in started:
                if job in self._restarted:
                    self._fail(job, Text("The picture was lost twice. {reason}", reason=reason(error)))
        for job in self._backlog.started():
            run = runs.get(job)
            if run is not None and run.was_told:
                self._restarted[job] = run.started_s
            else:
                self._restarted.setdefault(job, None)
        self._backlog.restart()
