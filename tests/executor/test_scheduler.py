import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import QueueFullError, UserLimitError
from bot.executor.scheduler import Admission, Job, Scheduler

from .drive import ask


def job(requester: str = "ann", num_images: int = 1) -> Job:
    return Job(ask(num_images=num_images, requester=requester))


def roomy() -> Scheduler:
    return Scheduler(max_jobs=1000, max_jobs_per_user=1000)


def test_requesters_take_turns() -> None:
    scheduler = roomy()
    jobs = {name: job(name[0]) for name in ("a1", "a2", "a3", "b1", "c1", "c2")}
    for each in jobs.values():
        scheduler.add(each)
    order = [jobs[name] for name in ("a1", "b1", "c1", "a2", "c2", "a3")]
    assert scheduler.positions() == {each: place for place, each in enumerate(order, start=1)}
    assert [admission.job for admission in scheduler.admit(6)] == order


def test_a_newcomer_starts_before_the_second_job_of_another() -> None:
    scheduler = roomy()
    first, second, newcomer = job("ann"), job("ann"), job("bob")
    assert scheduler.add(first) == 1
    assert scheduler.add(second) == 2
    assert scheduler.add(newcomer) == 2
    assert scheduler.positions()[second] == 3


def test_a_job_starts_with_fewer_slots_and_has_the_next_ones() -> None:
    scheduler = roomy()
    large, small = job("ann", 5), job("bob", 1)
    scheduler.add(large)
    scheduler.add(small)
    assert scheduler.admit(2) == [Admission(large, range(2))]
    assert scheduler.positions() == {small: 1}
    assert scheduler.admit(1) == [Admission(large, range(2, 3))]
    assert scheduler.admit(4) == [Admission(large, range(3, 5)), Admission(small, range(1))]
    assert not scheduler.has_images
    assert scheduler.admit(4) == []


def test_no_free_slot_starts_nothing() -> None:
    scheduler = roomy()
    scheduler.add(job())
    assert scheduler.admit(0) == []
    assert scheduler.num_waiting == 1


def test_a_job_that_ends_while_partly_in_leaves_the_turn_to_the_next() -> None:
    scheduler = roomy()
    large, small = job("ann", 5), job("bob", 2)
    scheduler.add(large)
    scheduler.add(small)
    scheduler.admit(2)
    assert scheduler.remove(large)
    assert scheduler.admit(9) == [Admission(small, range(2))]


def test_a_full_queue_is_refused_with_numbers() -> None:
    scheduler = Scheduler(max_jobs=2, max_jobs_per_user=2)
    scheduler.add(job("ann"))
    scheduler.add(job("bob"))
    scheduler.admit(1)
    with pytest.raises(QueueFullError, match=r"full: 2 of 2 places are taken\. Try again in a few minutes"):
        scheduler.add(job("eve"))


def test_the_limit_per_user_counts_waiting_and_started_jobs() -> None:
    scheduler = Scheduler(max_jobs=9, max_jobs_per_user=2)
    started, waiting = job("ann"), job("ann")
    scheduler.add(started)
    scheduler.add(waiting)
    scheduler.admit(1)
    with pytest.raises(
        UserLimitError,
        match=r"You have 2 unfinished requests, and 2 is the limit for one person: wait until one is done\.$",
    ):
        scheduler.add(job("ann"))
    scheduler.add(job("bob"))
    scheduler.remove(started)
    scheduler.add(job("ann"))


