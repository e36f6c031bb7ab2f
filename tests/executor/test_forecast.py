"""Expected starts: computed by hand, and against what then happens under load, on a fake clock."""

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from bot.engine.fake import FakeEngine
from bot.executor.events import Event, JobUpdate, LoadChanged
from bot.executor.forecast import EngineLoad, drawing_s, expected_starts
from bot.executor.pace import Pace
from bot.executor.scheduler import Admission, Job, Lineup
from bot.requests import GenerationRequest, Started

from .drive import ask
from .play import FakeClock, Play

SECOND_PER_TOKEN = Pace(((1, 1.0),))


def load(remaining: Sequence[int], *, chunks_until_round: int = 0, pace: Pace | None = SECOND_PER_TOKEN) -> EngineLoad:
    """Four slots, images of 40 tokens in chunks of ten, a second each."""
    return EngineLoad(
        at_s=0.0,
        num_slots=4,
        chunk_tokens=10,
        image_length=40,
        remaining=tuple(remaining),
        chunks_until_round=chunks_until_round,
        pace=pace,
    )


def starts(engine_load: EngineLoad, *jobs: Job, entering: Sequence[Admission] = ()) -> list[float]:
    expected = expected_starts(engine_load, Lineup(tuple(entering), jobs))
    return [expected[job] for job in jobs]


def test_free_slots_are_given_at_the_next_round() -> None:
    assert starts(load([]), Job(ask(num_images=4))) == [0.0]
    assert starts(load([5], chunks_until_round=1), Job(ask(num_images=3))) == [10.0]


def test_drawing_takes_as_many_waves_as_the_slots_need() -> None:
    assert [drawing_s(load([]), ask(num_images=n)) for n in (1, 4, 5, 9)] == [40.0, 40.0, 80.0, 120.0]
    assert drawing_s(load([]), ask(image_tokens=(1,) * 30)) == 10.0
    assert drawing_s(load([], pace=None), ask()) is None


def test_slots_come_free_with_whole_chunks() -> None:
    jobs = [Job(ask()) for _ in range(5)]
    assert starts(load([1, 10, 11, 40]), *jobs) == [10.0, 10.0, 20.0, 40.0, 50.0]


def test_a_job_starts_with_its_first_image_and_the_next_one_after_its_last() -> None:
    assert starts(load([10, 20, 30, 40]), Job(ask(num_images=6)), Job(ask())) == [10.0, 70.0]


def test_the_job_that_is_partly_in_goes_first() -> None:
    partly = Admission(Job(ask(num_images=9)), range(6, 9))
    assert starts(load([10, 10, 20, 30]), Job(ask()), entering=[partly]) == [30.0]


def test_images_that_bring_tokens_are_done_sooner() -> None:
    quick = [Job(ask(num_images=4, image_tokens=range(n))) for n in (30, 40)]
    assert starts(load([10] * 4), *quick, Job(ask())) == [10.0, 20.0, 30.0]


def test_only_waiting_jobs_have_one() -> None:
    partly = Admission(Job(ask()), range(1))
    assert expected_starts(load([]), Lineup((partly,), ())) == {}


def test_nothing_is_expected_before_anything_is_measured() -> None:
    assert expected_starts(load([], pace=None), Lineup((), (Job(ask()),))) == {}


def test_the_pace_of_all_slots_counts() -> None:
    pace = Pace(((1, 1.0), (4, 2.0)))
    assert starts(load([10, 20, 20, 20], pace=pace), Job(ask())) == [20.0]


def arrivals(rng: random.Random, count: int, mean_gap_s: float) -> Iterator[tuple[float, GenerationRequest]]:
    """Of many users, at random times; when, and what."""
    now_s = 0.0
    for number in range(count):
        now_s += rng.expovariate(1 / mean_gap_s)
        yield now_s, ask(num_images=rng.choice([1, 4, 9]), requester=f"user {rng.randrange(20)}", seed=number)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_load_the_forecast_is_nearly_right(seed: int) -> None:
    """What a job was told first, against its real start, at four fifths of the capacity.

    A chunk takes a second, up to two with all slots occupied, and a fifth more or less. What comes later may go first,
    which nobody can foretell: half of the jobs start within a chunk of the forecast, and the mean error is a fifth of
    the mean wait.
    """
    rng = random.Random(seed)
    clock = FakeClock()
    engine = FakeEngine(
        num_slots=8,
        image_length=256,
        delay_s=1.0,
        delay_per_slot_s=0.125,
        sleep=lambda seconds: clock.sleep(seconds * rng.uniform(0.8, 1.2)),
    )
    coming = list(arrivals(rng, 60, mean_gap_s=14 / 3 / 0.2))
    play = Play(coming.pop(0)[1], clock=clock)
    told: dict[Job, tuple[float, float]] = {}
    errors: list[float] = []
    waits: list[float] = []

    def arrive() -> None:
        while coming and coming[0][0] <= clock():
            play.add(coming.pop(0)[1])

    def look(event: Event) -> None:
        if coming and play.backlog.counts() == (0, 0):
            clock.sleep(coming[0][0] - clock())
        if isinstance(event, LoadChanged):
            for job, start_s in expected_starts(event.load, play.backlog.lineup()).items():
                told.setdefault(job, (clock(), start_s))
        elif isinstance(event, JobUpdate) and isinstance(event.update, Started) and event.job in told:
            at_s, start_s = told[event.job]
            errors.append(abs(at_s + start_s - clock()))
            waits.append(clock() - at_s)

    clock.on_tick = arrive
    play.on_event = look
    play.run(engine, chunk_tokens=16)
    assert len(waits) > 20
    assert np.mean(waits) > 10.0
    assert np.median(errors) < 2.0
    assert np.mean(errors) < 0.2 * np.mean(waits)
