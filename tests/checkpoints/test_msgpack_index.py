"""Headers of flax's files: what flax writes is found where it lies, anything else is refused without much memory."""

import io
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest
from flax import serialization
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bot.checkpoints.msgpack_index import index_msgpack
from bot.checkpoints.stored_array import StoredArray

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
TREE = {"a": {"kernel": KERNEL}, "b": {"0": {"bias": np.asarray([1, 2], np.float16)}}}
VALID = serialization.msgpack_serialize(TREE)


def index(content: bytes) -> dict[str, StoredArray]:
    return index_msgpack(io.BytesIO(content), len(content))


def array(shape: Any = (2,), dtype: Any = "float32", data: Any = b"0" * 8, code: int = 1) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb((shape, dtype, data)))


def chunked(shape: Any, chunks: Any) -> dict[str, Any]:
    return {"a": {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks}}


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=20)
dtypes = st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.bool_])
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20))


@given(st.dictionaries(names, st.dictionaries(names, arrays, max_size=4), max_size=20))
def test_finds_what_flax_writes(tree: dict[str, dict[str, Any]]) -> None:
    content = serialization.msgpack_serialize(tree)
    found = index(content)
    flat = {f"{group}/{name}" if group else name: value for group, part in tree.items() for name, value in part.items()}
    assert found.keys() == flat.keys()
    for name, value in flat.items():
        [(offset, nbytes)] = found[name].pieces
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert content[offset : offset + nbytes] == value.tobytes()


def test_chunks_are_pieces_of_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 16)
    content = serialization.msgpack_serialize({"a": {"b": KERNEL}})
    found = index(content)["a/b"]
    assert (found.dtype.name, found.shape, len(found.pieces)) == ("float32", (2, 3), 2)
    assert b"".join(content[offset : offset + nbytes] for offset, nbytes in found.pieces) == KERNEL.tobytes()


@given(st.binary(max_size=200))
def test_garbage_never_points_outside_itself(content: bytes) -> None:
    try:
        found = index(content)
    except ValueError:
        return
    assert all(offset + nbytes <= len(content) for a in found.values() for offset, nbytes in a.pieces)


@given(st.integers(0, len(VALID) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_never_points_outside_itself(place: int, damage: bytes) -> None:
    content = VALID[:place] + damage + VALID[place + len(damage) :]
    try:
        found = index(content)
    except ValueError:
        return
    assert all(offset + nbytes <= len(content) for a in found.values() for offset, nbytes in a.pieces)


@given(st.integers(0, len(VALID) - 1))
def test_every_truncation_is_refused(kept: int) -> None:
    with pytest.raises(ValueError, match="ends"):
        index(VALID[:kept])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (VALID + b"\0", f"something else follows at byte {len(VALID)}"),
        (b"", "it ends at byte 0"),
        (b"\x07", "the file holds a number, not arrays"),
        (msgpack.packb([1]), "the file holds a list, not arrays"),
        (msgpack.packb({"a": {"b": "text"}}), "a/b holds text, not arrays"),
        (msgpack.packb({"a": {"b": 7}}), "a/b holds a number, not arrays"),
        (msgpack.packb({"a": None}), "a holds nothing, not arrays"),
        (msgpack.packb({"a": b"bytes"}), "a holds bytes, not arrays"),
        (msgpack.packb({1: array()}), "there is no name at byte"),
        (msgpack.packb({"a": array(code=2)}), "a is an extension of type 2"),
        (msgpack.packb({"a": array(shape=(3,))}), r"a: 8 bytes are not an array \[3\]"),
        (msgpack.packb({"a": array(shape=(-2,))}), "a: a shape has the negative size -2"),
        (msgpack.packb({"a": array(shape=(2**62 + 2,))}), "a: 8 bytes are not an array"),
        (msgpack.packb({"a": array(shape=(1,) * 40)}), "a has no shape"),
        (msgpack.packb({"a": array(shape=("2",))}), "a has no shape"),
        (msgpack.packb({"a": array(shape="2")}), "a has no shape"),
        (msgpack.packb({"a": array(dtype="float33")}), "a holds 'float33', which is no known"),
        (msgpack.packb({"a": array(dtype="object")}), "a holds 'object', which is no known"),
        (msgpack.packb({"a": array(dtype=[["x", "O"]])}), "there is no name"),
        (msgpack.packb({"a": array(data="12345678")}), "a is not shape, dtype and bytes"),
        (msgpack.packb({"a": msgpack.ExtType(1, array().data + b"\0")}), "a does not end where it should"),
        (msgpack.packb({"a": msgpack.ExtType(1, b"\xc1")}), "a is not shape, dtype and bytes"),
        (msgpack.packb({"a/b": array(), "a": {"b": array()}}), "a/b is there twice"),
        (b"\x82" + 2 * (b"\xa1a" + msgpack.packb(array())), "a is there twice"),
        (msgpack.packb({"x" * 2000: array()}), "there is no name"),
        (msgpack.packb(chunked({"0": 4}, {"0": array()})), r"a: 8 bytes are not an array \[4\]"),
        (msgpack.packb(chunked({"0": 2}, {})), "a has no chunks"),
        (msgpack.packb(chunked({"1": 2}, {"0": array()})), "without its shape or some chunks"),
        (msgpack.packb(chunked({"0": 2}, {"0": 1})), "without its shape or some chunks"),
        (msgpack.packb(chunked(2, {"0": array()})), "without its shape or some chunks"),
        (msgpack.packb(chunked({"0": 4}, {"0": array(), "1": array(dtype="int32")})), "chunks of different kinds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        index(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\xdf\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff" + b"\xa1a\x80",
        b"\x81\xdb\xff\xff\xff\xff",
        b"\x81\xa1a\xc9\xff\xff\xff\xff\x01\x93\x91\x02\xa7float32\xc6\xff\xff\xff\xf0",
        b"\x81\xa1a" * 200_000,
        b"\xde\xff\xff" + b"".join(b"\xd9\x05%05d\x80" % i for i in range(65535)) * 2,
        b"\x82\xa1a\xde\xff\xff"
        + b"".join(b"\xd9\x05%05d\x80" % i for i in range(65535))
        + b"\xa1b\xde\xff\xff"
        + b"".join(b"\xd9\x05%05d\x80" % i for i in range(65535)),
    ],
    ids=[
        "map of billions",
        "members of billions",
        "name of gigabytes",
        "array of gigabytes",
        "deep",
        "doubled",
        "many",
    ],
)
def test_hostile_headers_take_little_memory(content: bytes) -> None:
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"ends|beyond|no name|follows"):
            index_msgpack(file, len(content))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_long_names_above_many_arrays_take_little_memory() -> None:
    tree: Any = {f"{number}": array() for number in range(2000)}
    for _ in range(20):
        tree = {"x" * 1000: tree}
    content = msgpack.packb(tree)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is a name beyond 1024 characters"):
            index(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10e6
