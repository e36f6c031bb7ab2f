"""A fleet of engines as a discrete-event simulation, driven by measured times of steps. Pure.

What it leaves out: previews, cancellations, and whose turn it is, which changes who waits and not how long all do. What
it keeps is what capacity depends on: a step costs by how many slots are occupied, an image enters between two chunks
only, and a job goes as a whole to the replica with the most free slots.
"""

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import simpy

from bot.executor.pace import Pace

# Of a fleet's slots: beyond, waits depend on how long one looks.
MAX_BUSY_SHARE: Final = 0.95


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """One replica's. seconds_per_token by occupied slots is in `pace`. overhead_s: of a job, outside of the device."""

    num_slots: int
    image_length: int
    chunk_tokens: int
    pace: Pace
    overhead_s: float = 0.0

    @property
    def images_per_s(self) -> float:
        """With all slots occupied."""
        chunks = -(-self.image_length // self.chunk_tokens)
        chunk_s = self.chunk_tokens * self.pace.seconds_per_token(self.num_slots)
        return self.num_slots / (chunks * chunk_s)


@dataclass(frozen=True, slots=True)
class Demand:
    """One job. at_s: when it comes."""

    at_s: float
    num_images: int


@dataclass(slots=True)
class Course:
    """What became of a job, in seconds of the simulation."""

    demand: Demand
    started_s: float = math.nan
    finished_s: float = math.nan
    num_left: int = 0

    @property
    def wait_s(self) -> float:
        return self.started_s - self.demand.at_s

    @property
    def latency_s(self) -> float:
        return self.finished_s - self.demand.at_s


def simulate(demands: Sequence[Demand], facts: EngineFacts, num_replicas: int) -> list[Course]:
    """Draws all of them, in the order in which they come; the courses are in the order of `demands`."""
    if num_replicas < 1:
        raise ValueError(f"There must be at least one replica, not {num_replicas}.")
    env = simpy.Environment()
    fleet = _Fleet(env, facts, num_replicas)
    courses = [Course(demand, num_left=demand.num_images) for demand in demands]
    env.process(fleet.arrivals(courses))
    env.run()
    return courses


def poisson(jobs_per_s: float, num_jobs: int, sizes: Sequence[int], seed: int) -> list[Demand]:
    """`num_jobs` arrivals of a Poisson process; each of `sizes` is as frequent as the others."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.0, num_jobs / jobs_per_s, num_jobs))
    images = rng.permutation(np.resize(sizes, num_jobs))
    return [Demand(float(at_s), int(n)) for at_s, n in zip(times, images, strict=True)]


def smallest_fleet(demands: Sequence[Demand], facts: EngineFacts, max_wait_s: float) -> tuple[int, list[Course]]:
    """How many replicas let 95 of 100 of these jobs wait no longer than `max_wait_s`, and what became of the jobs.

    The search begins where MAX_BUSY_SHARE of the slots would be occupied all the time, and doubles its step until it is
    enough.
    """
    images = sum(demand.num_images for demand in demands)
    span_s = max(demand.at_s for demand in demands) or 1.0
    low = max(1, math.ceil(images / span_s / (MAX_BUSY_SHARE * facts.images_per_s)))
    step, high = 1, low
    courses = simulate(demands, facts, high)
    while p95_wait_s(courses) > max_wait_s:
        low = high + 1
        high, step = high + step, 2 * step
        courses = simulate(demands, facts, high)
    while low < high:
        middle = (low + high) // 2
        tried = simulate(demands, facts, middle)
        if p95_wait_s(tried) > max_wait_s:
            low = middle + 1
        else:
            high, courses = middle, tried
    return high, courses


def p95_wait_s(courses: Sequence[Course]) -> float:
    """Seconds from a job's arrival to its start that 95 of 100 don't exceed."""
    return float(np.quantile([course.wait_s for course in courses], 0.95))


@dataclass(eq=False, slots=True)
class _Replica:
    """remaining: tokens of the image in each occupied slot, and whose it is. entering: images without a slot yet."""

    wake: simpy.Event
    remaining: list[tuple[int, Course]] = field(default_factory=list)
    entering: deque[Course] = field(default_factory=deque)

    @property
    def num_taken(self) -> int:
        return len(self.remaining) + len(self.entering)


class _Fleet:
    def __init__(self, env: simpy.Environment, facts: EngineFacts, num_replicas: int) -> None:
        self._env = env
        self._facts = facts
        self._waiting: deque[Course] = deque()
        self._replicas = [_Replica(env.event()) for _ in range(num_replicas)]
        # By free slots, so that thousands of replicas need not be looked at for each job.
        self._by_taken: list[dict[_Replica, None]] = [{} for _ in range(facts.num_slots + 1)]
        for replica in self._replicas:
            self._by_taken[0][replica] = None
            env.process(self._rounds(replica))

    def arrivals(self, courses: Sequence[Course]) -> Generator[simpy.Event, Any, None]:
        for course in sorted(courses, key=lambda course: course.demand.at_s):
            yield self._env.timeout(max(0.0, course.demand.at_s - self._env.now))
            self._waiting.append(course)
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            replica = next((next(iter(group)) for group in self._by_taken[:-1] if group), None)
            if replica is None:
                return
            course = self._waiting.popleft()
            taken = replica.num_taken
            replica.entering.extend([course] * course.demand.num_images)
            self._moved(replica, taken)
            if not replica.wake.triggered:
                replica.wake.succeed()

    def _moved(self, replica: _Replica, taken: int) -> None:
        most = self._facts.num_slots
        del self._by_taken[min(taken, most)][replica]
        self._by_taken[min(replica.num_taken, most)][replica] = None

    def _rounds(self, replica: _Replica) -> Generator[simpy.Event, Any, None]:
        facts = self._facts
        while True:
            if not replica.num_taken:
                replica.wake = self._env.event()
                yield replica.wake
            while replica.entering and len(replica.remaining) < facts.num_slots:
                course = replica.entering.popleft()
                if math.isnan(course.started_s):
                    course.started_s = self._env.now
                replica.remaining.append((facts.image_length, course))
            chunk_s = facts.chunk_tokens * facts.pace.seconds_per_token(len(replica.remaining))
            yield self._env.timeout(chunk_s)
            taken = replica.num_taken
            moved = [(tokens - facts.chunk_tokens, course) for tokens, course in replica.remaining]
            replica.remaining = [(tokens, course) for tokens, course in moved if tokens > 0]
            for tokens, course in moved:
                if tokens <= 0:
                    course.num_left -= 1
                    if not course.num_left:
                        course.finished_s = self._env.now + facts.overhead_s
            if replica.num_taken != taken:
                self._moved(replica, taken)
                self._hand_out()
