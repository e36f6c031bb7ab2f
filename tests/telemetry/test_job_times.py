"""What the states of jobs say about time."""

import pytest

from bot.telemetry.job_times import MAX_JOBS, JobTimes
from bot.telemetry.metrics import Metrics


class Watched:
    """JobTimes with a clock that stands still until `move` sets it."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.now_s = 0.0
        self.times = JobTimes(self.metrics, lambda: self.now_s)

    def move(self, state: str, at_s: float = 0.0, job_id: str = "a") -> None:
        self.now_s = at_s
        self.times.moved(job_id, state)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"dalle_bot_{name}", labels)


def test_a_job_is_timed_from_its_acceptance_and_its_delivery_from_its_pictures() -> None:
    watched = Watched()
    for state, at_s in (("received", 1.0), ("acknowledged", 1.5), ("queued", 1.5), ("running", 2.0)):
        watched.move(state, at_s)
    watched.move("delivering", 9.0)
    watched.move("delivered", 11.0)
    assert watched.value("job_seconds_sum") == 10.0
    assert watched.value("delivery_seconds_sum") == 2.0
    assert watched.value("resumed_jobs_total") == 0
    assert watched.value("job_transitions_total", state="running") == 1


def test_what_moderators_take_is_not_the_bots_time() -> None:
    watched = Watched()
    for state in ("received", "acknowledged", "in_review", "queued", "running", "delivering"):
        watched.move(state, 5.0)
    watched.move("delivered", 6.0)
    assert watched.value("job_seconds_count") == 0
    assert watched.value("delivery_seconds_sum") == 1.0


@pytest.mark.parametrize("first", ["queued", "running", "delivering"])
def test_a_job_of_an_earlier_run_counts_as_resumed_once_and_is_not_timed(first: str) -> None:
    watched = Watched()
    watched.move(first)
    watched.move("delivering", 1.0)
    watched.move("delivered", 3.0)
    assert watched.value("resumed_jobs_total") == 1
    assert watched.value("job_seconds_count") == 0
    assert watched.value("delivery_seconds_sum") == 2.0


@pytest.mark.parametrize("end", ["failed", "expired", "cancelled"])
def test_a_job_of_an_earlier_run_that_only_ends_was_not_resumed(end: str) -> None:
    watched = Watched()
    watched.move(end)
    assert watched.value("resumed_jobs_total") == 0
    assert watched.value("job_transitions_total", state=end) == 1


def test_what_is_remembered_is_bounded() -> None:
    watched = Watched()
    for number in range(MAX_JOBS + 1):
        watched.move("received", job_id=str(number))
    watched.move("delivered", 1.0, job_id="0")
    watched.move("delivered", 1.0, job_id="1")
    assert watched.value("job_seconds_count") == 1, "the oldest was forgotten"
