"""Admission and fairness: which jobs are accepted, and whose image gets the next free slot. Pure, no threads.

Round robin over requesters, job by job: whoever has many jobs waiting still starts one per round. A started job takes
free slots before any other one starts, so at most one job is partly in, and one with more images than there are slots
runs in waves. While a job waits, every other requester starts at most one job more than there are jobs of its own
requester before it: nobody starves.
"""

from dataclasses import dataclass
from itertools import zip_longest

from bot.errors import QueueFullError, UserLimitError
from bot.requests import GenerationRequest


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One submission. Compared by identity: the same request may come again once this one has ended."""

    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Admission:
    """These images of the job get one slot each. The first admission of a job starts at image 0."""

    job: Job
    images: range


class Scheduler:
    """Every job that was accepted and has not ended: it waits until `admit` starts it, and stays until `remove`."""

    def __init__(self, *, max_jobs: int, max_jobs_per_user: int) -> None:
        """max_jobs, max_jobs_per_user: waiting and started ones together, at least 1."""
        for name, value in (("max_jobs", max_jobs), ("max_jobs_per_user", max_jobs_per_user)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}.")
        self._max_jobs = max_jobs
        self._max_jobs_per_user = max_jobs_per_user
        # Requester → jobs, oldest first; never an empty list. The order of the keys is the order of their turns.
        self._waiting: dict[str, list[Job]] = {}
        self._started: dict[Job, None] = {}
        self._entering: Job | None = None
        self._next_image = 0

    @property
    def num_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def started(self) -> tuple[Job, ...]:
        """Jobs that were admitted, wholly or in part, in the order of their start."""
        return tuple(self._started)

    @property
    def has_images(self) -> bool:
        """Whether `admit` would find an image for a free slot."""
        return self._entering is not None or bool(self._waiting)

    def add(self, job: Job, *, accepted_before: bool = False) -> int:
        """Accepts a job and returns its position. Raises QueueFullError or UserLimitError.

        accepted_before: the limits don't refuse it, but it counts in them.
        """
        if not accepted_before:
            self._check_limits(job.request.requester)
        self._waiting.setdefault(job.request.requester, []).append(job)
        return self.positions()[job]

    def positions(self) -> dict[Job, int]:
        """Waiting job → position, in the order in which they will start; 1 is next."""
        rounds = zip_longest(*self._waiting.values())
        order = [job for one_each in rounds for job in one_each if job is not None]
        return {job: place for place, job in enumerate(order, start=1)}

    def admit(self, num_free: int) -> list[Admission]:
        """Hands out up to `num_free` slots: first to the job that is partly in, then by turns."""
        admissions = []
        while num_free > 0 and self.has_images:
            job = self._entering or self._start_next()
            images = range(self._next_image, min(job.request.num_images, self._next_image + num_free))
            admissions.append(Admission(job, images))
            num_free -= len(images)
            self._next_image = images.stop
            self._entering = job if images.stop < job.request.num_images else None
        return admissions

    def remove(self, job: Job) -> bool:
        """Forgets a job, waiting or started. False if it isn't known (any more)."""
        if job in self._started:
            del self._started[job]
            if self._entering is job:
                self._entering = None
            return True
        queue = self._waiting.get(job.request.requester, [])
        if job not in queue:
            return False
        queue.remove(job)
        if not queue:
            del self._waiting[job.request.requester]
        return True

    def clear(self) -> None:
        """Forgets every job."""
        self._waiting.clear()
        self._started.clear()
        self._entering = None

    def _check_limits(self, requester: str) -> None:
        num_own = len(self._waiting.get(requester, ())) + sum(j.request.requester == requester for j in self._started)
        if num_own >= self._max_jobs_per_user:
            raise UserLimitError(
                f"You have {num_own} unfinished requests, and {self._max_jobs_per_user} is the limit for one person: "
                "wait until one is done."
            )
        num_jobs = self.num_waiting + len(self._started)
        if num_jobs >= self._max_jobs:
            raise QueueFullError(
                f"The queue is full: {num_jobs} of {self._max_jobs} places are taken. Try again in a few minutes."
            )

    def _start_next(self) -> Job:
        requester = next(iter(self._waiting))
        queue = self._waiting.pop(requester)
        job = queue.pop(0)
        if queue:
            self._waiting[requester] = queue
        self._started[job] = None
        self._next_image = 0
        return job
