"""What waiting jobs are told, and when; the engine's side is played by hand, on a fake clock."""

import asyncio

import pytest

from bot.executor.backlog import Backlog
from bot.executor.forecast import EngineLoad
from bot.executor.pace import Pace
from bot.executor.places import Places, is_news
from bot.executor.scheduler import Job, Scheduler
from bot.requests import Queued

from .drive import ask
from .play import FakeClock


class Hall:
    """A backlog whose one slot is taken for `remaining` tokens, and what the waiting jobs were told."""

    def __init__(self, *, refresh_interval_s: float = 0.0) -> None:
        self.clock = FakeClock()
        self.backlog = Backlog(Scheduler(max_jobs=99, max_jobs_per_user=99))
        self.told: list[tuple[Job, Queued]] = []
        self.places = Places(
            self.backlog,
            tell=lambda job, queued: self.told.append((job, queued)),
            clock=self.clock,
            refresh_interval_s=refresh_interval_s,
        )

    def come(self, user: str) -> Job:
        job = Job(ask(requester=user))
        self.places.welcome(job, self.backlog.add(job))
        return job

    def observe(self, remaining: int, *, is_measured: bool = True) -> None:
        pace = Pace(((1, 1.0),)) if is_measured else None
        self.places.observe(EngineLoad(self.clock(), 1, 1, 10, (remaining,), 0, pace))

    def take(self) -> list[tuple[Job, Queued]]:
        taken, self.told = self.told, []
        return taken


async def test_a_newcomer_is_told_its_position_and_its_start() -> None:
    hall = Hall()
    ann = hall.come("ann")
    hall.observe(5)
    hall.clock.sleep(2.0)
    bob = hall.come("bob")
    assert hall.take() == [(ann, Queued(1)), (bob, Queued(2, 13.0)), (ann, Queued(1, 3.0))]


async def test_nothing_is_expected_before_anything_is_measured() -> None:
    hall = Hall()
    hall.observe(5, is_measured=False)
    ann = hall.come("ann")
    assert hall.take() == [(ann, Queued(1, None))]


async def test_who_started_before_it_was_told_is_told_that_it_starts_now() -> None:
    hall = Hall()
    hall.observe(5)
    job = Job(ask())
    position = hall.backlog.add(job)
    hall.backlog.admit(1)
    hall.places.welcome(job, position)
    assert hall.take() == [(job, Queued(1, 0.0))]


async def test_a_new_position_is_told_at_once() -> None:
    hall = Hall()
    ann, bob = hall.come("ann"), hall.come("bob")
    hall.take()
    hall.backlog.cancel(ann)
    hall.places.refresh()
    assert hall.take() == [(bob, Queued(1))]


async def test_an_expected_start_is_told_again_once_it_is_off_and_not_within_a_second() -> None:
    hall = Hall()
    hall.observe(100)
    ann = hall.come("ann")
    assert hall.take() == [(ann, Queued(1, 100.0))]
    hall.clock.sleep(0.5)
    hall.observe(50)
    assert hall.take() == []
    hall.clock.sleep(0.5)
    hall.observe(98)
    assert hall.take() == [], "two seconds are not more than two seconds"
    hall.observe(50)
    assert hall.take() == [(ann, Queued(1, 50.0))]
    hall.clock.sleep(3.0)
    hall.places.refresh()
    assert hall.take() == [(ann, Queued(1, 47.0))]


async def test_many_changes_at_once_are_looked_at_once() -> None:
    hall = Hall(refresh_interval_s=0.02)
    jobs = [hall.come(f"user {n}") for n in range(5)]
    hall.take()
    for job in jobs[:4]:
        hall.backlog.cancel(job)
        hall.places.refresh()
    assert hall.take() == []
    await asyncio.sleep(0.03)
    assert hall.take() == [(jobs[4], Queued(1))]


async def test_after_closing_nobody_is_told() -> None:
    hall = Hall(refresh_interval_s=0.01)
    ann, _ = hall.come("ann"), hall.come("bob")
    hall.backlog.cancel(ann)
    hall.places.refresh()
    hall.take()
    hall.places.close()
    await asyncio.sleep(0.02)
    assert hall.take() == []


@pytest.mark.parametrize(
    ("told_s", "expected_s", "is_new"),
    [
        (None, None, False),
        (None, 0.0, True),
        (3.0, None, True),
        (100.0, 98.0, False),
        (100.0, 97.9, True),
        (100.0, 102.1, True),
        (5.0, 4.0, False),
        (5.0, 3.9, True),
        (5.0, 6.1, True),
        (0.0, 0.0, False),
    ],
)
def test_news_is_a_fifth_or_two_seconds(told_s: float | None, expected_s: float | None, is_new: bool) -> None:
    assert is_news(told_s, expected_s) is is_new
