"""Headers of safetensors files."""

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from bot.checkpoints.safetensors_index import index_safetensors
from bot.checkpoints.stored_array import StoredArray

dtypes = st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint64, np.bool_])
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20))
VALID = save({"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float16)}, {"format": "pt"})


def index(content: bytes) -> dict[str, StoredArray]:
    return index_safetensors(io.BytesIO(content), len(content))


def made(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), arrays, max_size=20))
def test_finds_what_the_library_writes(tree: dict[str, Any]) -> None:
    tree.pop("__metadata__", None)
    content = save(tree)
    found = index(content)
    assert found.keys() == tree.keys()
    for name, value in tree.items():
        [(offset, nbytes)] = found[name].pieces
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert content[offset : offset + nbytes] == value.tobytes()


def test_bfloat16_is_known_and_metadata_is_no_array() -> None:
    found = index(made({"a": entry("BF16", (4,)), "__metadata__": {"format": "pt"}}, bytes(8)))
    assert {name: array.dtype.name for name, array in found.items()} == {"a": "bfloat16"}


@given(st.integers(0, len(VALID) - 1))
def test_every_truncation_is_refused(kept: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        index(VALID[:kept])


@given(st.binary(max_size=100), st.booleans())
def test_garbage_is_refused(content: bytes, framed: bool) -> None:
    with pytest.raises(ValueError, match=r"."):
        index(made(content, b"\0") if framed else content)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the whole file has 0"),
        (b"\xff" * 8, "its header should have 18446744073709551615 bytes"),
        ((2**40).to_bytes(8, "little") + b"{}", "its header should have 1099511627776 bytes"),
        (made([]), "its header is not a JSON object"),
        (made(b"[" * 10**6), "nested too deeply|not"),
        (made(b'{"a": ' * 100_000), "nested too deeply"),
        (made(b'{"a": 1' + b"0" * 10_000 + b"}"), "."),
        (made(b'{"a": {}, "a": {}}'), "a name in its header is there twice"),
        (made({"a": 1}), "a is not dtype, shape and data_offsets"),
        (made({"a": entry("X9")}, bytes(8)), "a holds 'X9', which is no known"),
        (made({"a": entry(shape=[2.0])}, bytes(8)), "a is not dtype, shape"),
        (made({"a": entry(shape=[True])}, bytes(8)), "a is not dtype, shape"),
        (made({"a": entry(offsets=[8, 0])}, bytes(8)), "a is not dtype, shape"),
        (made({"a": entry(offsets=[-8, 0])}, bytes(8)), "a is not dtype, shape"),
        (made({"a": entry(shape=[3])}, bytes(8)), r"a: 8 bytes are not an array \[3\] of float32"),
        (made({"a": entry(shape=[-1, -2])}, bytes(8)), "a: a shape has the negative size -1"),
        (made({"a": entry(shape=[2**62 + 2])}, bytes(8)), "a: 8 bytes are not an array"),
        (made({"a": entry(), "b": entry()}, bytes(8)), r"b starts at byte \d+, where \d+ is next"),
        (made({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)), r"b starts at byte \d+, where \d+ is next"),
        (made({"a": entry(), "b": entry(offsets=[16, 24])}, bytes(24)), r"b starts at byte \d+, where \d+ is next"),
        (made({"a": entry()}, bytes(4)), r"its arrays end at byte \d+, the whole file has \d+"),
        (made({"a": entry()}, bytes(9)), r"its arrays end at byte \d+, the whole file has \d+"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        index(content)
