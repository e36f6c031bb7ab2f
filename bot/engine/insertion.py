"""Insertion: what an insert tells the device, as arrays of one fixed shape. Made by the engine, read by steps.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from bot.engine.base import SlotAssignment
from bot.engine.state import SlotSampling


@dataclass(frozen=True)
class Insertion:
    """Which rows an insert fills, padded to as many entries as there are; the padding names the row after the last one,
    which is dropped.

    rows, indices int32, seeds uint32: [num_rows]. tokens int32 [num_rows, image_length]. sampling: [num_rows].
    """

    rows: jax.Array
    seeds: jax.Array
    indices: jax.Array
    tokens: jax.Array
    sampling: SlotSampling


jax.tree_util.register_dataclass(Insertion, ["rows", "seeds", "indices", "tokens", "sampling"], [])


def make_insertion(
    assignments: Sequence[SlotAssignment], rows: Sequence[int], num_rows: int, image_length: int
) -> Insertion:
    """The insertion of at most num_rows assignments, each into one of `rows`. Their `slot` and `row` (of a prefix) are
    not part of it."""
    padding = num_rows - len(assignments)

    def column(values: list[float], dtype: npt.DTypeLike, fill: float) -> jax.Array:
        return jnp.asarray(np.asarray(values + [fill] * padding, dtype))

    tokens = np.zeros((num_rows, image_length), np.int32)
    for i, assignment in enumerate(assignments):
        tokens[i, : len(assignment.image_tokens)] = assignment.image_tokens
    return Insertion(
        rows=column(list(rows), np.int32, num_rows),
        seeds=column([a.seed for a in assignments], np.uint32, 0),
        indices=column([a.index for a in assignments], np.int32, 0),
        tokens=jnp.asarray(tokens),
        sampling=SlotSampling(
            condition_scale=column([a.sampling.condition_scale for a in assignments], np.float32, 1.0),
            top_k=column([a.sampling.top_k for a in assignments], np.int32, 0),
            top_p=column([a.sampling.top_p for a in assignments], np.float32, 1.0),
            temperature=column([a.sampling.temperature for a in assignments], np.float32, 1.0),
        ),
    )
