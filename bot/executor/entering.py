"""How admitted jobs come into slots: prefill once per job, insert per image. Engine thread only.

A request that the engine refuses fails alone. What the engine raises otherwise from `insert` means that its state is
lost; where a single job was being inserted, that job is to blame.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Final

from bot.engine.base import Engine, PromptText
from bot.engine.slots import SlotTable
from bot.errors import DalleBotError
from bot.executor.events import AloneChanged, Event, JobUpdate
from bot.executor.running import Run, assignment, reason
from bot.executor.scheduler import Admission, Job
from bot.language import Text
from bot.requests import Started

ANNOUNCE_TIMEOUT_S: Final = 5.0

logger = logging.getLogger(__name__)


class PoisonedInsertError(Exception):
    """The insertion of this job alone cost the engine its state. reason: for its user. Internal: the engine's loop
    catches it."""

    def __init__(self, job: Job, reason: Text) -> None:
        super().__init__(f"job {job.request.job_id} could not be inserted")
        self.job = job
        self.reason = reason


class Entrance:
    """Fills free slots. `slots` and `runs` are the loop's own; what enters is added to both.

    fail: ends a job with a sentence and what was raised, if anything. clock: seconds.
    """

    def __init__(
        self,
        engine: Engine,
        slots: SlotTable[Run],
        runs: dict[Job, Run],
        *,
        post: Callable[[Event], None],
        fail: Callable[[Job, Text, Exception | None], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._slots = slots
        self._runs = runs
        self._post = post
        self._fail = fail
        self._clock = clock
        # The last one that was drawn alone, until others have come in.
        self._alone: Job | None = None

    def enter(self, admissions: Sequence[Admission], restarted: Mapping[Job, float | None]) -> None:
        """Gives every admitted image a slot.

        restarted: jobs that are in for the second time, and when they had started; None if nobody was told. One of
        them may have cost the engine its state, so each is prefilled and inserted by itself.

        Raises PoisonedInsertError, or what the engine raises once its state is lost.
        """
        new = [a.job for a in admissions if a.job not in self._runs and self._can_go_on(a.job)]
        self._announce(new)
        self._prefill([job for job in new if job not in restarted], restarted)
        for job in new:
            if job in restarted:
                self._prefill([job], restarted)
        entering = [(self._runs[a.job], a) for a in admissions if a.job in self._runs]
        for _, group in groupby(entering, key=lambda pair: id(pair[0].prefix)):
            self._insert(list(group))

    def _announce(self, new: Sequence[Job]) -> None:
        """If the process ends from here on, it is known whether the job that was drawn alone is to blame."""
        for job in new:
            if job.alone is not None:
                self._alone = job
                self._tell(AloneChanged(job, is_alone=True))
            elif self._alone is not None:
                self._tell(AloneChanged(self._alone, is_alone=False))
                self._alone = None

    def _tell(self, changed: AloneChanged) -> None:
        self._post(changed)
        if not changed.may_go_on.wait(ANNOUNCE_TIMEOUT_S):
            job_id = changed.job.request.job_id
            logger.warning("Whether job %s is drawn alone may not be known.", job_id, extra={"job_id": job_id})

    def _can_go_on(self, job: Job) -> bool:
        """Whether a job's image tokens, if it brings some, are of this model; otherwise it fails."""
        codes_of, name = job.request.codes_of, self._engine.info.name
        if codes_of in (None, name) or not job.request.image_tokens:
            return True
        sentence = Text(
            "This job goes on from a picture of the model {old:.80}, and the bot has {new:.80} now.",
            old=codes_of,
            new=name,
        )
        self._fail(job, sentence, None)
        return False

    def _prefill(self, jobs: Sequence[Job], restarted: Mapping[Job, float | None]) -> None:
        """Encodes all prompts in one call. If it raises, each is tried alone, so that only the guilty one fails."""
        if not jobs:
            return
        requests = [job.request for job in jobs]
        try:
            prefix = self._engine.prefill([PromptText(r.prompt, r.negative_prompt) for r in requests])
            labels = [self._engine.label_vectors(r.labels) if r.labels else None for r in requests]
        except Exception as error:
            if len(jobs) == 1:
                sentence = Text("The model could not read the prompt. {reason}", reason=reason(error))
                self._fail(jobs[0], sentence, error)
                return
            for job in jobs:
                self._prefill([job], restarted)
            return
        for row, job in enumerate(jobs):
            started_s = restarted.get(job)
            start = [len(job.request.image_tokens)] * job.request.num_images
            self._runs[job] = Run(
                job=job,
                prefix=prefix,
                row=row,
                notices=prefix.notices[row],
                sampling=job.request.sampling_over(self._engine.info.sampling),
                label_vectors=labels[row],
                started_s=self._clock() if started_s is None else started_s,
                was_told=started_s is not None,
                positions=start,
                dispatched=list(start),
            )

    def _insert(self, entering: Sequence[tuple[Run, Admission]]) -> None:
        """Fills free slots from one prefix."""
        prefix = entering[0][0].prefix
        assert prefix is not None
        free = iter(self._slots.free_slots)
        occupants = [self._slots.fill(next(free), run, image) for run, a in entering for image in a.images]
        try:
            self._engine.insert(prefix, [assignment(occupant) for occupant in occupants])
        except DalleBotError as error:
            for occupant in occupants:
                self._slots.release(occupant)
            if len(entering) == 1:
                self._fail(entering[0][0].job, error.text, error)
                return
            for pair in entering:
                self._insert([pair])
            return
        except Exception as error:
            if len(entering) == 1:
                raise PoisonedInsertError(entering[0][0].job, reason(error)) from error
            raise
        for run, admission in entering:
            if not run.was_told:
                run.was_told = True
                request = run.job.request
                logger.info(
                    "Job %s starts: %d images.", request.job_id, request.num_images, extra={"job_id": request.job_id}
                )
                self._post(JobUpdate(run.job, Started()))
            if admission.images.stop == run.job.request.num_images:
                run.prefix = None
