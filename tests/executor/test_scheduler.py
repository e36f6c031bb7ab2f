import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import QueueFullError, UserLimitError
from bot.executor.scheduler import Admission, Job, Lineup, Scheduler

from .drive import ask


def job(requester: str = "ann", num_images: int = 1) -> Job:
    return Job(ask(num_images=num_images, requester=requester))


def roomy() -> Scheduler:
    return Scheduler(max_jobs=1000, max_jobs_per_user=1000)


def waiting(scheduler: Scheduler) -> list[Job]:
    return list(scheduler.lineup.waiting)


def test_jobs_start_by_turns_of_guilds_and_users() -> None:
    scheduler = Scheduler(max_jobs=99, max_jobs_per_user=99, guild_weights={"big": 2.0})
    a1, a2, b1 = (Job(ask(requester=user, guild="small")) for user in "aab")
    big = [Job(ask(requester=user, guild="big")) for user in "cdef"]
    for each in (a1, a2, b1, *big):
        scheduler.add(each)
    order = [big[0], a1, big[1], big[2], b1, big[3], a2]
    assert waiting(scheduler) == order
    assert [admission.job for admission in scheduler.admit(7)] == order


def test_a_heavier_request_has_a_larger_share() -> None:
    scheduler = roomy()
    light = [Job(ask(requester="ann")) for _ in range(2)]
    heavy = [Job(ask(requester="bob", weight=2.0)) for _ in range(4)]
    for each in (*light, *heavy):
        scheduler.add(each)
    assert waiting(scheduler) == [heavy[0], light[0], heavy[1], heavy[2], light[1], heavy[3]]


def test_add_tells_the_position() -> None:
    scheduler = roomy()
    assert [scheduler.add(job(user)) for user in ("ann", "ann", "bob", "ann")] == [1, 2, 2, 4]


def test_a_job_starts_with_fewer_slots_and_has_the_next_ones() -> None:
    scheduler = roomy()
    large, small = job("ann", 5), job("bob", 5)
    scheduler.add(large)
    scheduler.add(small)
    assert scheduler.admit(2) == [Admission(large, range(2))]
    assert scheduler.lineup == Lineup((Admission(large, range(2, 5)),), (small,))
    assert scheduler.admit(1) == [Admission(large, range(2, 3))]
    assert scheduler.admit(4) == [Admission(large, range(3, 5)), Admission(small, range(2))]
    assert scheduler.admit(9) == [Admission(small, range(2, 5))]
    assert not scheduler.has_images
    assert scheduler.admit(4) == []


def test_after_a_restart_what_had_started_goes_first_and_from_its_beginning() -> None:
    scheduler = roomy()
    whole, partly, late = job("ann", 1), job("bob", 3), job("cyd", 9)
    for each in (whole, partly, late):
        scheduler.add(each)
    scheduler.admit(2)
    scheduler.restart()
    assert scheduler.started == (whole, partly)
    assert scheduler.admit(3) == [Admission(whole, range(1)), Admission(partly, range(2))]
    assert scheduler.remove(partly)
    assert scheduler.admit(9) == [Admission(late, range(9))]


async def told(is_alone: bool) -> None:
    """What a job that is drawn alone has."""


def test_a_job_that_is_to_be_alone_goes_first_and_nothing_starts_beside_it() -> None:
    scheduler = roomy()
    before, early, late = job("ann"), job("bob"), job("eve")
    alone = [Job(ask(requester=user, num_images=3), told) for user in ("cyd", "dan")]
    scheduler.add(before)
    assert scheduler.admit(1) == [Admission(before, range(1))]
    scheduler.add(early)
    assert [scheduler.add(each) for each in alone] == [1, 2]
    assert scheduler.add(late) == 4
    assert waiting(scheduler) == [*alone, early, late]
    assert scheduler.num_waiting == 4
    # What was there before them is drawn to its end.
    assert (scheduler.admit(9), scheduler.has_images) == ([], False)
    scheduler.remove(before)
    assert scheduler.has_images
    assert scheduler.admit(2) == [Admission(alone[0], range(2))]
    assert scheduler.admit(9) == [Admission(alone[0], range(2, 3))]
    assert (scheduler.admit(9), scheduler.has_images) == ([], False)
    scheduler.restart()
    assert scheduler.admit(9) == [Admission(alone[0], range(3))]
    scheduler.remove(alone[0])
    assert scheduler.admit(9) == [Admission(alone[1], range(3))]
    assert scheduler.admit(9) == []
    scheduler.remove(alone[1])
    assert [admission.job for admission in scheduler.admit(9)] == [early, late]


def test_a_job_that_is_to_be_alone_counts_and_can_be_taken_back() -> None:
    scheduler = Scheduler(max_jobs=2, max_jobs_per_user=1, max_jobs_per_guild=1)
    alone = Job(ask(requester="ann", guild="1"), told)
    scheduler.add(alone)
    with pytest.raises(UserLimitError):
        scheduler.add(job("ann"))
    with pytest.raises(QueueFullError, match="This server has 1 unfinished jobs"):
        scheduler.add(Job(ask(requester="bob", guild="1")))
    assert scheduler.remove(alone)
    assert not scheduler.remove(alone)
    scheduler.add(alone)
    assert scheduler.dismiss() == (alone,)
    scheduler.add(alone)
    scheduler.clear()
    assert (scheduler.num_waiting, scheduler.has_images) == (0, False)
    scheduler.add(alone)
    assert scheduler.start() is alone


