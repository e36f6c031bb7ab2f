"""The simulated fleet: by hand where that is possible, and against what theory says of queues."""

import numpy as np
import pytest

from bot.bench.scale_model import Demand, EngineFacts, p95_wait_s, poisson, simulate, smallest_fleet
from bot.executor.pace import Pace

# Four slots, a second for each image, however many.
FACTS = EngineFacts(num_slots=4, image_length=10, chunk_tokens=5, pace=Pace(((1, 0.1),)))


def test_jobs_share_slots_and_wait_for_them() -> None:
    courses = simulate([Demand(0.0, 3), Demand(0.0, 2), Demand(0.1, 1)], FACTS, 1)
    assert [course.wait_s for course in courses] == pytest.approx([0.0, 0.5, 0.9])
    # The second one enters after a chunk, and its other image waits for a slot.
    assert [course.finished_s for course in courses] == pytest.approx([1.0, 2.0, 2.0])


def test_a_job_goes_where_most_slots_are_free_as_a_whole() -> None:
    courses = simulate([Demand(0.0, 3), Demand(0.1, 4)], FACTS, 2)
    assert [course.latency_s for course in courses] == pytest.approx([1.0, 1.0])


def test_what_comes_within_a_chunk_enters_after_it() -> None:
    first, second = simulate([Demand(0.0, 1), Demand(0.2, 1)], FACTS, 1)
    assert first.finished_s == pytest.approx(1.0)
    assert second.started_s == pytest.approx(0.5)


def test_more_occupied_slots_cost_more() -> None:
    facts = EngineFacts(num_slots=4, image_length=10, chunk_tokens=5, pace=Pace(((1, 0.1), (4, 0.4))))
    (alone,) = simulate([Demand(0.0, 1)], facts, 1)
    (full,) = simulate([Demand(0.0, 4)], facts, 1)
    assert (alone.latency_s, full.latency_s) == pytest.approx((1.0, 4.0))
    assert facts.images_per_s == pytest.approx(1.0)


def test_overhead_comes_on_top() -> None:
    facts = EngineFacts(num_slots=1, image_length=10, chunk_tokens=10, pace=Pace(((1, 0.1),)), overhead_s=0.25)
    (course,) = simulate([Demand(0.0, 1)], facts, 1)
    assert course.latency_s == pytest.approx(1.25)


def test_a_single_server_waits_as_theory_says() -> None:
    """M/D/1: the mean wait is load * service / (2 * (1 - load)) (Pollaczek and Khinchine)."""
    facts = EngineFacts(num_slots=1, image_length=1, chunk_tokens=1, pace=Pace(((1, 1.0),)))
    waits = [course.wait_s for course in simulate(poisson(0.7, 60_000, (1,), seed=1), facts, 1)]
    assert np.mean(waits) == pytest.approx(0.7 / (2 * 0.3), rel=0.08)


def test_the_smallest_fleet_is_enough_and_one_less_is_not() -> None:
    demands = poisson(10.0, 3000, (1, 4, 9), seed=2)
    num_replicas, courses = smallest_fleet(demands, FACTS, max_wait_s=0.6)
    assert p95_wait_s(courses) <= 0.6
    assert p95_wait_s(simulate(demands, FACTS, num_replicas - 1)) > 0.6
    assert num_replicas > 10.0 * 14 / 3 / FACTS.images_per_s


def test_arrivals_come_at_the_rate_and_sizes_in_equal_numbers() -> None:
    demands = poisson(5.0, 999, (1, 4, 9), seed=3)
    assert max(demand.at_s for demand in demands) == pytest.approx(999 / 5.0, rel=0.02)
    assert [sum(demand.num_images == size for demand in demands) for size in (1, 4, 9)] == [333, 333, 333]


def test_no_replica_draws_nothing() -> None:
    with pytest.raises(ValueError, match="at least one replica, not 0"):
        simulate([], FACTS, 0)
