"""The figures of a report, from runs that were made by hand."""

import json
from dataclasses import replace

import pytest

from bot.bench.serve_load import Served
from bot.bench.serve_policy import Policy
from bot.bench.serve_report import PolicyRuns, Run, ServeReport, StartError
from bot.bench.serve_timeline import Timeline, Work

SOLO_S = {1: 1.0, 4: 2.0, 9: 4.0}
KEYS = {
    *("throughput", "latency_p50_s", "latency_p95_s", "latency_p99_s", "solo_latency_s", "occupancy"),
    *("offline_throughput", "p95_to_solo", "p95_to_mix_solo", "idle_share", "saturated_throughput"),
    *("saturated_to_offline", "expected_start_error_s", "saturated_expected_start_error_s"),
    *("saturated_occupancy", "saturated_idle_share", "max_submit_delay_s"),
}


def job(num_images: int, latency_s: float, scheduled_s: float = 100.0) -> Served:
    finished_s = scheduled_s + latency_s
    return Served(num_images, scheduled_s, scheduled_s + 0.25, finished_s - 0.5, finished_s, None, False)


def run(*served: Served, drawn: float = 1.0) -> Run:
    """A run of two slots whose device works on them from 100 to 103 while they are occupied to 104.

    drawn: images/s in its steady middle."""
    works = (Work(100.0, 101.0, 2, 4), Work(100.0, 103.0, 2, 4), Work(200.0, 101.0 + 8 / drawn, 0, 4))
    return Run(served, Timeline(works, ((100.0, 2), (104.0, 0))))


LOADED = run(job(1, 3.0), job(4, 4.0), job(9, 8.0))


def report(loaded: Run = LOADED, saturated: Run = LOADED) -> ServeReport:
    policies: list[Policy] = ["continuous", "static"]
    return ServeReport(
        model="demo",
        device="1 x cpu",
        dtype="float32",
        num_slots=2,
        chunk_tokens=16,
        jobs=3,
        seed=5,
        load=0.8,
        saturated_load=4.0,
        solo_s=SOLO_S,
        offline_throughput=2.0,
        policies={policy: PolicyRuns(loaded, saturated) for policy in policies},
    )


def test_every_key_that_was_promised() -> None:
    found = json.loads(json.dumps(report().to_json()))
    assert KEYS == set(found["continuous"]) == set(found["static"])
    assert (found["device"], found["dtype"], found["num_slots"], found["chunk_tokens"]) == ("1 x cpu", "float32", 2, 16)
    assert (found["jobs"], found["seed"], found["load"]) == (3, 5, 0.8)
    assert found["solo_latency_by_images_s"] == {"1": 1.0, "4": 2.0, "9": 4.0}


def test_figures_of_one_policy() -> None:
    figures = report(saturated=run(job(1, 1.0), drawn=4.0)).figures("continuous")
    assert figures["throughput"] == pytest.approx(14 / 8)
    assert figures["latency_p50_s"] == 4.0
    assert figures["latency_p95_s"] == pytest.approx(4.0 + 0.9 * 4.0)
    assert figures["solo_latency_s"] == 2.0
    # Over the solo latency of its own size: 3, 2 and 2.
    assert figures["p95_to_solo"] == pytest.approx(2.9)
    assert figures["p95_to_mix_solo"] == pytest.approx(7.6 / 2.0)
    assert figures["occupancy"] == pytest.approx(3 / 8)
    assert figures["idle_share"] == pytest.approx(0.25)
    assert figures["saturated_throughput"] == pytest.approx(4.0)
    assert figures["saturated_to_offline"] == pytest.approx(2.0)
    assert figures["max_submit_delay_s"] == 0.25


def test_errors_of_forecasts_are_those_of_jobs_that_had_to_wait() -> None:
    told = [
        replace(job(1, 3.0), predicted_start_s=predicted, had_to_wait=had_to_wait)
        for predicted, had_to_wait in ((101.5, True), (105.5, True), (2.0, False), (None, True))
    ]
    # They started at 102.5.
    error = StartError.of(told)
    assert (error.num_jobs, error.median_s) == (2, 2.0)
    assert error.p90_s == pytest.approx(2.8)
    assert StartError.of(told[2:]) == StartError(0, None, None)
    loaded = Run(told, LOADED.timeline)
    assert report(loaded).figures("continuous")["expected_start_error_s"]["median"] == 2.0
    assert report(loaded).figures("static")["expected_start_error_s"] is None
    assert "off by 2.00 s (median) and 2.80 s (90 %) over 2 jobs" in str(report(saturated=loaded))


def test_the_table_compares_and_says_what_is_missed() -> None:
    lines = str(report()).splitlines()
    assert "latency, 95 %                           7.60 s      7.60 s" in lines
    assert "slots occupied                             38%         38%" in lines
    assert [line for line in lines if line.startswith("Missed")] == [
        "Missed: p95 over solo latency is 3.80 for the mix (2.90 for each size by itself); the goal is 2.",
        "Missed: throughput at saturation is 50% of offline; the goal is 90%.",
        "Missed: the device is idle 25.0% of the time with occupied slots; the goal is 3%.",
    ]
    good = Run((job(1, 1.1), job(4, 2.1)), replace(LOADED.timeline, occupied=()))
    fine = str(report(good, run(job(1, 1.0), drawn=2.0)))
    assert "Missed" not in fine
    assert "Alone a job takes 1.00 s for 1, 2.00 s for 4, 4.00 s for 9 images." in fine
