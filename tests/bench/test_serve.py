"""The whole measurement, on a fake engine that takes a moment per chunk."""

import asyncio
from typing import Final

import pytest

from bot.bench.serve import Opened, measure_serve
from bot.bench.serve_load import plan_arrivals
from bot.bench.serve_report import ServeReport
from bot.bench.serve_timeline import Timeline
from bot.bench.serve_watch import DeviceWatch
from bot.engine.fake import FakeEngine, Faults
from bot.errors import ConfigError, JobFailedError
from bot.startup import StartUp

CHUNK_TOKENS: Final = 4
DELAY_S: Final = 0.006


def fake(faults: Faults | None = None) -> FakeEngine:
    return FakeEngine(num_slots=6, image_length=4 * CHUNK_TOKENS, delay_s=DELAY_S, faults=faults)


def measured(engine: FakeEngine, start_up: StartUp) -> ServeReport:
    with DeviceWatch(lambda work: None) as watch:
        return asyncio.run(
            measure_serve(
                lambda: Opened(engine, "1 x fake", "float32"),
                chunk_tokens=CHUNK_TOKENS,
                load=0.8,
                seconds=0.1,
                jobs=12,
                seed=0,
                start_up=start_up,
                watch=watch,
            )
        )


def num_refills(timeline: Timeline) -> int:
    """How often slots were filled while images that had come before were under way."""
    count = 0
    previous, is_emptying = 0, False
    for _, num_occupied in timeline.occupied:
        count += is_emptying and num_occupied > previous
        is_emptying = num_occupied > 0 and (is_emptying or num_occupied < previous)
        previous = num_occupied
    return count


def test_all_runs_of_both_policies() -> None:
    start_up = StartUp()
    report = measured(fake(), start_up)
    assert list(start_up.seconds) == [
        *("warm-up", "solo", "offline"),
        *("load, continuous", "load, static", "saturated, continuous", "saturated, static"),
    ]
    assert (report.jobs, report.num_slots, report.model, report.dtype) == (12, 6, "fake", "float32")
    # Four chunks at least, and two rounds where 9 images have 6 slots.
    assert 4 * DELAY_S < report.solo_s[1] < report.solo_s[9]
    assert report.solo_s[9] > 8 * DELAY_S
    for policy in report.policies.values():
        for run in (policy.loaded, policy.saturated):
            assert sum(job.num_images for job in run.served) == sum(w.num_images for w in run.timeline.works) == 56
            assert run.timeline.occupied[-1][1] == 0
            assert 0 < run.timeline.occupancy(run.window, 6) <= 1
    refills = {
        policy: sum(num_refills(run.timeline) for run in (runs.loaded, runs.saturated))
        for policy, runs in report.policies.items()
    }
    assert refills["static"] == 0 < refills["continuous"]


def test_what_keeps_the_engine_from_opening_is_told() -> None:
    def fails() -> Opened:
        raise ConfigError("engine.num_slots is wrong.")

    with DeviceWatch() as watch, pytest.raises(ConfigError, match=r"engine\.num_slots is wrong"):
        asyncio.run(
            measure_serve(
                fails, chunk_tokens=4, load=0.8, seconds=1.0, jobs=12, seed=0, start_up=StartUp(), watch=watch
            )
        )


def test_a_picture_that_fails_ends_the_measurement() -> None:
    with pytest.raises(JobFailedError, match="Image 1 could not be drawn"):
        measured(fake(Faults(not_finite=[(seed_of_first_job(), 0)])), StartUp())


def seed_of_first_job() -> int:
    return plan_arrivals(1, 0)[0].request.seed
