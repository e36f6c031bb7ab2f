"""The engine thread's program: what it asks of the engine, in which order, and what it posts."""

import gc
import logging
import weakref
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bot.engine.base import Engine, FailedSlot, PromptText
from bot.engine.fake import FakeEngine, FakePending, FakePrefix, Faults
from bot.engine.fake_pictures import expected_label_vector
from bot.errors import CheckpointNotFoundError, InvalidParameterError
from bot.executor.backlog import Backlog
from bot.executor.events import EngineFailed, EngineReady, Event, JobFailure, JobUpdate, QuestionAnswered
from bot.executor.questions import Question
from bot.executor.scheduler import Scheduler
from bot.executor.worker import run_engine
from bot.language import Text
from bot.requests import GeneratedImage, Progress, Started

from .drive import ask, check_result
from .play import FakeClock, Play


def test_a_job_starts_progresses_and_finishes() -> None:
    request = ask(num_images=2, seed=3)
    engine = FakeEngine(num_slots=2, image_length=10)
    play = Play(request).run(engine, chunk_tokens=4)
    assert play.events[0] == EngineReady(engine.info)
    assert play.updates(0)[:-1] == [Started(), Progress(8, 20), Progress(16, 20), Progress(20, 20)]
    result = play.result(0)
    check_result(result, request, engine.info)
    assert result.model == "fake"
    assert result.sampling == engine.info.sampling


def test_a_result_tells_the_seconds_since_its_start() -> None:
    clock = FakeClock()
    requests = [ask(), ask(requester="bob")]
    play = Play(*requests, clock=clock).run(FakeEngine(num_slots=1, image_length=16, delay_s=0.5, sleep=clock.sleep))
    # The second one is in as soon as the last chunk of the first was dispatched, and its own chunks follow on that.
    assert [play.result(number).seconds for number in (0, 1)] == [2.0, 2.5]


