import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bot.engine.base import Engine, FailedSlot, PromptText, SlotAssignment
from bot.engine.fake import FakeEngine, Faults, Gate, Verb, expected_image
from bot.errors import InvalidParameterError
from bot.language import Text
from bot.requests import GeneratedImage, Sampling

SAMPLING = Sampling(1.0, 0, 1.0, 1.0)


def assign(
    slot: int, *, row: int = 0, index: int = 0, seed: int = 0, image_tokens: Sequence[int] = ()
) -> SlotAssignment:
    return SlotAssignment(slot, row, index, seed, SAMPLING, tuple(image_tokens))


def collect_image(engine: Engine, slot: int) -> GeneratedImage:
    (image,) = engine.collect([slot]).wait()
    assert isinstance(image, GeneratedImage)
    return image


def test_an_image_can_be_computed_by_hand() -> None:
    image = expected_image("ab", 2, 3, image_length=4, image_size_px=1)  # 97 + 98 = 195
    assert image.image_tokens.tolist() == [22, 23, 24, 25]  # 195 + 62 + 21 = 278 = 256 + 22
    assert image.pixels.tolist() == [[[25, 2, 3]]]
    assert image.score == 7.0  # 195 + 6 + 15 = 216 = 19 * 11 + 7
    assert image.clip_vector.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_slots_advance_by_chunks_up_to_the_end_and_give_the_expected_images(chunk: int) -> None:
    engine = FakeEngine(num_slots=3, image_length=8, image_size_px=2)
    prefix = engine.prefill([PromptText("a cat"), PromptText("a dog")])
    engine.insert(prefix, [assign(2, row=1, index=5, seed=9), assign(0, row=0)])
    position = 0
    while position < 8:
        position = min(position + chunk, 8)
        assert engine.step(chunk).positions.tolist() == [position, 0, position]
    for slot, (prompt, seed, index) in {2: ("a dog", 9, 5), 0: ("a cat", 0, 0)}.items():
        image = collect_image(engine, slot)
        expected = expected_image(prompt, seed, index, image_length=8, image_size_px=2)
        assert image.index == index
        assert image.score == expected.score
        np.testing.assert_array_equal(image.image_tokens, expected.image_tokens)
        np.testing.assert_array_equal(image.pixels, expected.pixels)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"index": -1}, "index is 0 or more, not -1"),
        ({"seed": -1}, "seed is between 0 and 4294967295, not -1"),
        ({"seed": 2**32}, "not 4294967296"),
    ],
)
def test_an_assignment_names_what_is_out_of_range(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        assign(0, **changes)


def test_a_chunk_has_tokens() -> None:
    with pytest.raises(ValueError, match="A chunk has at least one token, not 0"):
        FakeEngine().step(0)


def test_given_image_tokens_are_kept() -> None:
    engine = FakeEngine(image_length=4)
    engine.insert(engine.prefill([PromptText("ab")]), [assign(0, image_tokens=[7, 8])])
    assert engine.step(1).positions[0] == 3
    engine.step(1)
    assert collect_image(engine, 0).image_tokens.tolist() == [7, 8, 197, 198]


@pytest.mark.parametrize("tokens", [(256,), (-1,), (0,) * 17])
def test_image_tokens_that_do_not_fit_are_refused_and_nothing_is_inserted(tokens: tuple[int, ...]) -> None:
    engine = FakeEngine(image_length=16)
    prefix = engine.prefill([PromptText("a cat")])
    with pytest.raises(InvalidParameterError, match="image_tokens must be at most 16 codes between 0 and 255"):
        engine.insert(prefix, [assign(0), assign(1, image_tokens=tokens)])
    assert engine.num_occupied == 0


def test_a_prompt_with_too_many_words_has_a_notice() -> None:
    prefix = FakeEngine(max_text_tokens=2).prefill([PromptText("a cat"), PromptText("a red cat")])
    assert prefix.notices == ((), (Text("The prompt was shortened to {limit} words.", limit=2),))


def test_broken_contracts_are_refused() -> None:
    engine = FakeEngine(num_slots=2, image_length=4)
    prefix = engine.prefill([PromptText("a cat")])
    engine.insert(prefix, [assign(0)])
    with pytest.raises(ValueError, match="Slot 0 is occupied"):
        engine.insert(prefix, [assign(0)])
    with pytest.raises(ValueError, match="Slot 2 does not exist"):
        engine.insert(prefix, [assign(2)])
    with pytest.raises(ValueError, match="Slot 0 is at 0 of 4 tokens"):
        engine.collect([0])
    with pytest.raises(ValueError, match="Slot 1 is free"):
        engine.collect([1])
    with pytest.raises(ValueError, match="Slot 1 is free already"):
        engine.free([1])


def test_a_second_thread_is_refused() -> None:
    engine = FakeEngine()
    thread = threading.Thread(target=engine.step, args=(1,))
    thread.start()
    thread.join(timeout=5)
    with pytest.raises(RuntimeError, match="one thread owns the engine"):
        engine.step(1)


def test_a_collected_slot_may_be_refilled_before_its_image_is_waited_for() -> None:
    engine = FakeEngine(num_slots=1, image_length=2)
    prefix = engine.prefill([PromptText("a cat")])
    images = []
    for seed in (1, 2):
        engine.insert(prefix, [assign(0, seed=seed)])
        engine.step(2)
        images.append(engine.collect([0]))
        engine.free([0])
    assert all(pending.is_ready() for pending in images)
    for seed, pending in enumerate(images, start=1):
        (image,) = pending.wait()
        assert isinstance(image, GeneratedImage)
        expected = expected_image("a cat", seed, 0, image_length=2, image_size_px=8)
        np.testing.assert_array_equal(image.image_tokens, expected.image_tokens)


def test_a_preview_can_be_computed_by_hand() -> None:
    engine = FakeEngine(image_length=8, num_rows=4, image_size_px=4, max_preview=2, preview_polls=2)
    prefix = engine.prefill([PromptText("a cat")])
    engine.insert(prefix, [assign(0, seed=300, index=2), assign(1, image_tokens=range(7)), assign(2)])
    engine.step(3)
    preview = engine.preview([0, 1])
    assert preview.done_rows == (1, 4)
    assert [preview.is_ready(), preview.is_ready()] == [False, True]
    pictures = preview.wait()
    assert pictures[0][:, 0].tolist() == [[1, 44, 2], [128] * 3, [128] * 3, [128] * 3]
    assert pictures[1][:, 3].tolist() == [[4, 0, 0]] * 4
    with pytest.raises(ValueError, match="at most 2 slots, not 3"):
        engine.preview([0, 1, 2])
    with pytest.raises(ValueError, match="Slot 3 is free"):
        engine.preview([3])


def test_label_scores_can_be_computed_by_hand() -> None:
    vectors = FakeEngine().label_vectors(["ab", "b"])  # 195 % 11 = 8, 98 % 11 = 10
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[8, 9, 10, 0, 1, 2, 3, 4, 5], [10, 0, 1, 2, 3, 4, 5, 6, 7]]


