"""In what order jobs that lost their replica go to others, and which of them wait. Pure."""

from bot.executor.course import MAX_DEATHS, Course
from bot.executor.returning import Returning
from bot.executor.scheduler import Job

from .drive import ask


def lost(num_replicas: int) -> Course:
    course = Course(Job(ask()))
    for number in range(num_replicas):
        course.replica_id = f"replica {number}"
        course.lose(1.0)
    return course


def test_one_that_may_kill_waits_for_the_next_look_and_holds_up_nobody() -> None:
    returning, doubtful, harmless = Returning(), lost(MAX_DEATHS), lost(1)
    for course in (doubtful, harmless):
        returning.add(course)
    assert (returning.take(), returning.take()) == (harmless, None)
    assert list(returning) == [doubtful]
    doubtful.see({"replica 0"}, 2.0)
    assert (returning.take_vain(), returning.take()) == ([], doubtful)


def test_one_that_has_killed_goes_to_nobody() -> None:
    returning, killer = Returning(), lost(MAX_DEATHS)
    returning.add(killer)
    killer.see({"another"}, 2.0)
    assert (returning.take_vain(), list(returning)) == ([killer], [])


def test_they_go_in_the_order_of_their_losses_and_can_be_taken_out() -> None:
    returning, courses = Returning(), [lost(1) for _ in range(3)]
    for course in courses:
        returning.add(course)
    returning.remove(courses[1])
    assert [returning.take(), returning.take(), returning.take()] == [courses[0], courses[2], None]