def test_the_start_and_the_end_of_a_job_are_logged_without_its_prompt(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    request = ask("a secret wish", 3)
    with caplog.at_level(logging.INFO, "bot.executor"):
        Play(request, clock=clock).run(FakeEngine(num_slots=3, delay_s=0.25, sleep=clock.sleep))
    assert caplog.messages[1:] == [
        f"Job {request.job_id} starts: 3 images.",
        f"Job {request.job_id} is done: 3 images in 1.00 s.",
    ]


def test_the_device_is_never_waited_for_before_it_has_its_next_work() -> None:
    """Two images one after the other in one slot: the second is in before the first one's last chunk is waited for."""
    engine = FakeEngine(num_slots=1, image_length=8)
    Play(ask(num_images=2)).run(engine, chunk_tokens=4)
    first = ["prefill", "insert", "step", "step", "collect", "free", "wait"]
    second = ["insert", "step", "wait", "wait for images", "step", "collect", "free", "wait", "wait", "wait for images"]
    assert engine.log == first + second


def test_a_slot_is_refilled_for_the_chunk_after_the_one_that_completes_it() -> None:
    requests = [ask("short", image_tokens=range(150)), ask("long", requester="bob"), ask("next", requester="cyd")]
    engine = FakeEngine(num_slots=2, image_length=160)
    play = Play(*requests)
    num_calls: list[tuple[int, int]] = []

    def look(event: Event) -> None:
        if event == JobUpdate(play.jobs[2], Started()):
            num_calls.append((engine.calls["step"], engine.calls["wait"]))

    play.on_event = look
    play.run(engine, chunk_tokens=10)
    assert num_calls == [(1, 0)]


def test_codes_of_another_model_are_drawn_on_from_by_nobody() -> None:
    codes = range(4)
    requests = [
        ask(image_tokens=codes, codes_of="mega"),
        ask(image_tokens=codes, codes_of="fake"),
        ask(image_tokens=codes),
        ask(codes_of="mega"),
    ]
    engine = FakeEngine(num_slots=1)
    play = Play(*requests).run(engine)
    assert play.failure(0) == "This job goes on from a picture of the model mega, and the bot has fake now."
    for number in (1, 2, 3):
        check_result(play.result(number), requests[number], engine.info)


def test_a_text_is_dispatched_before_a_chunk_and_taken_after_the_next_one() -> None:
    engine = FakeEngine(num_slots=1, image_length=16, text_polls=2)
    play = Play(ask())
    question = Question("a red circle")
    play.backlog.ask(question)
    play.run(engine, chunk_tokens=4)
    (answered,) = [event for event in play.events if isinstance(event, QuestionAnswered)]
    assert answered.question is question
    assert engine.log[:9] == [
        "prefill",
        "insert",
        "text_vector",
        "step",
        "step",
        "wait",
        "wait for text",
        "step",
        "wait",
    ]


def test_nobody_is_kept_waiting_for_a_text_while_nothing_is_drawn() -> None:
    engine = FakeEngine(text_polls=1_000_000)
    backlog = Backlog(Scheduler(max_jobs=1, max_jobs_per_user=1))
    backlog.ask(Question("a red circle"))

    def post(event: Event) -> None:
        if isinstance(event, QuestionAnswered):
            backlog.close(Text("Enough."))

    run_engine(lambda: engine, backlog, post, chunk_tokens=4)
    assert engine.log == ["text_vector", "wait for text"]


def test_a_text_that_a_lost_state_takes_along_is_not_left_open() -> None:
    play = Play(ask())
    play.backlog.ask(Question("a red circle"))
    play.run(FakeEngine(faults=Faults(raises={("step", 1): RuntimeError("boom")})))
    (answered,) = [event for event in play.events if isinstance(event, QuestionAnswered)]
    assert answered.vector is None
    assert play.result(0).images


def test_labels_are_read_once_per_job_and_score_every_picture() -> None:
    labels = ("a cat", "a dog", "nothing")
    requests = [ask(num_images=3, labels=labels), ask(requester="bob")]
    engine = FakeEngine(num_slots=2)
    play = Play(*requests).run(engine)
    vectors = [expected_label_vector(label) for label in labels]
    for image in play.result(0).images:
        assert image.label_scores.dtype == np.float32
        assert image.label_scores.tolist() == [vector[image.index] for vector in vectors]
    assert play.result(1).images[0].label_scores.shape == (0,)
    assert engine.calls["label_vectors"] == 1


def test_a_label_that_can_not_be_read_fails_exactly_its_job() -> None:
    requests = [ask(labels=("bad",)), ask(requester="bob", labels=("good",))]
    play = Play(*requests).run(FakeEngine(faults=Faults(refused_prompts=["bad"])))
    assert play.failure(0).startswith("The model could not read the prompt.")
    check_result(play.result(1), requests[1], FakeEngine().info)


def test_prompts_that_wait_together_are_prefilled_together_and_once() -> None:
    requests = [ask(f"prompt {n}", 3, seed=n, requester=f"user {n}") for n in range(3)]
    engine = FakeEngine(num_slots=4)
    play = Play(*requests).run(engine)
    for number, request in enumerate(requests):
        check_result(play.result(number), request, engine.info)
    assert engine.prompts == [PromptText(request.prompt) for request in requests]
    assert engine.calls["prefill"] == 2


def test_a_job_with_more_images_than_slots_runs_in_waves_from_one_prefill() -> None:
    request = ask(num_images=9)
    engine = FakeEngine(num_slots=2)
    play = Play(request).run(engine)
    check_result(play.result(0), request, engine.info)
    assert engine.calls["prefill"] == 1
    assert [a.index for a in engine.assignments] == list(range(9))
    assert sum(event == JobUpdate(play.jobs[0], Started()) for event in play.events) == 1


def test_jobs_at_different_positions_share_the_loop() -> None:
    requests = [ask(f"prompt {n}", 2, requester=f"user {n}", image_tokens=range(3 * n)) for n in range(5)]
    engine = FakeEngine(num_slots=3)
    play = Play(*requests).run(engine, chunk_tokens=5)
    for number, request in enumerate(requests):
        check_result(play.result(number), request, engine.info)


def test_a_job_that_brings_all_image_tokens_needs_no_step() -> None:
    request = ask(image_tokens=range(16))
    engine = FakeEngine(image_length=16)
    play = Play(request).run(engine)
    check_result(play.result(0), request, engine.info)
    assert engine.calls["step"] == 0


def test_what_a_request_says_reaches_the_engine_and_its_notices_the_result() -> None:
    request = ask("a b c", seed=7, negative_prompt="blurry", image_tokens=[1, 2])
    engine = FakeEngine(max_text_tokens=2)
    play = Play(request).run(engine)
    assert engine.prompts == [PromptText("a b c", "blurry")]
    (assignment,) = engine.assignments
    assert (assignment.seed, assignment.image_tokens, assignment.sampling) == (7, (1, 2), engine.info.sampling)
    assert play.result(0).notices == (Text("The prompt was shortened to {limit} words.", limit=2),)


class PrefixWatchingEngine(FakeEngine):
    """Keeps a weak reference to each prefix."""

    def __init__(self, *, num_slots: int) -> None:
        super().__init__(num_slots=num_slots)
        self.prefixes: list[weakref.ref[FakePrefix]] = []

    def prefill(self, prompts: Sequence[PromptText]) -> FakePrefix:
        prefix = super().prefill(prompts)
        self.prefixes.append(weakref.ref(prefix))
        return prefix


def test_a_prefix_is_let_go_once_its_last_image_is_in() -> None:
    engine = PrefixWatchingEngine(num_slots=2)
    play = Play(ask(num_images=6))
    is_alive: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, JobUpdate) and isinstance(event.update, Progress):
            gc.collect()
            is_alive.append(engine.prefixes[0]() is not None)

    play.on_event = look
    play.run(engine, chunk_tokens=16)
    assert is_alive == [True, False, False]