def test_the_vector_of_a_text_can_be_computed_by_hand() -> None:
    engine = FakeEngine(text_polls=2)
    pending = engine.text_vector("ab")
    assert [pending.is_ready(), pending.is_ready()] == [False, True]
    vector = pending.wait()
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1)
    np.testing.assert_allclose(vector / vector[2], [1 / 4, 1 / 2, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64])


def test_time_may_pass_by_the_number_of_occupied_slots() -> None:
    slept: list[float] = []
    engine = FakeEngine(delay_s=1.0, delay_per_slot_s=0.25, sleep=slept.append)
    engine.insert(engine.prefill([PromptText("a cat")]), [assign(0), assign(1)])
    engine.step(1).wait()
    assert slept == [1.5]


@pytest.mark.parametrize("verb", ["insert", "step", "wait", "collect", "wait for images", "free"])
def test_after_a_fault_only_reset_is_accepted(verb: Verb) -> None:
    engine = FakeEngine(image_length=2, faults=Faults(raises={(verb, 2): OSError("planned")}))

    def draw() -> None:
        engine.insert(engine.prefill([PromptText("a cat")]), [assign(0)])
        engine.step(2).wait()
        engine.collect([0]).wait()
        engine.free([0])

    draw()
    with pytest.raises(OSError, match="planned"):
        draw()
    with pytest.raises(RuntimeError, match="call reset first"):
        engine.step(1)
    engine.reset()
    assert engine.num_occupied == 0
    draw()
    assert engine.calls[verb] == 3


def test_what_was_dispatched_before_a_reset_is_refused() -> None:
    engine = FakeEngine(image_length=1)
    engine.insert(engine.prefill([PromptText("a cat")]), [assign(0)])
    everything = (engine.step(1), engine.collect([0]), engine.preview([0]))
    engine.reset()
    for dispatched in everything:
        with pytest.raises(RuntimeError, match="dispatched before the reset"):
            dispatched.wait()


def test_a_prefill_with_a_refused_prompt_fails_and_no_state_is_lost() -> None:
    engine = FakeEngine(faults=Faults(refused_prompts=["bad"]))
    with pytest.raises(RuntimeError, match="'bad' is refused"):
        engine.prefill([PromptText("good"), PromptText("bad")])
    with pytest.raises(RuntimeError, match="'bad' is refused"):
        engine.label_vectors(["bad"])
    engine.insert(engine.prefill([PromptText("good", "blurry")]), [assign(3)])
    assert engine.num_occupied == 1
    assert engine.prompts[-1] == PromptText("good", "blurry")
    assert engine.assignments == [assign(3)]


def test_an_image_that_is_not_finite_is_a_failed_slot() -> None:
    engine = FakeEngine(image_length=1, faults=Faults(not_finite=[(5, 1)]))
    engine.insert(engine.prefill([PromptText("a cat")]), [assign(0, seed=5, index=0), assign(1, seed=5, index=1)])
    engine.step(1)
    good, bad = engine.collect([0, 1]).wait()
    assert isinstance(good, GeneratedImage)
    assert bad == FailedSlot(Text("The model gave numbers that are not finite."))


def test_a_gate_holds_waits_one_by_one() -> None:
    gate = Gate()
    passed: list[int] = []

    def wait_thrice() -> None:
        engine = FakeEngine(gate=gate)
        for number in range(3):
            engine.step(1).wait()
            passed.append(number)

    thread = threading.Thread(target=wait_thrice)
    thread.start()
    gate.await_arrivals(1)
    assert passed == []
    gate.let_pass()
    gate.await_arrivals(2)
    assert passed == [0]
    gate.open()
    thread.join(timeout=5)
    assert passed == [0, 1, 2]


def test_a_gate_gives_up() -> None:
    gate = Gate(patience_s=0.01)
    with pytest.raises(TimeoutError, match="Nobody let wait number 1 pass"):
        gate.hold()
    with pytest.raises(TimeoutError, match="came to the gate 1 times, not 2"):
        gate.await_arrivals(2)