def test_no_limit_refuses_a_job_that_was_accepted_before_but_it_counts() -> None:
    scheduler = Scheduler(max_jobs=3, max_jobs_per_user=1)
    assert [scheduler.add(job("ann"), accepted_before=True) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(QueueFullError, match="4 of 3 places are taken"):
        scheduler.add(job("bob"))
    with pytest.raises(UserLimitError, match="You have 4 unfinished requests"):
        scheduler.add(job("ann"))


def test_a_job_is_removed_once() -> None:
    scheduler = roomy()
    waiting = job()
    scheduler.add(waiting)
    assert scheduler.remove(waiting)
    assert not scheduler.remove(waiting)
    assert not scheduler.remove(job("stranger"))
    assert not scheduler.has_images


def test_clear_forgets_waiting_started_and_partly_started_jobs() -> None:
    scheduler = roomy()
    for each in (job("ann"), job("bob", 3), job("cyd")):
        scheduler.add(each)
    scheduler.admit(2)
    scheduler.clear()
    assert (scheduler.num_waiting, scheduler.started, scheduler.has_images) == (0, (), False)
    newcomer = job()
    assert scheduler.add(newcomer) == 1
    assert scheduler.admit(1) == [Admission(newcomer, range(1))]


def test_two_submissions_of_one_request_are_two_jobs() -> None:
    scheduler = roomy()
    request = ask()
    first, second = Job(request), Job(request)
    scheduler.add(first)
    scheduler.add(second)
    assert scheduler.remove(first)
    assert scheduler.positions() == {second: 1}


@pytest.mark.parametrize("name", ["max_jobs", "max_jobs_per_user"])
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Scheduler(**{"max_jobs": 1, "max_jobs_per_user": 1, name: 0})


USERS = ["ann", "bob", "cyd"]
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(USERS), st.integers(1, 9)),
        st.tuples(st.just("admit"), st.none(), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.none(), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_whatever_happens_the_books_are_right(operations: list[tuple[str, str | None, int]]) -> None:
    """Every image once and in order; the limits hold; positions are 1 to n and come true."""
    scheduler = Scheduler(max_jobs=8, max_jobs_per_user=4)
    alive: list[Job] = []
    admitted: dict[Job, int] = {}
    for operation, user, number in operations:
        if operation == "add":
            assert user is not None
            new = job(user, number)
            own = sum(each.request.requester == user for each in alive)
            try:
                position = scheduler.add(new)
            except UserLimitError:
                assert own == 4
            except QueueFullError:
                assert len(alive) == 8
            else:
                assert own < 4
                assert len(alive) < 8
                assert position == scheduler.positions()[new]
                alive.append(new)
        elif operation == "admit":
            predicted = list(scheduler.positions())
            admissions = scheduler.admit(number)
            starts = [admission.job for admission in admissions if admission.images.start == 0]
            assert starts == predicted[: len(starts)]
            for admission in admissions:
                assert admission.images.start == admitted.get(admission.job, 0)
                assert len(admission.images) > 0
                admitted[admission.job] = admission.images.stop
            num_admitted = sum(len(admission.images) for admission in admissions)
            assert num_admitted <= number
            assert num_admitted == number or not scheduler.has_images
        elif alive:
            assert scheduler.remove(alive.pop(number % len(alive)))
        waiting = [each for each in alive if each not in admitted]
        assert set(scheduler.positions()) == set(waiting)
        assert sorted(scheduler.positions().values()) == list(range(1, len(waiting) + 1))
        assert scheduler.num_waiting == len(waiting)
        assert set(scheduler.started) == {each for each in alive if each in admitted}
        partly_in = [each for each in alive if 0 < admitted.get(each, 0) < each.request.num_images]
        assert len(partly_in) <= 1


@settings(deadline=None)
@given(OPERATIONS)
def test_nobody_starves(operations: list[tuple[str, str | None, int]]) -> None:
    """While a job waits, each other requester starts at most one job more than its own requester has before it."""
    scheduler = roomy()
    bounds: dict[Job, int] = {}
    overtaken: dict[Job, dict[str, int]] = {}
    for operation, user, number in operations:
        if operation == "add":
            assert user is not None
            new = job(user, number)
            bounds[new] = 1 + sum(each.request.requester == user for each in scheduler.positions())
            overtaken[new] = dict.fromkeys(USERS, 0)
            scheduler.add(new)
        elif operation == "admit":
            for admission in scheduler.admit(number):
                for each in scheduler.positions() if admission.images.start == 0 else ():
                    overtaken[each][admission.job.request.requester] += 1
        for each in scheduler.positions():
            assert max(overtaken[each].values()) <= bounds[each]
