"""Static batching as a rule of admission."""

from bot.bench.serve_policy import PolicyScheduler
from bot.executor.scheduler import Job
from bot.requests import GenerationRequest


def job(num_images: int, requester: str) -> Job:
    return Job(GenerationRequest("a red circle", num_images, 0, requester))


def scheduler(*jobs: Job) -> PolicyScheduler:
    made = PolicyScheduler(max_jobs=100, max_jobs_per_user=100)
    for each in jobs:
        made.add(each)
    return made


def admitted(made: PolicyScheduler, num_free: int) -> list[tuple[str, range]]:
    return [(admission.job.request.requester, admission.images) for admission in made.admit(num_free)]


def test_static_admits_only_when_nothing_runs() -> None:
    made = scheduler(job(2, "ann"))
    made.batch_slots = 4
    assert admitted(made, 4) == [("ann", range(2))]
    made.add(job(1, "bob"))
    # Two slots are free, and stay so until the batch is done.
    assert admitted(made, 2) == []
    assert admitted(made, 3) == []
    assert made.has_images
    assert admitted(made, 4) == [("bob", range(1))]


def test_static_fills_all_slots_and_goes_on_with_the_next_batch() -> None:
    made = scheduler(job(3, "ann"), job(3, "bob"), job(3, "cyd"))
    made.batch_slots = 4
    assert admitted(made, 4) == [("ann", range(3)), ("bob", range(1))]
    assert admitted(made, 4) == [("bob", range(1, 3)), ("cyd", range(2))]
    assert admitted(made, 4) == [("cyd", range(2, 3))]


def test_without_batches_it_admits_as_the_product_does() -> None:
    made = scheduler(job(3, "ann"), job(3, "bob"))
    assert admitted(made, 1) == [("ann", range(1))]
    assert admitted(made, 4) == [("ann", range(1, 3)), ("bob", range(2))]
