"""Matching a file with a network: every difference is found, the first ones are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from bot.checkpoints.places import Place, extract, match, places_by_name, stored_shapes
from bot.checkpoints.stored_array import DTYPES, StoredArray
from bot.errors import CheckpointMismatchError
from bot.models.int8 import Int8Linear
from bot.models.network import Network
from bot.models.network import Path as ParamPath

FILE = Path("somewhere/flax_model.msgpack")
WANTED = {"embed/embedding": (3, 2), "linear/kernel": (2, 4), "linear/bias": (4,)}


def name_of(path: ParamPath) -> str:
    return "/".join(map(str, path))


def stored(shape: tuple[int, ...], dtype: str = "float32") -> StoredArray:
    return StoredArray(DTYPES[dtype], shape, ((0, int(np.prod(shape)) * DTYPES[dtype].itemsize),))


def error(changes: dict[str, Any], network: str = "DalleBart") -> str:
    arrays = {name: stored(shape) for name, shape in WANTED.items()} | changes
    with pytest.raises(CheckpointMismatchError) as caught:
        match(network, WANTED, {name: array for name, array in arrays.items() if array}, FILE)
    return str(caught.value)


def test_what_matches_is_accepted() -> None:
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        match("DalleBart", WANTED, {name: stored(shape, dtype) for name, shape in WANTED.items()}, FILE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"linear/bias": None}, "linear/bias [4] is missing."),
        ({"linear/bias": stored((5,))}, "linear/bias has shape [5], expected [4]."),
        ({"linear/kernel": stored((4, 2))}, "linear/kernel has shape [4, 2], expected [2, 4]."),
        ({"linear/bias": stored(())}, "linear/bias has shape [], expected [4]."),
        ({"linear/bias": stored((4,), "int32")}, "linear/bias holds int32, expected floating point numbers."),
        ({"linear/bias": stored((4,), "complex64")}, "linear/bias holds complex64, expected floating point numbers."),
        ({"linear/scale": stored((4,))}, "linear/scale [4] is not part of the network."),
    ],
)
def test_one_difference_is_named(changes: dict[str, Any], sentence: str) -> None:
    assert error(changes) == f"{FILE}: {sentence} Do config.json and this file belong together?"


def test_several_differences_are_listed() -> None:
    said = error({"linear/bias": None, "linear/scale": stored((4,)), "embed/embedding": stored((1,))})
    assert said.splitlines() == [
        f"{FILE}: 3 arrays are wrong.",
        "  embed/embedding has shape [1], expected [3, 2]",
        "  linear/bias [4] is missing",
        "  linear/scale [4] is not part of the network",
        "Do config.json and this file belong together?",
    ]


def test_ten_are_listed_and_the_others_counted() -> None:
    lines = error({f"more/{i:02}": stored((1,)) for i in range(13)}).splitlines()
    assert len(lines) == 1 + 10 + 1 + 1
    assert lines[-3:-1] == ["  more/09 [1] is not part of the network", "  and 3 more"]


def test_another_networks_weights_are_recognised() -> None:
    said = error({"text_model/final_layer_norm/bias": stored((1,))})
    assert said == f"{FILE}: these seem to be CLIP's weights; DalleBart's belong here."
    # CLIP's own file with one array too many is a file of CLIP.
    assert "is not part of the network" in error({"text_model/x": stored((1,))}, "CLIP")


def test_shapes_of_layers_and_permuted_arrays() -> None:
    shapes = {"layers": {i: {"kernel": np.empty((3, 3, 8, 16))} for i in range(2)}}
    places: dict[ParamPath, Place] = {
        ("layers", i, "kernel"): Place(("layers.weight",), i, (2, 3, 1, 0)) for i in range(2)
    }
    assert stored_shapes(shapes, places) == {"layers.weight": (2, 16, 8, 3, 3)}
    assert np.empty((16, 8, 3, 3)).transpose(2, 3, 1, 0).shape == (3, 3, 8, 16)


def test_scales_of_int8_matrices_are_not_in_the_file() -> None:
    shapes = Network(lambda rngs: Int8Linear(2, 3, dtype=np.float32, rngs=rngs)).shapes
    assert stored_shapes(shapes, places_by_name(shapes, name_of)) == {"kernel": (3, 2)}


def test_extract_names_every_parameter() -> None:
    params = Network(lambda rngs: nnx.Linear(2, 3, rngs=rngs)).init(0)
    arrays = extract(params, places_by_name(params, name_of), dtype=np.float16)
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "kernel": ("float16", (2, 3)),
        "bias": ("float16", (3,)),
    }
    np.testing.assert_array_equal(arrays["kernel"], np.asarray(params["kernel"]).astype(np.float16))


def test_extract_takes_a_parameter_apart_into_the_arrays_that_it_is_made_of() -> None:
    matrix = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    places: dict[ParamPath, Place] = {("qkv",): Place(("q", "k"), axes=(1, 0))}
    arrays = extract({"qkv": matrix}, places, dtype=np.float32)
    np.testing.assert_array_equal(arrays["q"], matrix[:2].T)
    np.testing.assert_array_equal(arrays["k"], matrix[2:].T)
    assert stored_shapes({"qkv": matrix}, places) == {"q": (3, 2), "k": (3, 2)}
