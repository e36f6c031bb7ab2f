"""The optimizer of the two larger stages: Muon for the weights of layers, Adam for everything else.

Muon (Jordan et al., 2024, as in optax.contrib) takes a few times fewer steps than Adam to the same loss here, and on
two cores steps are what there is little of.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from optax import contrib

AsMatrix = Callable[[tuple[Any, ...], jax.Array], contrib.MuonDimensionNumbers | None]
"""(path of a parameter, as names; the parameter) -> its axes as a matrix for Muon, or None for Adam."""


def muon(
    num_steps: int, *, warmup_steps: int, peak_rate: float, adam_rate: float, as_matrix: AsMatrix
) -> optax.GradientTransformation:
    """Both rates rise linearly over warmup_steps and fall along a cosine to a fiftieth of their peak."""

    def schedule(peak: float) -> optax.Schedule:
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup_steps, num_steps, peak / 50)

    def matrices(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: as_matrix(tuple(part.key for part in path), leaf), params
        )

    return contrib.muon(
        schedule(peak_rate),
        adam_learning_rate=schedule(adam_rate),
        adam_b2=0.99,
        weight_decay=0.0,
        muon_weight_dimension_numbers=matrices,
    )
