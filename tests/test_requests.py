"""What a request refuses, and what it makes of what it takes."""

import math
from typing import Any

import pytest

from bot.errors import InvalidParameterError, InvalidPromptError, RequestError
from bot.requests import (
    MAX_IMAGES,
    MAX_LABELS,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    SAMPLING_BOUNDS,
    GenerationRequest,
    Sampling,
    SamplingOverrides,
    check_prompt,
    new_job_id,
    new_seed,
)

DEFAULTS = Sampling(condition_scale=10.0, top_k=50, top_p=1.0, temperature=1.0)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("a red circle", "a red circle"),
        ("  a \t red\n\ncircle ", "a red circle"),
        ("\u3000犬\u3000", "犬"),
        ("7", "7"),
        ("🍕 pizza", "🍕 pizza"),
        ("x" * MAX_PROMPT_CHARACTERS, "x" * MAX_PROMPT_CHARACTERS),
    ],
)
def test_a_prompt_keeps_its_words(text: str, prompt: str) -> None:
    assert check_prompt(text) == prompt


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        ("x" * (MAX_PROMPT_CHARACTERS + 1), "has 1001 characters; at most 1000"),
        ("a\x00b", r"control character \(U\+0000\)"),
        ("a\x1b[31mb", r"control character \(U\+001B\)"),
        ("a\ud800b", r"control character \(U\+D800\)"),
        ("😀😀", "no letters or digits"),
        ("?!…", "no letters or digits"),
        ("\u200b\u200d", "no letters or digits"),
    ],
)
def test_a_prompt_that_nobody_could_draw_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidPromptError, match=complaint):
        check_prompt(text)


def ask(**changes: Any) -> GenerationRequest:
    known: dict[str, Any] = {"prompt": "a cat", "num_images": 1, "seed": 0, "requester": "ann"}
    return GenerationRequest(**known | changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_images": 0}, f"images must be between 1 and {MAX_IMAGES}, not 0"),
        ({"num_images": MAX_IMAGES + 1}, "images must be between"),
        ({"seed": -1}, "seed must be between 0 and 4294967295, not -1"),
        ({"seed": MAX_SEED + 1}, "not 4294967296"),
        ({"weight": 0.0}, "weight must be between 0.01 and 100, not 0"),
        ({"weight": 100.5}, "not 100.5"),
        ({"weight": math.nan}, "weight must be between"),
        ({"preview_interval_s": 0.05}, "preview_interval_s must be between 0.1 and 3600, not 0.05"),
        ({"preview_interval_s": 3601.0}, "not 3601"),
        ({"labels": ("a cat",) * (MAX_LABELS + 1)}, "the number of labels must be between 0 and 64, not 65"),
    ],
)
def test_a_request_names_what_is_out_of_range(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidParameterError, match=complaint):
        ask(**changes)


def test_labels_are_checked_like_prompts() -> None:
    assert ask(labels=(" a  cat ", "犬")).labels == ("a cat", "犬")
    with pytest.raises(InvalidPromptError, match="no letters or digits"):
        ask(labels=("a cat", "?"))


def test_a_request_tidies_its_prompt_and_gets_an_id_of_its_own() -> None:
    assert ask(prompt=" a  cat ").prompt == "a cat"
    assert ask().job_id != ask().job_id


@pytest.mark.parametrize("name", SAMPLING_BOUNDS)
def test_sampling_takes_its_bounds_and_nothing_beyond(name: str) -> None:
    bounds = SAMPLING_BOUNDS[name]

    def override(value: Any) -> SamplingOverrides:
        chosen: dict[str, Any] = {name: value}
        return SamplingOverrides(**chosen)

    for value in (bounds.low, bounds.high):
        assert getattr(override(value).over(DEFAULTS), name) == value
    for value in (bounds.low - 0.001, bounds.high + 0.001, math.nan, math.inf):
        with pytest.raises(InvalidParameterError, match=f"{name} must be between"):
            override(value)


def test_what_is_left_out_comes_from_the_model() -> None:
    assert SamplingOverrides().over(DEFAULTS) == DEFAULTS
    mixed = SamplingOverrides(top_k=0, temperature=0.5).over(DEFAULTS)
    assert mixed == Sampling(condition_scale=10.0, top_k=0, top_p=1.0, temperature=0.5)


def test_seeds_and_ids_are_within_their_kind() -> None:
    assert all(0 <= new_seed() <= MAX_SEED for _ in range(100))
    assert all(len(new_job_id()) == 12 and int(new_job_id(), 16) >= 0 for _ in range(100))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"negative_prompt": ""}, "The negative prompt is empty"),
        ({"negative_prompt": "a\x00b"}, "The negative prompt holds a control character"),
        ({"labels": ("!!!",)}, "A label has no letters or digits"),
        ({"labels": "abc"}, "labels must be several texts"),
        ({"labels": ("a cat", " a  cat")}, "The label “a cat” is given twice"),
        ({"num_images": 2.5}, "images must be a whole number between 1 and 9, not 2.5"),
        ({"num_images": True}, "images must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"image_tokens": ("x",)}, "an image token must be a whole number"),
        ({"image_tokens": (1.7,)}, "an image token must be a whole number"),
        ({"image_tokens": (-1,)}, "an image token must be between 0"),
    ],
)
def test_what_would_fail_on_the_engine_thread_is_refused_before(changes: dict[str, Any], sentence: str) -> None:
    given: dict[str, Any] = {"prompt": "a red circle", "num_images": 1, "seed": 7, "requester": "local"}
    with pytest.raises(RequestError, match=sentence):
        GenerationRequest(**given | changes)
