"""Muon for what is a matrix, Adam for the rest, both on one schedule."""

import jax.numpy as jnp
import numpy as np
from optax.contrib import MuonDimensionNumbers

from bot.demo.optimizer import muon

RATE = 0.1


def test_matrices_move_alike_in_every_direction_and_the_rest_by_adam() -> None:
    seen = []

    def as_matrix(path: tuple[object, ...], leaf: object) -> MuonDimensionNumbers | None:
        seen.append(path)
        return MuonDimensionNumbers(0, 1) if path == ("layer", "kernel") else None

    optimizer = muon(100, warmup_steps=1, peak_rate=RATE, adam_rate=RATE, as_matrix=as_matrix)
    random = np.random.default_rng(0)
    params = {"layer": {"kernel": jnp.zeros((8, 8))}, "embedding": jnp.zeros((8, 8))}
    slopes = {name: random.normal(size=(8, 8)) * np.logspace(0, -2, 8) for name in ("kernel", "embedding")}
    gradients = {"layer": {"kernel": jnp.asarray(slopes["kernel"])}, "embedding": jnp.asarray(slopes["embedding"])}
    state = optimizer.init(params)
    for _ in range(2):  # the first step of the warm-up has a rate of 0
        updates, state = optimizer.update(gradients, state, params)

    assert ("layer", "kernel") in seen
    strengths = np.linalg.svd(updates["layer"]["kernel"], compute_uv=False)
    assert strengths.max() / strengths.min() < 3 < np.linalg.cond(slopes["kernel"])
    moved = np.asarray(updates["embedding"])
    np.testing.assert_array_equal(np.sign(moved), -np.sign(slopes["embedding"]))
    np.testing.assert_allclose(np.abs(moved), np.abs(moved).mean(), rtol=1e-3)
