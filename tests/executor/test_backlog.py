import threading

import pytest

from bot.errors import ExecutorClosedError
from bot.executor.backlog import Backlog
from bot.executor.scheduler import Admission, Job, Lineup, Scheduler
from bot.language import Text

from .drive import PATIENCE_S, ask


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(Scheduler(max_jobs=9, max_jobs_per_user=9))


def test_a_cancelled_waiting_job_is_no_concern_of_the_engine_thread(backlog: Backlog) -> None:
    job = Job(ask())
    backlog.add(job)
    assert backlog.cancel(job)
    assert backlog.take_cancelled() == []
    assert backlog.admit(9) == []
    assert not backlog.cancel(job)


def test_a_cancelled_started_job_is_reported_once_and_can_not_finish(backlog: Backlog) -> None:
    job = Job(ask())
    backlog.add(job)
    backlog.admit(9)
    assert backlog.cancel(job)
    assert not backlog.finish(job)
    assert backlog.take_cancelled() == [job]
    assert backlog.take_cancelled() == []


def test_a_finished_job_can_not_be_cancelled(backlog: Backlog) -> None:
    job = Job(ask())
    backlog.add(job)
    backlog.admit(9)
    assert backlog.started() == (job,)
    assert backlog.finish(job)
    assert not backlog.cancel(job)
    assert backlog.counts() == (0, 0)


def test_a_restart_brings_back_what_had_started_and_was_not_cancelled(backlog: Backlog) -> None:
    kept, cancelled, late = Job(ask(num_images=2)), Job(ask()), Job(ask(num_images=9))
    for job in (kept, cancelled, late):
        backlog.add(job)
    backlog.admit(3)
    backlog.cancel(cancelled)
    backlog.restart()
    assert backlog.lineup() == Lineup((Admission(kept, range(2)),), (late,))


def test_close_forgets_all_jobs_and_keeps_its_first_sentence(backlog: Backlog) -> None:
    backlog.add(Job(ask()))
    backlog.close(Text("The first."))
    backlog.close(Text("The second."))
    assert backlog.counts() == (0, 0)
    with pytest.raises(ExecutorClosedError, match=r"The first\."):
        backlog.add(Job(ask()))
    assert not backlog.wait(PATIENCE_S)


def test_an_idle_wait_ends_at_its_timeout(backlog: Backlog) -> None:
    assert backlog.wait(0.001)


@pytest.mark.parametrize("event", ["add", "cancel", "close"])
def test_an_idle_wait_is_woken(backlog: Backlog, event: str) -> None:
    started = Job(ask())
    backlog.add(started)
    backlog.admit(1)
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(backlog.wait(10 * PATIENCE_S)))
    thread.start()
    match event:
        case "add":
            backlog.add(Job(ask()))
        case "cancel":
            backlog.cancel(started)
        case _:
            backlog.close(Text("Stopping."))
    thread.join(PATIENCE_S)
    assert woken == [event != "close"]
