"""Admission: which jobs are accepted, and whose image gets the next free slot. Pure, no threads.

The order in which jobs start is that of turns.py, which also states how long one may have to wait. A job that has
started takes free slots before any other one starts, so at most one job is partly in, and one with more images than
there are slots runs in waves. One that is to be drawn alone goes before all others, starts once nothing else is being
drawn, and nothing starts beside it.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from bot.errors import QueueFullError, UserLimitError
from bot.executor.turns import Ticket, Turns
from bot.language import Text
from bot.requests import WEIGHT_BOUNDS, GenerationRequest

Alone = Callable[[bool], Awaitable[None]]
"""Is told, and waited for, before the engine hears of a job that is drawn alone (True), and before it hears of any
other afterwards (False). Raises nothing."""

LATER: Final = Text("Try again in a few minutes.")


@dataclass(frozen=True, eq=False, slots=True)
class Job:
    """One submission. Compared by identity: the same request may come again once this one has ended.

    alone: for one that is to be drawn by itself, see Executor.submit.
    """

    request: GenerationRequest
    alone: Alone | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """These images of the job get one slot each. The first admission of a job starts at image 0."""

    job: Job
    images: range


@dataclass(frozen=True, slots=True)
class Lineup:
    """Who gets the next slots, in order. entering: what is left of jobs that have started; waiting: the others."""

    entering: tuple[Admission, ...]
    waiting: tuple[Job, ...]


class Scheduler:
    """Every job that was accepted and has not ended: it waits until `admit` or `start` starts it, and stays until
    `remove`."""

    def __init__(
        self,
        *,
        max_jobs: int,
        max_jobs_per_user: int,
        max_jobs_per_guild: int | None = None,
        guild_weights: Mapping[str, float] | None = None,
    ) -> None:
        """max_jobs, max_jobs_per_user, max_jobs_per_guild: waiting and started ones together, at least 1; None: no more
        than `max_jobs`.

        guild_weights: a guild's share relative to others, within WEIGHT_BOUNDS; 1.0 for those that it does not name.
        Raises ValueError.
        """
        if max_jobs_per_guild is None:
            max_jobs_per_guild = max_jobs
        for name, value in (
            ("max_jobs", max_jobs),
            ("max_jobs_per_user", max_jobs_per_user),
            ("max_jobs_per_guild", max_jobs_per_guild),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}.")
        for guild, weight in (guild_weights or {}).items():
            if not WEIGHT_BOUNDS.low <= weight <= WEIGHT_BOUNDS.high:
                raise ValueError(
                    f"The weight of guild {guild} must be between {WEIGHT_BOUNDS.low:g} and {WEIGHT_BOUNDS.high:g}, "
                    f"not {weight:g}."
                )
        self._max_jobs = max_jobs
        self._max_jobs_per_user = max_jobs_per_user
        self._max_jobs_per_guild = max_jobs_per_guild
        self._alone: deque[Job] = deque()
        self._waiting: Turns[Job] = Turns(guild_weights or {})
        self._started: dict[Job, None] = {}
        self._entering: deque[Admission] = deque()

    @property
    def num_waiting(self) -> int:
        return len(self._alone) + len(self._waiting)

    @property
    def started(self) -> tuple[Job, ...]:
        """Jobs that were admitted, wholly or in part, in the order of their start."""
        return tuple(self._started)

    @property
    def has_images(self) -> bool:
        """Whether `admit` would find an image for a free slot."""
        return bool(self._entering) or self._may_start

    @property
    def lineup(self) -> Lineup:
        """Who gets the next slots if nobody else comes."""
        return Lineup(tuple(self._entering), (*self._alone, *self._waiting))

    @property
    def _may_start(self) -> bool:
        """Whether another job may start beside those that have."""
        if self._alone:
            return not self._started
        return len(self._waiting) > 0 and all(job.alone is None for job in self._started)

    @property
    def _unfinished(self) -> Iterator[Job]:
        return chain(self._alone, self._waiting, self._started)

    def add(self, job: Job, *, accepted_before: bool = False) -> int:
        """Accepts a job and returns its position; 1 is the next to start. Raises QueueFullError or UserLimitError.

        accepted_before: the limits don't refuse it, but it counts in them.
        """
        request = job.request
        if not accepted_before:
            self.check_room(request.requester, 1, guild=request.guild)
        if job.alone is None:
            self._waiting.add(Ticket(job, request.guild, request.requester, request.num_images, request.weight))
        else:
            self._alone.append(job)
        return next(position for position, waiting in enumerate(self.lineup.waiting, start=1) if waiting is job)

    def demand(self, also: Iterable[str] = ()) -> float:
        """The weight of all guilds in which jobs wait, and of those in `also`."""
        return self._waiting.demand(chain(also, (job.request.guild for job in self._alone)))

    def start(self) -> Job:
        """Starts the job whose turn it is, for whoever has room for all of it. Raises ValueError if none waits."""
        job = self._alone.popleft() if self._alone else self._waiting.take()
        self._started[job] = None
        return job

    def admit(self, num_free: int) -> list[Admission]:
        """Hands out up to `num_free` slots: first to the job that is partly in, then by turns."""
        admissions = []
        while num_free > 0 and self.has_images:
            if not self._entering:
                self._entering.append(_whole(self.start()))
            rest = self._entering.popleft()
            admissions.append(Admission(rest.job, rest.images[:num_free]))
            if rest.images[num_free:]:
                self._entering.appendleft(Admission(rest.job, rest.images[num_free:]))
            num_free -= len(admissions[-1].images)
        return admissions

    def restart(self) -> None:
        """Every job that has started enters again from its first image, before any other one starts."""
        self._entering = deque(map(_whole, self._started))

    def remove(self, job: Job) -> bool:
        """Forgets a job, waiting or started. False if it isn't known (any more)."""
        if job in self._alone:
            self._alone.remove(job)
            return True
        if job not in self._started:
            return self._waiting.remove(job)
        del self._started[job]
        self._entering = deque(rest for rest in self._entering if rest.job is not job)
        return True

    def dismiss(self) -> tuple[Job, ...]:
        """Forgets the jobs that wait, and returns them. What has started stays."""
        waiting = self.lineup.waiting
        self._alone.clear()
        self._waiting.clear()
        return waiting

    def clear(self) -> None:
        """Forgets every job."""
        self._alone.clear()
        self._waiting.clear()
        self._started.clear()
        self._entering.clear()

    def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        """Raises QueueFullError or UserLimitError unless that many more jobs of one requester fit now.

        guild: theirs; None doesn't look at its limit. Whoever knows when there will be room puts that in the place of
        the text's value `when`.
        """
        num_own = sum(job.request.requester == requester for job in self._unfinished)
        self.check_user(num_own, num_jobs)
        num_taken = self.num_waiting + len(self._started)
        if num_taken >= self._max_jobs:
            raise QueueFullError(
                "The queue is full: {count} of {limit} places are taken. {when}",
                count=num_taken,
                limit=self._max_jobs,
                when=LATER,
            )
        num_theirs = sum(job.request.guild == guild for job in self._unfinished)
        if guild is not None and num_jobs and num_theirs + num_jobs > self._max_jobs_per_guild:
            raise QueueFullError(
                "This server has {count} unfinished jobs, and {limit} is the limit for one server. {when}",
                count=num_theirs,
                limit=self._max_jobs_per_guild,
                when=LATER,
            )
        if num_taken + num_jobs > self._max_jobs:
            raise QueueFullError(
                "The queue has no room for {wanted} jobs: {count} of {limit} places are taken. "
                "Ask for fewer, or try again in a few minutes.",
                wanted=num_jobs,
                count=num_taken,
                limit=self._max_jobs,
            )

    def check_user(self, num_own: int, num_jobs: int) -> None:
        """Raises UserLimitError unless somebody who has `num_own` unfinished jobs, here or elsewhere, may have that
        many more."""
        if num_jobs > 1 and num_own + num_jobs > self._max_jobs_per_user:
            raise UserLimitError(
                "You ask for {wanted} jobs and have {count} unfinished; {limit} is the limit for one person. "
                "Ask for fewer, or wait until some are done.",
                wanted=num_jobs,
                count=num_own,
                limit=self._max_jobs_per_user,
            )
        if num_own >= self._max_jobs_per_user:
            raise UserLimitError(
                Text.plural(
                    "You have {n} unfinished request, and {limit} is the limit for one person: wait until it is done.",
                    "You have {n} unfinished requests, and {limit} is the limit for one person: "
                    "wait until one is done.",
                    num_own,
                    limit=self._max_jobs_per_user,
                )
            )


def _whole(job: Job) -> Admission:
    return Admission(job, range(job.request.num_images))
