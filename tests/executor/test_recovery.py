"""What becomes of the jobs when the device fails and the engine loses the state of every slot."""

import logging
from collections.abc import Sequence

import pytest

from bot.engine.base import Prefix, SlotAssignment
from bot.engine.fake import FakeEngine, Faults, Verb
from bot.errors import ExecutorClosedError
from bot.executor.events import EngineFailed, Event, JobFailure, JobUpdate
from bot.executor.scheduler import Job
from bot.language import Text
from bot.requests import Progress, Started

from .drive import ask, check_result
from .play import FakeClock, Play

pytestmark = pytest.mark.fault

VERBS: list[Verb] = ["insert", "step", "wait", "collect", "wait for images", "free"]


@pytest.mark.parametrize("verb", VERBS)
def test_jobs_of_a_lost_state_start_again_and_give_the_same_pictures(
    verb: Verb, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(4)]
    engine = FakeEngine(num_slots=4, faults=Faults(raises={(verb, 1): RuntimeError("boom")}))
    play = Play(*requests).run(engine)
    for number, request in enumerate(requests):
        check_result(play.result(number), request, engine.info)
        assert play.updates(number).count(Started()) == 1
    assert engine.calls["reset"] == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert all(request.job_id in record.getMessage() for request in requests[:2])
    assert record.exc_info is not None
    assert "boom" in str(record.exc_info[1])


def test_jobs_start_again_before_others_start() -> None:
    engine = FakeEngine(num_slots=2, image_length=16, faults=Faults(raises={("wait", 4): RuntimeError("boom")}))
    large, small = ask(num_images=4), ask("small", 4, requester="bob")
    play = Play(large, small).run(engine)
    for number, request in enumerate((large, small)):
        check_result(play.result(number), request, engine.info)
    inserted = [(a.row, a.index) for a in engine.assignments]
    assert inserted == [(0, n) for n in (0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3)]


def test_a_job_that_starts_again_counts_its_seconds_from_the_first_start() -> None:
    clock = FakeClock()
    faults = Faults(raises={("wait", 3): RuntimeError("boom")})
    engine = FakeEngine(image_length=16, delay_s=1.0, sleep=clock.sleep, faults=faults)
    play = Play(ask(), clock=clock).run(engine)
    assert play.result(0).seconds == 2.0 + 4.0


def test_what_is_lost_twice_fails_and_what_waits_goes_on() -> None:
    raises: dict[tuple[Verb, int], Exception] = {
        ("step", 2): RuntimeError("boom"),
        ("step", 4): RuntimeError("boom again"),
    }
    engine = FakeEngine(num_slots=2, image_length=16, faults=Faults(raises=raises))
    large, small = ask(num_images=9), ask("small", 9, requester="bob")
    play = Play(large, small).run(engine)
    assert play.failure(0).startswith("The picture was lost twice. The engine failed in an unexpected way")
    check_result(play.result(1), small, engine.info)
    assert sum(isinstance(event, JobFailure) for event in play.events) == 1
    assert engine.num_occupied == 0


class PoisonedEngine(FakeEngine):
    """Loses its state whenever a certain seed is inserted."""

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        if any(a.seed == 666 for a in assignments):
            raise RuntimeError("boom")
        super().insert(prefix, assignments)


def test_a_job_that_costs_the_state_at_each_insert_fails_alone() -> None:
    requests = [ask(f"prompt {n}", seed=seed, requester=f"user {n}") for n, seed in enumerate([1, 666, 2, 666, 3])]
    engine = PoisonedEngine(num_slots=6)
    play = Play(*requests).run(engine)
    for number in (1, 3):
        assert play.failure(number).startswith("The picture could not be started. The engine failed")
    for number in (0, 2, 4):
        check_result(play.result(number), requests[number], engine.info)
        assert play.updates(number).count(Started()) == 1
    assert engine.num_occupied == 0


def test_a_job_that_is_cancelled_when_the_state_is_lost_is_not_heard_of_again() -> None:
    engine = FakeEngine(num_slots=2, faults=Faults(raises={("wait", 2): RuntimeError("boom")}))
    play = Play(ask(), ask("kept", requester="bob"))

    def cancel(event: Event) -> None:
        if event == JobUpdate(play.jobs[0], Progress(4, 16)):
            assert play.backlog.cancel(play.jobs[0])

    play.on_event = cancel
    play.run(engine)
    assert play.updates(0) == [Started(), Progress(4, 16)]
    check_result(play.result(1), play.jobs[1].request, engine.info)


def test_a_reset_that_fails_ends_everything(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(raises={("step", 1): RuntimeError("boom"), ("reset", 1): RuntimeError("gone")})
    play = Play(ask(num_images=4), ask()).run(FakeEngine(num_slots=4, faults=faults))
    sentence = "The image engine failed and could not recover: restart the bot. Its log holds the reason."
    assert play.events[-1] == EngineFailed(Text(sentence))
    assert not any(isinstance(event, JobFailure) for event in play.events)
    with pytest.raises(ExecutorClosedError, match="restart the bot"):
        play.backlog.add(Job(ask()))