def test_a_guild_that_waits_is_demand_once_whatever_waits_in_it() -> None:
    scheduler = Scheduler(max_jobs=99, max_jobs_per_user=99, guild_weights={"big": 2.0, "small": 0.5})
    assert scheduler.demand() == 0.0
    for guild, alone in (("big", None), ("big", told), ("small", told), ("small", told)):
        scheduler.add(Job(ask(guild=guild), alone))
    assert scheduler.demand() == 2.5
    assert scheduler.demand(["small", "another", "another"]) == 3.5
    for _ in range(3):
        scheduler.start()
    assert scheduler.demand() == 2.0


def test_no_free_slot_starts_nothing() -> None:
    scheduler = roomy()
    scheduler.add(job())
    assert scheduler.admit(0) == []
    assert scheduler.num_waiting == 1


def test_a_job_that_ends_while_partly_in_leaves_the_turn_to_the_next() -> None:
    scheduler = roomy()
    large, other = job("ann", 5), job("bob", 6)
    scheduler.add(large)
    scheduler.add(other)
    scheduler.admit(2)
    assert scheduler.remove(large)
    assert scheduler.admit(9) == [Admission(other, range(6))]


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


def test_room_for_several_is_for_all_of_them_or_none() -> None:
    scheduler = Scheduler(max_jobs=4, max_jobs_per_user=3)
    scheduler.add(job("ann"))
    scheduler.check_room("ann", 2)
    with pytest.raises(UserLimitError, match=r"You ask for 3 jobs and have 1 unfinished; 3 is the limit"):
        scheduler.check_room("ann", 3)
    scheduler.add(job("bob"))
    with pytest.raises(QueueFullError, match=r"no room for 3 jobs: 2 of 4 places are taken"):
        scheduler.check_room("eve", 3)
    scheduler.check_room("eve", 2)
    scheduler.add(job("eve"))
    scheduler.add(job("eve"))


def test_the_limit_per_guild_counts_all_its_users() -> None:
    scheduler = Scheduler(max_jobs=9, max_jobs_per_user=9, max_jobs_per_guild=2)
    for user in ("ann", "bob"):
        scheduler.add(job(user))
    scheduler.admit(1)
    sentence = r"This server has 2 unfinished jobs, and 2 is the limit for one server\. Try again in a few minutes\."
    with pytest.raises(QueueFullError, match=sentence):
        scheduler.add(job("eve"))
    with pytest.raises(QueueFullError, match=sentence):
        scheduler.check_room("eve", 1, guild=job("eve").request.guild)
    scheduler.check_room("eve", 1, guild="another")
    scheduler.check_room("eve", 0, guild=job("eve").request.guild)


def test_jobs_that_are_dismissed_wait_no_more() -> None:
    scheduler = Scheduler(max_jobs=9, max_jobs_per_user=9)
    started, waiting = job("ann", 2), job("bob")
    scheduler.add(started)
    scheduler.admit(1)
    scheduler.add(waiting)
    assert scheduler.dismiss() == (waiting,)
    assert scheduler.admit(9) == [Admission(started, range(1, 2))]
    assert (scheduler.num_waiting, scheduler.has_images) == (0, False)


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
    assert waiting(scheduler) == [second]


@pytest.mark.parametrize("weight", [0.0, -1.0, 100.5, math.nan])
def test_a_guild_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"The weight of guild 7 must be between 0\.01 and 100"):
        Scheduler(max_jobs=1, max_jobs_per_user=1, guild_weights={"6": 1.0, "7": weight})


@pytest.mark.parametrize("name", ["max_jobs", "max_jobs_per_user"])
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Scheduler(max_jobs=int(name != "max_jobs"), max_jobs_per_user=int(name == "max_jobs"))


USERS = ["ann", "bob", "cyd"]
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "add", "add alone"]), st.sampled_from(USERS), st.integers(1, 9)),
        st.tuples(st.just("admit"), st.none(), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.none(), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_whatever_happens_the_books_are_right(operations: list[tuple[str, str | None, int]]) -> None:
    """Every image once and in order; the limits hold; the order comes true."""
    scheduler = Scheduler(max_jobs=8, max_jobs_per_user=4)
    alive: list[Job] = []
    admitted: dict[Job, int] = {}
    for operation, user, number in operations:
        if operation.startswith("add"):
            assert user is not None
            new = Job(ask(num_images=number, requester=user), told if operation == "add alone" else None)
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
                assert waiting(scheduler).index(new) == position - 1
                alive.append(new)
        elif operation == "admit":
            predicted = waiting(scheduler)
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
        left = [each for each in alive if each not in admitted]
        assert set(waiting(scheduler)) == set(left)
        assert scheduler.num_waiting == len(waiting(scheduler)) == len(left)
        assert set(scheduler.started) == {each for each in alive if each in admitted}
        partly_in = [each for each in alive if 0 < admitted.get(each, 0) < each.request.num_images]
        assert len(partly_in) <= 1
        assert len(scheduler.started) <= 1 or all(each.alone is None for each in scheduler.started)
