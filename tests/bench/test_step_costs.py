"""What a step reads and multiplies, against the released models' figures and sums made by hand."""

import jax
import jax.numpy as jnp
import pytest

from bot.bench.random_bundle import dalle_bart_options
from bot.bench.step_costs import cache_bytes, matmul_flops, weight_bytes
from bot.checkpoints.dalle_bart import network
from bot.engine.precision import KeptDtypes
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Params

TWO = KeptDtypes("bfloat16", "bfloat16")


def config(name: str) -> DalleBartConfig:
    return DalleBartConfig.from_json(dalle_bart_options(name))


def shapes(name: str, weights: WeightsKind = "same") -> Params:
    return network(config(name), weights=weights).shapes


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        # Layers x (self-attention's four matrices, cross-attention's two, GLU's three), and the head.
        ("mini", 12 * (6 * 1024**2 + 3 * 1024 * 2730) + 1024 * 16385),
        ("mega", 24 * (6 * 2048**2 + 3 * 2048 * 4096) + 2048 * 16416),
        ("tiny", 2 * (6 * 64**2 + 3 * 64 * 96) + 64 * 257),
    ],
)
def test_operations(name: str, numbers: int) -> None:
    assert matmul_flops(shapes(name), 1) == 2 * 2 * numbers
    assert matmul_flops(shapes(name), 9) == 9 * matmul_flops(shapes(name), 1)


def test_weights_are_counted_as_they_are_kept() -> None:
    # Five biases and two scales as wide as the model, and the bias within the GLU; one bias at the end.
    norms = 2 * (7 * 64 + 96) + 64
    layers, head = 2 * (6 * 64**2 + 3 * 64 * 96), 64 * 257
    full = shapes("tiny")
    assert weight_bytes(full) == 4 * (layers + head + norms)
    halved = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), full)
    assert weight_bytes(halved) == 2 * (layers + head + norms)
    channels = 2 * (3 * 64 + 64 + 2 * 64 + 2 * 96 + 64)
    assert weight_bytes(shapes("tiny", "int8")) == layers + 4 * (channels + head + norms)


def test_keys_and_values() -> None:
    mega = config("mega")
    one = 2 * 24 * 2048 * 2
    # Tokens 0, 1 and 2 read as many before them.
    assert cache_bytes(mega, 1, 3, [], TWO) == 2 * one
    assert cache_bytes(mega, 9, 256, [], TWO) == 9 * 2 * 127.5 * one
    # The texts of all images are the same two.
    assert cache_bytes(mega, 9, 1, [12, 2], TWO) == 14 * one
    assert cache_bytes(mega, 9, 1, [12, 2], KeptDtypes("bfloat16", "float32")) == 28 * one
