"""Whatever happens around an image, its bits are the same: slot, neighbours, order of arrival, size of chunks."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.checkpoints.bundle import load_bundle
from bot.checkpoints.folders import ModelFolders
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.requests import GeneratedImage, Sampling
from tests.golden.tiny_model import IMAGE_LENGTH

pytestmark = pytest.mark.slow

NUM_SLOTS = 5
PROMPTS = (PromptText("a red circle"), PromptText("a small blue star", negative_prompt="a ring"))
SAMPLINGS = (Sampling(3.0, 10, 0.9, 1.0), Sampling(10.0, 0, 1.0, 1.3), Sampling(1.0, 50, 1.0, 0.7))


@dataclass(frozen=True)
class Wanted:
    """One image. kept: how many codes of another picture it starts with."""

    prompt: int
    seed: int
    index: int
    sampling: int
    kept: int = 0


WANTED = st.builds(
    Wanted,
    prompt=st.integers(0, len(PROMPTS) - 1),
    seed=st.integers(0, 2),
    index=st.integers(0, 1),
    sampling=st.integers(0, len(SAMPLINGS) - 1),
    kept=st.sampled_from([0, 0, 5]),
)
STEP = st.tuples(st.lists(WANTED, max_size=3), st.sampled_from([3, 16]), st.integers(0, NUM_SLOTS - 1))


@cache
def engine(folder: Path, dtype: str) -> JaxEngine:
    folders = ModelFolders(folder.name, folder / "dalle_bart", folder / "vqgan", folder / "clip")
    return JaxEngine(load_bundle(folders, dtype=jnp.dtype(dtype)), num_slots=NUM_SLOTS, deterministic=True)


@cache
def alone(folder: Path, dtype: str, wanted: Wanted) -> GeneratedImage:
    one = engine(folder, dtype)
    one.reset()
    insert(one, 0, wanted)
    one.step(IMAGE_LENGTH)
    [image] = one.collect([0]).wait()
    assert isinstance(image, GeneratedImage)
    return image


def insert(target: JaxEngine, slot: int, wanted: Wanted) -> None:
    assignment = SlotAssignment(
        slot, 0, wanted.index, wanted.seed, SAMPLINGS[wanted.sampling], tuple(range(1, 1 + wanted.kept))
    )
    target.insert(target.prefill([PROMPTS[wanted.prompt]]), [assignment])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@settings(max_examples=12, deadline=None)
@given(plan=st.lists(STEP, min_size=1, max_size=5))
def test_an_image_is_bit_equal_whatever_happens_around_it(
    tiny_model: Path, dtype: str, plan: list[tuple[list[Wanted], int, int]]
) -> None:
    """Each step of the plan: images to insert into the next free slots, tokens to draw, and a slot to be freed then."""
    busy = engine(tiny_model, dtype)
    references = {wanted: alone(tiny_model, dtype, wanted) for wanteds, _, _ in plan for wanted in wanteds}
    busy.reset()
    held: dict[int, Wanted] = {}
    for wanteds, num_tokens, dropped in [*plan, ([], IMAGE_LENGTH, -1)]:
        for wanted in wanteds:
            free = [slot for slot in range(NUM_SLOTS) if slot not in held]
            if free:
                held[free[-1]] = wanted
                insert(busy, free[-1], wanted)
        positions = busy.step(num_tokens).positions
        complete = [slot for slot in held if positions[slot] == IMAGE_LENGTH]
        for slot, image in zip(complete, busy.collect(complete).wait(), strict=True):
            assert isinstance(image, GeneratedImage)
            expected = references[held.pop(slot)]
            np.testing.assert_array_equal(image.image_tokens, expected.image_tokens)
            np.testing.assert_array_equal(image.pixels, expected.pixels)
            np.testing.assert_array_equal(image.clip_vector, expected.clip_vector)
            assert image.score == expected.score
        freed = [*complete, *([dropped] if held.pop(dropped, None) else [])]
        busy.free(freed)
    assert not held
