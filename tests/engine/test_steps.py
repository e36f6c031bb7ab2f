"""The loop's programs on golden weights: the originals' greedy tokens, whatever stands in the other slots."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints.dalle_bart import load_dalle_bart, network
from bot.engine.devices import slot_mesh
from bot.engine.insertion import Insertion
from bot.engine.precision import KeptDtypes
from bot.engine.shapes import ChunkShape
from bot.engine.state import SlotSampling, idle_state
from bot.engine.steps import Steps, make_steps
from bot.models.dalle_bart import Memory
from bot.models.dalle_bart_config import DalleBartConfig
from tests.golden.sets import Folders, golden

# Nine images (three prompts, three ways to guide them) and two slots more.
NUM_SLOTS: Final = 11
PATHS: Final = {"greedy_nocfg": 1.0, "top1_cfg_3": 3.0, "top1_cfg_10": 10.0}


@cache
def programs(config: DalleBartConfig, num_codes: int) -> Steps:
    return make_steps(network(config), config, num_codes, jnp.float32, slot_mesh())


class Loop:
    """One state and the programs on it. num_codes: None for the whole vocabulary, as the original samples."""

    def __init__(self, folder: Path, given: str, *, num_codes: int | None) -> None:
        _, self.config, self.params = load_dalle_bart(folder)
        self.steps = programs(self.config, num_codes or self.config.image_vocab_size + 1)
        self.prompts = [self._prefill(golden(given), row) for row in range(3)]
        self.state = idle_state(self.config, NUM_SLOTS, 4, KeptDtypes(jnp.float32, jnp.float32), slot_mesh())

    def insert(self, slot: int, row: int, scale: float) -> None:
        insertion = _insertion(slot, scale, self.config.image_length)
        self.state = self.steps.insert(self.state, *self.prompts[row], jnp.zeros((1, 4)), insertion)

    def advance(self) -> None:
        everything = ChunkShape(NUM_SLOTS, self.config.image_length, self.config.max_text_length, None)
        self.state, _ = self.steps.chunk(self.params, self.state, 1, everything)

    def tokens(self, slot: int) -> npt.NDArray[np.int32]:
        return np.asarray(self.state.tokens[slot])

    def _prefill(self, given: dict[str, npt.NDArray[Any]], row: int) -> tuple[Memory, Memory]:
        data = {name: jnp.asarray(array[row : row + 1]) for name, array in given.items()}
        return (
            self.steps.encode(self.params, data["input_ids"], data["attention_mask"]),
            self.steps.encode(self.params, data["input_ids_uncond"], data["attention_mask_uncond"]),
        )


def _insertion(slot: int, scale: float, image_length: int) -> Insertion:
    """Greedy drawing into one slot."""

    def column(first: float, rest: float, dtype: str) -> jax.Array:
        return jnp.asarray([first] + [rest] * (NUM_SLOTS - 1), dtype)

    return Insertion(
        rows=column(slot, NUM_SLOTS, "int32"),
        seeds=column(0, 0, "uint32"),
        indices=column(0, 0, "int32"),
        tokens=jnp.zeros((NUM_SLOTS, image_length), jnp.int32),
        sampling=SlotSampling(
            condition_scale=column(scale, 1.0, "float32"),
            top_k=column(1, 0, "int32"),
            top_p=column(1.0, 1.0, "float32"),
            temperature=column(1.0, 1.0, "float32"),
        ),
    )


def draw_all(loop: Loop) -> dict[tuple[str, int], int]:
    """Draws every path of every prompt; each enters at another time, into slots in no order. Returns their slots."""
    slots = dict(zip(product(PATHS, range(3)), [7, 2, 9, 0, 5, 10, 3, 8, 1], strict=True))
    for i, ((path, row), slot) in enumerate(slots.items()):
        loop.insert(slot, row, PATHS[path])
        for _ in range(i % 3):
            loop.advance()
    for _ in range(loop.config.image_length):
        loop.advance()
    return slots


@pytest.mark.parametrize(
    ("checkpoint", "given"),
    [("mini", "dalle_tiny_mini"), ("mega", "dalle_tiny_mega"), ("mega_fp16", "dalle_tiny_mega_fp16_compute32")],
)
def test_greedy_tokens_are_the_originals(folders: Folders, checkpoint: str, given: str) -> None:
    loop = Loop(folders(checkpoint), given, num_codes=None)
    for (path, row), slot in draw_all(loop).items():
        np.testing.assert_array_equal(loop.tokens(slot), golden(given)[path][row, 1:], err_msg=f"{path}, row {row}")


@pytest.mark.parametrize("given", ["dalle_tiny_mini_eos", "dalle_tiny_mini_eosoob"])
def test_an_eos_is_never_drawn(folders: Folders, given: str) -> None:
    """The original pads the rest of a row after one. Forbidden one, by min_length, it draws what ours draws."""
    loop = Loop(folders(given.removeprefix("dalle_tiny_")), given, num_codes=128)
    slots = draw_all(loop)
    for row in range(3):
        ours = loop.tokens(slots["top1_cfg_10", row])
        np.testing.assert_array_equal(ours, golden(given)["top1_cfg_10_minlen17"][row, 1:])
        theirs = golden(given)["top1_cfg_10"][row, 1:]
        before_eos = np.cumsum(theirs == 128) == 0
        np.testing.assert_array_equal(ours[before_eos], theirs[before_eos])
        np.testing.assert_array_equal(loop.tokens(slots["greedy_nocfg", row]), golden(given)["greedy_nocfg"][row, 1:])
