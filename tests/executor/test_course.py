"""How often a job may lose its replica, and what tells a death from a cable that was cut. Pure."""

from bot.executor.course import MAX_DEATHS, MAX_LOSSES, Course
from bot.executor.scheduler import Job

from .drive import ask


def with_losses(*replicas: str) -> Course:
    """A course that lost these, one a second from 0 on, and no look since."""
    course = Course(Job(ask()))
    for now_s, course.replica_id in enumerate(replicas):
        course.lose(float(now_s))
    return course


def test_replicas_that_a_later_look_does_not_find_have_died() -> None:
    course = with_losses(*"abc"[:MAX_DEATHS])
    assert (course.is_in_doubt, course.is_in_vain) == (True, False)
    course.see({"d"}, 9.0)
    assert (course.is_in_doubt, course.is_in_vain) == (False, True)


def test_losses_within_a_moment_are_no_deaths_where_the_next_look_finds_all() -> None:
    """As where the bot's own cable is cut."""
    course = with_losses("a", "b", "c")
    course.see({"a", "b", "c"}, 9.0)
    assert (course.is_in_doubt, course.is_in_vain, course.missing) == (False, False, {})


def test_a_job_goes_on_at_once_until_it_might_be_the_one_that_kills() -> None:
    assert [with_losses(*"abc"[:n]).is_in_doubt for n in range(1, MAX_DEATHS + 1)] == [False] * (MAX_DEATHS - 1) + [
        True
    ]


def test_one_that_is_lost_twice_can_have_died_but_once() -> None:
    course = with_losses("a", "a", "b", "b")
    course.see({"d"}, 9.0)
    assert course.dead == {"a", "b"}
    assert not course.is_in_vain


def test_whoever_is_seen_again_was_not_killed() -> None:
    course = with_losses("a", "b", "c")
    course.see({"b"}, 0.5)
    assert (course.dead, course.missing) == ({"a"}, {"a": 0.0, "b": 1.0, "c": 2.0})
    course.see({"a", "b"}, 9.0)
    assert (course.dead, course.missing) == ({"c"}, {"c": 2.0})


def test_what_was_asked_before_the_loss_says_nothing_of_it() -> None:
    course = Course(Job(ask()), replica_id="a")
    course.lose(7.0)
    course.see({"a"}, 6.9)
    course.see({"b"}, 6.9)
    assert (course.missing, course.dead) == ({"a": 7.0}, set())
    course.see({"b"}, 8.0)
    assert (course.missing, course.dead) == ({"a": 7.0}, {"a"})


def test_a_job_does_not_begin_again_for_ever() -> None:
    course = Course(Job(ask()), replica_id="a")
    for number in range(1, MAX_LOSSES + 1):
        course.lose(float(number))
        assert course.is_in_vain == (number == MAX_LOSSES)
        course.see({"a"}, number + 0.5)
