"""What `bench scale` says: which part ends first, how far the simulation is off, what a rate takes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bot.bench.scale import NUM_INTERACTIONS, answer
from bot.bench.scale_gateway import shard_s_per_interaction
from bot.bench.scale_model import EngineFacts
from bot.bench.scale_plot import plot_scale
from bot.bench.scale_rates import jobs_per_s_of_store, loop_s_per_job
from bot.bench.scale_report import Compared, Rates, ScaleReport, bottlenecks
from bot.executor.pace import Pace

RATES = Rates(
    loop_s_per_job=0.01,
    shard_s_per_interaction=0.001,
    store_jobs_per_s=50.0,
    bytes_per_job=1_000_000.0,
    uplink_mbit_per_s=100.0,
    database="SQLite",
)
FACTS = EngineFacts(num_slots=9, image_length=16, chunk_tokens=4, pace=Pace(((1, 0.01), (9, 0.05))))


def sample_report() -> ScaleReport:
    answers = [answer(FACTS, RATES, rate, None, max_wait_s=2.0, seed=0) for rate in (10.0, 1000.0)]
    compared = [Compared("images a second", 10.0, 9.0), Compared("mean seconds", 2.0, 2.2)]
    return ScaleReport("demo", 9, compared, FACTS.images_per_s, 0.1, 0.97, 0.012, RATES, 2.0, answers)


@pytest.fixture
def report() -> ScaleReport:
    return sample_report()


def test_limits_are_what_one_of_each_takes() -> None:
    assert RATES.limits() == pytest.approx(
        {"one bot process": 4200.0, "gateway shards": 42_000.0, "the database": 2100.0, "upload": 525.0}
    )
    assert bottlenecks(RATES.limits(), 500.0) == ()
    assert bottlenecks(RATES.limits(), 2200.0) == ("upload", "the database")


def test_more_prompts_take_more_replicas_and_wait_no_longer(report: ScaleReport) -> None:
    few, many = report.answers
    assert (few.num_replicas, few.bottlenecks) == (1, ())
    assert many.num_replicas > 1000.0 / 60.0 * 14 / 3 / FACTS.images_per_s
    assert many.bottlenecks == ("upload",)
    for each in report.answers:
        assert each.p95_wait_s is not None
        assert each.p95_wait_s <= 2.0
        assert each.complaint is None
        assert each.device_hours_per_day == 24 * each.num_replicas


def test_replicas_that_can_not_carry_a_rate_are_said_to_be_too_few() -> None:
    """Whatever time is simulated: how long the wait is by then says nothing."""
    limit = 60.0 * FACTS.images_per_s * 3 / 14
    over = answer(FACTS, RATES, 1.01 * limit, 1, max_wait_s=1000.0, seed=0)
    assert (over.p95_wait_s, over.p95_latency_s, over.bottlenecks) == (None, None, ("replicas",))
    assert over.replicas_limit_per_minute == pytest.approx(limit)
    assert over.complaint == (
        f"1 replica can't carry {1.01 * limit:,.0f} prompts a minute: it draws {limit:,.0f} at most, and waits grow "
        "for as long as more come."
    )
    assert (replace(over, num_replicas=2).complaint or "").startswith("2 replicas can't carry")
    twice = answer(FACTS, RATES, 1.01 * limit, 2, max_wait_s=1000.0, seed=0)
    assert (twice.complaint, twice.bottlenecks) == (None, ())


def test_replicas_that_carry_a_rate_may_let_it_wait_too_long() -> None:
    limit = 60.0 * FACTS.images_per_s * 3 / 14
    late = answer(FACTS, RATES, 0.9 * limit, 1, max_wait_s=0.01, seed=0)
    assert late.p95_wait_s is not None
    assert (late.complaint, late.bottlenecks) == (None, ("replicas",))


def test_no_answer_depends_on_the_time_that_is_simulated() -> None:
    """A fleet that is too small for the rate would do if only its first minute counted."""
    short = answer(FACTS, RATES, 5000.0, None, max_wait_s=30.0, seed=0)
    assert short.replicas_limit_per_minute > 5000.0 / 0.96


def test_a_simulation_that_is_off_is_a_miss(report: ScaleReport) -> None:
    assert report.misses() == []
    off = replace(report, compared=[Compared("images a second", 10.0, 8.0)])
    assert off.misses() == ["images a second: simulated 8, measured 10."]
    assert off.to_json()["two_replicas"][0]["error"] == pytest.approx(-0.2)


def test_the_report_can_be_read_and_kept(report: ScaleReport, tmp_path: Path) -> None:
    assert json.loads(json.dumps(report.to_json()))["throughput_ratio_of_ray"] == 0.97
    console = Console(record=True, width=160)
    console.print(report)
    told = console.export_text()
    assert "0.970 times" in told
    assert "The database was SQLite." in told
    plot_scale(report, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


async def test_rates_are_measured(tmp_path: Path) -> None:
    assert 1.0 < await jobs_per_s_of_store(f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}", 16) < 1e5
    assert 1e-4 < await loop_s_per_job(tmp_path / "bot", 2) < 5.0
    assert 1e-5 < await shard_s_per_interaction(tmp_path / "log", NUM_INTERACTIONS) < 0.5
