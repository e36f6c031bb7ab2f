"""How often a job may lose its replica, and what tells a death from a cable that was cut. Pure."""

from bot.executor.course import MAX_DEATHS, MAX_LOSSES, Course
from bot.executor.scheduler import Job

from .drive import ask


def lost_at(*replicas: str) -> list[bool]:
    """What each loss says: is it one too many?"""
    course = Course(Job(ask()))
    outcomes = []
    for now_s, course.replica_id in enumerate(replicas):
        outcomes.append(course.lose(float(now_s)))
    return outcomes


def test_replicas_that_are_not_seen_again_are_counted() -> None:
    assert lost_at("a", "b", "c") == [False] * (MAX_DEATHS - 1) + [True]


def test_one_that_is_lost_twice_can_have_died_but_once() -> None:
    assert lost_at("a", "a", "b", "b", "c") == [False] * 4 + [True]


def test_whoever_is_seen_again_was_not_killed() -> None:
    course = Course(Job(ask()))
    for now_s, course.replica_id in enumerate(("a", "b", "a", "b", "a")):
        assert not course.lose(float(now_s))
        course.see({"a", "b"}, now_s + 0.5)
    assert course.missing == {}


def test_what_was_asked_before_the_loss_says_nothing_of_it() -> None:
    course = Course(Job(ask()), replica_id="a")
    course.lose(7.0)
    course.see({"a"}, 6.9)
    course.see({"b"}, 8.0)
    assert course.missing == {"a": 7.0}


def test_a_job_does_not_begin_again_for_ever() -> None:
    course = Course(Job(ask()), replica_id="a")
    for number in range(1, MAX_LOSSES + 1):
        assert course.lose(float(number)) == (number == MAX_LOSSES)
        course.see({"a"}, number + 0.5)
