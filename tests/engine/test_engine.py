"""The engine on a tiny model: every verb of the contract, its refusals, and pictures that are equal bit by bit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bot.checkpoints.bundle import Bundle
from bot.engine import shapes
from bot.engine.base import FailedSlot, PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.errors import InvalidParameterError
from bot.requests import GeneratedImage, Sampling
from tests.golden.tiny_model import IMAGE_LENGTH, IMAGE_SIZE_PX, MAX_TEXT_TOKENS, NUM_CODES, SAMPLING

DEFAULTS = Sampling(**SAMPLING)  # type: ignore[arg-type]
GREEDY = replace(DEFAULTS, top_k=1)

RED = PromptText("a red circle")
BLUE = PromptText("a small blue star on a gray background")
# No other prompt here has this letter; see `poisoned`.
POISON = PromptText("z")


def assignment(slot: int, *, row: int = 0, index: int = 0, seed: int = 7, **changes: Any) -> SlotAssignment:
    return SlotAssignment(slot, row, index, seed, **{"sampling": DEFAULTS, **changes})


def completed(engine: JaxEngine, slots: Sequence[int], *, chunk: int = 16) -> list[GeneratedImage | FailedSlot]:
    """Steps until `slots` are complete and collects them; they stay occupied."""
    for _ in range(IMAGE_LENGTH):
        if np.all(engine.step(chunk).positions[list(slots)] == IMAGE_LENGTH):
            break
    return engine.collect(slots).wait()


def image(outcome: GeneratedImage | FailedSlot) -> GeneratedImage:
    assert isinstance(outcome, GeneratedImage), outcome
    return outcome


def picture(
    engine: JaxEngine, prompt: PromptText = RED, *, slot: int = 0, chunk: int = 16, **changes: Any
) -> GeneratedImage:
    """One picture, alone; its slot is freed."""
    engine.insert(engine.prefill([prompt]), [assignment(slot, **changes)])
    [outcome] = completed(engine, [slot], chunk=chunk)
    engine.free([slot])
    return image(outcome)


def assert_same(one: GeneratedImage, other: GeneratedImage) -> None:
    """Equal bit by bit."""
    assert one.index == other.index
    np.testing.assert_array_equal(one.image_tokens, other.image_tokens)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.clip_vector, other.clip_vector)
    assert one.score == other.score


def differs(one: GeneratedImage, other: GeneratedImage) -> bool:
    return bool(np.any(one.image_tokens != other.image_tokens))


def test_info(engine: JaxEngine) -> None:
    info = engine.info
    assert (info.name, info.image_length, info.image_size_px) == ("model", IMAGE_LENGTH, IMAGE_SIZE_PX)
    assert (info.max_text_tokens, info.sampling, engine.num_slots) == (MAX_TEXT_TOKENS, DEFAULTS, 5)


def test_a_picture(engine: JaxEngine) -> None:
    one = picture(engine, index=4)
    assert one.index == 4
    assert one.pixels.shape == (IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3)
    assert one.image_tokens.shape == (IMAGE_LENGTH,)
    assert one.clip_vector.shape == (8,)
    assert [str(a.dtype) for a in (one.pixels, one.image_tokens, one.clip_vector)] == ["uint8", "int32", "float32"]
    assert np.linalg.norm(one.clip_vector) == pytest.approx(1.0, abs=1e-5)
    assert one.pixels.std() > 5


def test_a_score_compares_the_picture_with_its_own_prompt(engine: JaxEngine, bundle: Bundle) -> None:
    prefix = engine.prefill([RED, BLUE])
    engine.insert(prefix, [assignment(0, row=1), assignment(3, row=0)])
    scale = np.exp(bundle.clip_params["logit_scale"])
    for row, outcome in zip((1, 0), completed(engine, [0, 3]), strict=True):
        text = bundle.clip_tokenizer.encode([(RED, BLUE)[row].prompt])
        [vector] = bundle.clip.bind(bundle.clip_params).text_vectors(text.ids, text.mask)  # type: ignore[arg-type]
        expected = scale * np.dot(image(outcome).clip_vector, vector)
        assert image(outcome).score == pytest.approx(expected, abs=1e-4)


def test_positions_are_known_without_asking_the_device(engine: JaxEngine) -> None:
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(1)])
    assert engine.step(1).positions.tolist() == [0, 1, 0, 0, 0]
    engine.insert(prefix, [assignment(4), assignment(2, image_tokens=(1, 2, 3))])
    chunk = engine.step(5)
    assert chunk.positions.tolist() == [0, 6, 8, 0, 5]
    engine.free([1])
    assert engine.step(16).positions.tolist() == [0, 0, 16, 0, 16]
    assert chunk.positions.tolist() == [0, 6, 8, 0, 5]
    assert chunk.positions.dtype == np.int32


def test_the_next_chunk_is_dispatched_before_the_last_is_waited_for(engine: JaxEngine) -> None:
    engine.insert(engine.prefill([RED]), [assignment(0)])
    chunks = [engine.step(5) for _ in range(4)]
    for chunk in chunks:
        chunk.wait()
    [outcome] = engine.collect([0]).wait()
    assert_same(image(outcome), picture(engine, slot=1))


def test_collect_keeps_the_order_and_any_number(engine: JaxEngine) -> None:
    engine.insert(engine.prefill([RED]), [assignment(slot, index=slot) for slot in range(5)])
    outcomes = completed(engine, [4, 0, 2, 3, 1])
    assert [image(outcome).index for outcome in outcomes] == [4, 0, 2, 3, 1]
    again = engine.collect([2]).wait()
    assert_same(image(again[0]), image(outcomes[2]))
    assert engine.collect([]).wait() == []


@pytest.mark.parametrize("slot", [-1, 5])
def test_a_slot_that_does_not_exist_is_refused(engine: JaxEngine, slot: int) -> None:
    prefix = engine.prefill([RED])
    with pytest.raises(ValueError, match=f"Slot {slot} does not exist: the slots are 0 to 4"):
        engine.insert(prefix, [assignment(0), assignment(slot)])
    engine.insert(prefix, [assignment(0)])
    for verb in (engine.collect, engine.free):
        with pytest.raises(ValueError, match=f"Slot {slot} does not exist"):
            verb([slot])


def test_an_occupied_slot_is_refused_and_nothing_is_filled(engine: JaxEngine) -> None:
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(2)])
    for slots in ([0, 2], [1, 1]):
        with pytest.raises(ValueError, match=f"Slot {slots[1]} is occupied"):
            engine.insert(prefix, [assignment(slot) for slot in slots])
    engine.insert(prefix, [assignment(slot) for slot in (0, 1, 3, 4)])
    assert engine.step(1).positions.tolist() == [1] * 5


def test_an_incomplete_slot_is_not_collected(engine: JaxEngine) -> None:
    engine.insert(engine.prefill([RED]), [assignment(0), assignment(1, image_tokens=(1,) * IMAGE_LENGTH)])
    engine.step(5)
    for slots, count in (([0], 5), ([1, 0], 5), ([2], 0)):
        with pytest.raises(ValueError, match=f"Slot {slots[-1]} is not complete: it has {count} image tokens"):
            engine.collect(slots)


def test_a_slot_freed_in_mid_flight_starts_its_next_picture_afresh(engine: JaxEngine) -> None:
    alone = picture(engine, BLUE, slot=3, seed=11)
    engine.reset()
    engine.insert(engine.prefill([RED]), [assignment(3, seed=5), assignment(1, seed=6)])
    engine.step(5)
    engine.free([3])
    engine.step(1)
    engine.insert(engine.prefill([BLUE]), [assignment(3, seed=11)])
    [blue, red] = completed(engine, [3, 1])
    assert_same(image(blue), alone)
    assert differs(image(red), alone)


def test_a_free_slot_may_be_freed_and_a_reset_frees_all(engine: JaxEngine) -> None:
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(slot) for slot in range(5)])
    before = image(completed(engine, [4])[0])
    engine.free([4, 0])
    engine.free([0])
    engine.reset()
    assert engine.step(1).positions.tolist() == [0] * 5
    # A prefix outlives the state that it was first used with.
    engine.insert(prefix, [assignment(slot) for slot in range(5)])
    assert_same(image(completed(engine, [4])[0]), before)


@pytest.mark.parametrize(("slot", "chunk", "neighbours"), [(4, 1, 0), (1, 5, 2), (2, 16, 4), (3, 5, 1), (0, 1, 4)])
def test_a_picture_is_bit_equal_whatever_surrounds_it(
    engine: JaxEngine, slot: int, chunk: int, neighbours: int
) -> None:
    """The slot, the neighbours, the order of arrival, the size of chunks, the company at the end."""
    alone = picture(engine, seed=2**32 - 1, index=8)
    others = [other for other in range(5) if other != slot][:neighbours]
    early, late = others[::2], others[1::2]
    prefix = engine.prefill([BLUE, RED])
    if early:
        engine.insert(prefix, [assignment(other, seed=other, sampling=GREEDY) for other in early])
        engine.step(chunk)
    engine.insert(prefix, [assignment(slot, row=1, seed=2**32 - 1, index=8)])
    engine.step(chunk)
    if late:
        engine.insert(prefix, [assignment(other, row=other % 2, seed=other) for other in late])
    everyone = [*late, slot, *early]
    outcomes = completed(engine, everyone, chunk=chunk)
    assert_same(image(outcomes[len(late)]), alone)


@pytest.mark.parametrize("count", [1, 6, 15, 16])
def test_a_picture_continues_from_its_own_beginning(engine: JaxEngine, count: int) -> None:
    drawn = picture(engine)
    start = tuple(drawn.image_tokens[:count].tolist())
    assert_same(picture(engine, slot=2, chunk=5, image_tokens=start), drawn)


def test_a_given_beginning_is_kept_and_changes_what_follows(engine: JaxEngine) -> None:
    drawn, start = picture(engine), (3, 1, 4, 1, 5, 9)
    other = picture(engine, image_tokens=start)
    assert tuple(other.image_tokens[:6]) == start
    assert np.any(other.image_tokens[6:] != drawn.image_tokens[6:])


def test_beginnings_of_several_lengths_in_one_insert(engine: JaxEngine) -> None:
    starts = [(), (3, 1, 4), (50, 51, 52), (7, 8, 9, 10, 11), tuple(range(16))]
    alone = [picture(engine, index=i, image_tokens=start) for i, start in enumerate(starts)]
    engine.insert(engine.prefill([RED]), [assignment(i, index=i, image_tokens=start) for i, start in enumerate(starts)])
    for one, other in zip(completed(engine, range(5)), alone, strict=True):
        assert_same(image(one), other)


def test_replaying_leaves_running_slots_alone(engine: JaxEngine) -> None:
    alone = picture(engine, seed=1)
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(0, seed=1)])
    engine.step(5)
    engine.insert(prefix, [assignment(1, image_tokens=tuple(range(12)))])
    assert_same(image(completed(engine, [0])[0]), alone)


def test_seeds_and_indices_give_different_pictures(engine: JaxEngine) -> None:
    one = picture(engine, seed=1, index=0)
    assert differs(one, picture(engine, seed=2, index=0))
    assert differs(one, picture(engine, seed=1, index=1))
    assert_same(one, picture(engine, seed=1, index=0))


def test_every_slot_draws_with_its_own_parameters(engine: JaxEngine) -> None:
    kinds = [GREEDY, DEFAULTS, replace(DEFAULTS, condition_scale=1.0), replace(GREEDY, condition_scale=1.0)]
    alone = [picture(engine, sampling=kind) for kind in kinds]
    engine.insert(engine.prefill([RED]), [assignment(i, sampling=kind) for i, kind in enumerate(kinds)])
    for one, other in zip(completed(engine, range(4)), alone, strict=True):
        assert_same(image(one), other)
    assert all(differs(alone[i], alone[j]) for i in range(4) for j in range(i))


def test_greedy_drawing_does_not_depend_on_the_seed(engine: JaxEngine) -> None:
    assert_same(picture(engine, seed=1, sampling=GREEDY), picture(engine, seed=2, sampling=GREEDY))


def test_no_code_outside_the_codebook_is_drawn(engine: JaxEngine) -> None:
    """The model knows 29 ids more; drawn at random, 80 tokens would hold eighteen of them."""
    hot = replace(DEFAULTS, temperature=5.0, top_p=1.0, condition_scale=1.0)
    engine.insert(engine.prefill([RED]), [assignment(slot, index=slot, sampling=hot) for slot in range(5)])
    drawn = np.concatenate([image(outcome).image_tokens for outcome in completed(engine, range(5))])
    assert drawn.max() < NUM_CODES
    assert len(set(drawn.tolist())) > 20


def test_a_negative_prompt_takes_the_place_of_the_unconditional_one(engine: JaxEngine) -> None:
    plain = picture(engine)
    assert differs(plain, picture(engine, replace(RED, negative_prompt="a blue star")))
    # Away from itself a prompt goes nowhere: both branches are the same.
    unguided = replace(DEFAULTS, condition_scale=1.0)
    assert_same(picture(engine, replace(RED, negative_prompt=RED.prompt)), picture(engine, sampling=unguided))
    # Without guidance it has no say.
    assert_same(
        picture(engine, replace(RED, negative_prompt="a blue star"), sampling=unguided),
        picture(engine, sampling=unguided),
    )


def test_prompts_do_not_depend_on_the_company_that_they_are_read_in(engine: JaxEngine) -> None:
    alone = picture(engine, BLUE)
    engine.insert(engine.prefill([RED, RED, BLUE]), [assignment(0, row=2)])
    assert_same(image(completed(engine, [0])[0]), alone)


def test_what_was_cut_off_is_told(engine: JaxEngine) -> None:
    fits, long = "a a a", " ".join(["a"] * 40)
    prefix = engine.prefill([PromptText(fits), PromptText(long), PromptText(fits, long), PromptText(long, long)])
    none, prompt, negative, both = ([str(notice) for notice in row] for row in prefix.notices)
    assert none == []
    assert len(prompt) == len(negative) == 1
    assert prompt[0].startswith(f"The prompt is longer than the model reads ({MAX_TEXT_TOKENS} tokens): its last ")
    assert prompt[0].endswith(" tokens were left out.")
    assert negative[0] == prompt[0].replace("The prompt", "The negative prompt")
    assert both == [*prompt, *negative]


def test_one_token_too_many_is_told_in_the_singular(engine: JaxEngine, bundle: Bundle) -> None:
    dropped = {n: bundle.prompt_tokenizer.encode([" ".join(["a"] * n)]).num_dropped[0] for n in range(10, 20)}
    words = next(n for n, count in dropped.items() if count == 1)
    [[notice]] = engine.prefill([PromptText(" ".join(["a"] * words))]).notices
    assert str(notice).endswith("its last 1 token was left out.")


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ((1, NUM_CODES), f"image_tokens holds {NUM_CODES}; this model's codes are 0 to {NUM_CODES - 1}."),
        ((-1,), f"image_tokens holds -1; this model's codes are 0 to {NUM_CODES - 1}."),
        ((0,) * 17, "image_tokens has 17 codes; a picture of this model has 16."),
    ],
)
def test_wrong_codes_are_refused_and_nothing_is_filled(
    engine: JaxEngine, tokens: tuple[int, ...], sentence: str
) -> None:
    alone = picture(engine, seed=1)
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(0, seed=1)])
    engine.step(1)
    with pytest.raises(InvalidParameterError) as caught:
        engine.insert(prefix, [assignment(1), assignment(2, image_tokens=tokens)])
    assert str(caught.value) == sentence
    assert engine.step(1).positions.tolist() == [2, 0, 0, 0, 0]
    engine.insert(prefix, [assignment(1), assignment(2)])
    assert_same(image(completed(engine, [0])[0]), alone)


@pytest.fixture
def poisoned(engine: JaxEngine, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> JaxEngine:
    """An engine whose text embedding holds NaN for the tokens of POISON that no other prompt here has."""

    def ids(prompt: PromptText) -> set[int]:
        text = bundle.prompt_tokenizer.encode([prompt.prompt])
        return set(text.ids[text.mask == 1].tolist())

    [poison] = ids(POISON) - ids(RED) - ids(BLUE)
    params = {**bundle.bart_params, "encoder": {**bundle.bart_params["encoder"]}}
    embeddings = {**params["encoder"]["embeddings"]}
    table = embeddings["embed_tokens"]["embedding"]
    embeddings["embed_tokens"] = {"embedding": table.at[poison].set(np.nan)}
    params["encoder"]["embeddings"] = embeddings
    monkeypatch.setattr(engine, "_bundle", replace(bundle, bart_params=params))
    return engine


def test_numbers_that_are_not_finite_fail_their_own_slot(poisoned: JaxEngine) -> None:
    alone = picture(poisoned, BLUE, slot=3)
    poisoned.insert(poisoned.prefill([POISON, BLUE]), [assignment(1), assignment(2, row=1)])
    failed, blue = completed(poisoned, [1, 2])
    assert isinstance(failed, FailedSlot)
    assert str(failed.sentence).startswith("The model computed numbers that are not finite")
    assert_same(image(blue), alone)


def test_a_failed_slot_takes_the_next_picture(poisoned: JaxEngine) -> None:
    alone = picture(poisoned, BLUE, slot=3)
    poisoned.insert(poisoned.prefill([POISON]), [assignment(1)])
    assert isinstance(completed(poisoned, [1])[0], FailedSlot)
    poisoned.free([1])
    assert_same(picture(poisoned, BLUE, slot=1), alone)


def test_a_preview_shows_the_finished_rows_and_stops_nothing(engine: JaxEngine) -> None:
    prefix = engine.prefill([RED])
    engine.insert(prefix, [assignment(2), assignment(4)])
    engine.step(IMAGE_LENGTH // 2)
    pending = engine.preview([4])
    done = engine.info.num_rows // 2
    assert pending.done_rows == (done,)
    [shown] = pending.wait()
    assert pending.is_ready()
    half = IMAGE_SIZE_PX // 2
    assert (shown.shape, str(shown.dtype)) == ((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3), "uint8")
    assert np.all(shown[half:] == 128)
    assert shown[:half].std() > 5
    engine.step(IMAGE_LENGTH)
    [full] = engine.preview([2]).wait()
    [outcome] = engine.collect([2]).wait()
    # Alone in another program, which may round otherwise.
    assert np.abs(np.subtract(full, image(outcome).pixels, dtype=np.int32)).max() <= 1


def test_a_preview_of_nothing_is_refused(engine: JaxEngine) -> None:
    with pytest.raises(ValueError, match="Slot 3 is free: there is nothing to show"):
        engine.preview([3])
    with pytest.raises(ValueError, match="A preview shows 1 to 1 slots, not 2"):
        engine.preview([0, 1])


def test_short_texts_are_read_as_far_as_they_go(
    engine: JaxEngine, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "_SHORT_TEXT", 8)
    cutting = JaxEngine(bundle, num_slots=1)
    for prompt, text_length in ((PromptText("red"), 8), (BLUE, MAX_TEXT_TOKENS)):
        one = picture(cutting, prompt, sampling=GREEDY)
        np.testing.assert_array_equal(one.image_tokens, picture(engine, prompt, sampling=GREEDY).image_tokens)
        assert {shape.text_length for _, shape in cutting._programs._chunks} >= {text_length}


def test_a_label_that_clip_can_not_read_whole_is_refused(engine: JaxEngine) -> None:
    with pytest.raises(InvalidParameterError, match=r"The label “cat cat .* is longer than CLIP reads\. Shorten it"):
        engine.label_vectors(["cat " * 200])


def test_a_chunk_has_tokens(engine: JaxEngine) -> None:
    with pytest.raises(ValueError, match="A chunk has at least one token, not 0"):
        engine.step(0)


def test_the_vector_of_a_text_has_unit_length_and_the_direction_of_its_label(engine: JaxEngine) -> None:
    vector = engine.text_vector(RED.prompt).wait()
    (label,) = engine.label_vectors([RED.prompt])
    assert (vector.shape, str(vector.dtype)) == (label.shape, "float32")
    np.testing.assert_allclose(vector, label / np.linalg.norm(label), atol=1e-5)
    assert engine.text_vector("cat " * 200).wait().shape == vector.shape


def test_a_label_is_scored_as_a_prompt_is(engine: JaxEngine) -> None:
    one = picture(engine)
    vectors = engine.label_vectors([BLUE.prompt, RED.prompt])
    assert (vectors @ one.clip_vector)[1] == pytest.approx(one.score, abs=1e-3)
    assert (vectors @ one.clip_vector)[0] != pytest.approx(one.score, abs=1e-3)
    assert engine.label_vectors([]).shape == (0, vectors.shape[1])