class TwoScoresEngine(FakeEngine):
    """Gives odd images the better score."""

    def collect(self, slots: Sequence[int]) -> FakePending[GeneratedImage | FailedSlot]:
        pending = super().collect(slots)
        images = [image for image in pending.items if isinstance(image, GeneratedImage)]
        pending.items = [replace(image, score=float(image.index % 2)) for image in images]
        return pending


def test_images_of_equal_score_keep_the_order_of_their_indices() -> None:
    play = Play(ask(num_images=5)).run(TwoScoresEngine(num_slots=2))
    assert [image.index for image in play.result(0).images] == [1, 3, 0, 2, 4]


def test_a_failed_slot_fails_exactly_its_job() -> None:
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(3)]
    engine = FakeEngine(num_slots=6, faults=Faults(not_finite=[(1, 1)]))
    play = Play(*requests).run(engine)
    assert play.failure(1) == "Image 2 could not be drawn. The model gave numbers that are not finite."
    for number in (0, 2):
        check_result(play.result(number), requests[number], engine.info)
    assert engine.num_occupied == 0
    assert engine.calls["reset"] == 0


def test_two_failed_slots_of_a_job_are_one_failure(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine(num_slots=2, faults=Faults(not_finite=[(0, 0), (0, 1)]))
    play = Play(ask(num_images=3)).run(engine)
    assert sum(isinstance(event, JobFailure) for event in play.events) == 1
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert engine.num_occupied == 0


def test_of_several_prompts_only_the_guilty_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    requests = [ask(prompt, requester=prompt) for prompt in ("good", "bad", "better")]
    engine = FakeEngine(num_slots=3, faults=Faults(refused_prompts=["bad"]))
    play = Play(*requests).run(engine)
    assert play.failure(1).startswith("The model could not read the prompt.")
    assert "'bad' is refused" not in play.failure(1)
    for number in (0, 2):
        check_result(play.result(number), requests[number], engine.info)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert requests[1].job_id in record.getMessage()
    assert record.exc_info is not None


def test_a_prefill_that_fails_once_fails_nobody_in_a_batch() -> None:
    requests = [ask("one", requester="ann"), ask("two", requester="bob")]
    engine = FakeEngine(faults=Faults(raises={("prefill", 1): MemoryError()}))
    play = Play(*requests).run(engine)
    for number, request in enumerate(requests):
        check_result(play.result(number), request, engine.info)


def test_a_refused_insert_fails_exactly_its_job_with_the_engines_sentence() -> None:
    requests = [ask("one", 2, requester="ann"), ask("two", 2, requester="bob", image_tokens=[999])]
    engine = FakeEngine(num_slots=4)
    play = Play(*requests).run(engine)
    check_result(play.result(0), requests[0], engine.info)
    assert play.failure(1) == "image_tokens must be at most 16 codes between 0 and 255."
    assert engine.num_occupied == 0
    assert engine.calls["reset"] == 0


def test_a_refused_second_wave_frees_the_first() -> None:
    fault = InvalidParameterError("Refused for a test.")
    engine = FakeEngine(num_slots=3, faults=Faults(raises={("insert", 2): fault}))
    requests = [ask("one", 1, requester="ann", image_tokens=range(8)), ask("two", 3, requester="bob"), ask("three")]
    play = Play(*requests).run(engine)
    check_result(play.result(0), requests[0], engine.info)
    check_result(play.result(2), requests[2], engine.info)
    assert play.failure(1) == "Refused for a test."
    assert engine.num_occupied == 0


def test_a_factory_that_fails_tells_users_that_and_the_log_why(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Engine:
        raise CheckpointNotFoundError("There is no model called 'demmo': try 'demo'.")

    play = Play(ask()).run_factory(fail)
    sentence = "The image model could not be loaded. Whoever runs the bot finds the reason in its log."
    assert play.events == [EngineFailed(Text(sentence))]
    assert "There is no model called 'demmo'" in caplog.text
    assert play.backlog.counts() == (0, 0)


def test_a_factory_that_fails_does_not_show_a_foreign_error(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Engine:
        raise OSError("secret path")

    (event,) = Play(ask()).run_factory(fail).events
    assert isinstance(event, EngineFailed)
    assert "secret path" not in str(event.sentence)
    assert "secret path" in caplog.text


def test_a_cancelled_job_gives_its_slots_to_the_next_and_is_not_heard_of_again() -> None:
    cancelled, heir = ask("cancelled", 2), ask("heir", 2, requester="bob")
    engine = FakeEngine(num_slots=2, image_length=100)
    play = Play(cancelled, heir)
    heard: list[Event] = []

    def cancel_at_first_progress(event: Event) -> None:
        if event == JobUpdate(play.jobs[0], Progress(8, 200)):
            assert play.backlog.cancel(play.jobs[0])
            heard.extend(play.of(0))

    play.on_event = cancel_at_first_progress
    play.run(engine)
    check_result(play.result(1), heir, engine.info)
    assert play.of(0) == heard
    # The heir sits in the cancelled job's slots while a chunk of that job is still under way.
    assert [(a.slot, a.index) for a in engine.assignments] == [(0, 0), (1, 1), (0, 0), (1, 1)]
    progress = [e.update.done_tokens for e in play.of(1) if isinstance(e, JobUpdate) and isinstance(e.update, Progress)]
    assert progress == [8 * n for n in range(1, 26)]


def test_a_job_that_is_cancelled_at_its_end_is_not_heard_of_again() -> None:
    play = Play(ask())
    last_progress = JobUpdate(play.jobs[0], Progress(16, 16))

    def cancel_at_last_progress(event: Event) -> None:
        if event == last_progress:
            assert play.backlog.cancel(play.jobs[0])

    play.on_event = cancel_at_last_progress
    play.run(FakeEngine(image_length=16), chunk_tokens=16)
    assert play.of(0)[-1] == last_progress
