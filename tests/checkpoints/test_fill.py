"""Strict filling: the first difference between a file and a network is named, with both shapes."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bot.checkpoints.arrays import Arrays
from bot.checkpoints.fill import extract, fill
from bot.errors import CheckpointMismatchError
from bot.models.network import Network, Params
from bot.models.network import Path as ParamPath

FILE = Path("somewhere/flax_model.msgpack")


class Small(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(3, 2, rngs=rngs)
        self.linear = nnx.Linear(2, 4, rngs=rngs)


def name_of(path: ParamPath) -> str:
    return "/".join(map(str, path))


def arrays() -> Arrays:
    return {
        "embed/embedding": np.ones((3, 2), np.float16),
        "linear/kernel": np.ones((2, 4), np.float16),
        "linear/bias": np.ones(4, np.float16),
    }


def filled(given: Arrays, dtype: Any = jnp.float32) -> Params:
    return fill(Network(Small).shapes, given, name_of, FILE, dtype=dtype)


def test_kernels_get_the_dtype_of_computation_and_the_rest_keeps_its_own() -> None:
    params = filled(arrays(), jnp.bfloat16)
    assert jax.tree.map(lambda leaf: str(leaf.dtype), params) == {
        "embed": {"embedding": "float16"},
        "linear": {"kernel": "bfloat16", "bias": "float16"},
    }
    assert params["linear"]["kernel"].shape == (2, 4)


def test_float64_is_read_as_float32() -> None:
    params = filled({name: array.astype(np.float64) for name, array in arrays().items()})
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(params)} == {"float32"}


def test_extract_inverts_fill() -> None:
    given = arrays()
    given["linear/kernel"] = np.arange(8, dtype=np.float16).reshape(2, 4)
    back = extract(filled(given), name_of, dtype=np.float16)
    assert back.keys() == given.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"linear/bias": None}, "linear/bias [4] is missing."),
        ({"linear/bias": np.ones(5, np.float32)}, "linear/bias has shape [5], expected [4]."),
        ({"linear/kernel": np.ones((4, 2), np.float32)}, "linear/kernel has shape [4, 2], expected [2, 4]."),
        ({"linear/bias": np.ones((), np.float32)}, "linear/bias has shape [], expected [4]."),
        ({"linear/bias": np.ones(4, np.int32)}, "linear/bias holds int32, expected floating point numbers."),
        ({"linear/bias": np.ones(4, np.complex64)}, "linear/bias holds complex64, expected floating point numbers."),
        ({"linear/scale": np.ones(4, np.float32)}, "linear/scale [4] is not part of the network."),
        (
            {"linear/bias": None, "linear/scale": np.ones(4, np.float32), "embed/embedding": np.ones(1, np.float32)},
            "embed/embedding has shape [1], expected [3, 2] (2 more differences).",
        ),
    ],
)
def test_the_first_difference_is_named(changes: dict[str, Any], sentence: str) -> None:
    given = {name: array for name, array in (arrays() | changes).items() if array is not None}
    with pytest.raises(CheckpointMismatchError) as caught:
        filled(given)
    assert str(caught.value) == f"{FILE}: {sentence} Do config.json and this file belong together?"
