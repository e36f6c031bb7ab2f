"""Files of arrays: what flax and safetensors write is read, everything else is refused with the file's name."""

import pickle
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import msgpack
import numpy as np
import pytest
from flax import serialization
from safetensors.numpy import save_file

from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.errors import CheckpointError, CheckpointNotFoundError

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
BIAS = np.asarray([1, 2], np.float16)
TREE = {"a": {"kernel": KERNEL}, "b": {"0": {"bias": BIAS}}}


def extension(code: int, content: object) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb(content, use_bin_type=True))


def write(folder: Path, tree: object) -> Path:
    path = folder / "flax_model.msgpack"
    path.write_bytes(tree if isinstance(tree, bytes) else msgpack.packb(tree, use_bin_type=True))
    return path


def assert_same(read: Arrays, expected: Arrays) -> None:
    assert read.keys() == expected.keys()
    for name, array in expected.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_reads_what_flax_writes(tmp_path: Path) -> None:
    read = read_arrays(write(tmp_path, serialization.msgpack_serialize(TREE)))
    assert_same(read, {"a/kernel": KERNEL, "b/0/bias": BIAS})


def test_reads_bfloat16(tmp_path: Path) -> None:
    array = np.asarray(jnp.asarray([1.5, -2.0], jnp.bfloat16))
    assert_same(read_arrays(write(tmp_path, serialization.msgpack_serialize({"a": array}))), {"a": array})


def test_joins_the_chunks_that_flax_makes_of_large_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 16)
    array = np.arange(35, dtype=np.float32).reshape(5, 7)
    written = serialization.msgpack_serialize({"a": {"b": array}})
    assert b"__msgpack_chunked_array__" in written
    assert_same(read_arrays(write(tmp_path, written)), {"a/b": array})


def test_flax_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "flax_model.msgpack"
    arrays: Arrays = {"a/kernel": KERNEL, "b/0/bias": BIAS, "scalar": np.full((), 2, np.float32)}
    write_msgpack(path, arrays)
    restored = serialization.msgpack_restore(path.read_bytes())
    np.testing.assert_array_equal(restored["a"]["kernel"], KERNEL)
    assert restored["b"]["0"]["bias"].dtype == np.float16
    assert_same(read_arrays(path), arrays)


def test_reads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a.weight": np.ones((2, 2), np.float32)}, path)
    assert_same(read_arrays(path), {"a.weight": np.ones((2, 2), np.float32)})


@pytest.mark.parametrize("name", ["flax_model.msgpack", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointNotFoundError, match=f"{name}: no such file"):
        read_arrays(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(CheckpointNotFoundError, match=f"{name}: no such file"):
        read_arrays(tmp_path / name)


@pytest.mark.parametrize("kept", [0, 1, 10, -60, -1])
def test_a_file_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    content = serialization.msgpack_serialize(TREE)
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack: not a complete flax msgpack file .*Fetch it"):
        read_arrays(write(tmp_path, content[:kept]))


@pytest.mark.parametrize("kept", [0, 7, 20, -1])
def test_safetensors_cut_short_are_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a.weight": np.ones((2, 2), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a complete safetensors file .*Fetch it again"):
        read_arrays(path)


CHUNKED = {
    "__msgpack_chunked_array__": True,
    "shape": {"0": 4},
    "chunks": {"0": extension(1, ([2], "float32", b"0" * 8))},
}


@pytest.mark.parametrize(
    "tree",
    [
        serialization.msgpack_serialize(TREE) + b"\x00",
        7,
        [1, 2],
        {"a": {"b": "text"}},
        {"a": extension(2, (1.0, 2.0))},
        {"a": extension(1, ([2], "float32"))},
        {"a": extension(1, ([3], "float32", b"0" * 8))},
        {"a": extension(1, ([2], "float33", b"0" * 8))},
        {"a": extension(1, ([1], "object", b"0" * 8))},
        {"a": extension(1, ([1], [["x", "O"]], b"0" * 8))},
        {"a": msgpack.ExtType(1, b"\xc1")},
        {"a": CHUNKED},
        {"a": {"__msgpack_chunked_array__": True, "chunks": {}}},
        {"a": {"__msgpack_chunked_array__": True, "shape": [4], "chunks": {"0": 1}}},
    ],
    ids=[
        "surplus bytes",
        "number",
        "list",
        "text leaf",
        "other extension",
        "array without content",
        "array of another size",
        "unknown dtype",
        "objects",
        "structure with objects",
        "extension of garbage",
        "chunks of another size",
        "chunks without shape",
        "chunks of another type",
    ],
)
def test_what_is_not_a_flax_file_is_named(tmp_path: Path, tree: object) -> None:
    wrong = r"(not a complete flax msgpack file \(\S|.* holds .*, not arrays, so)"
    with pytest.raises(CheckpointError, match=rf"flax_model\.msgpack: {wrong}"):
        read_arrays(write(tmp_path, tree))


def test_what_holds_no_array_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a/b holds text, not arrays"):
        read_arrays(write(tmp_path, {"a": {"b": "text"}}))


def test_nothing_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (tmp_path.joinpath("sprung").touch, ())

    for name in ("flax_model.msgpack", "model.safetensors"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps({"a": Trap()}))
        with pytest.raises(CheckpointError):
            read_arrays(path)
    assert not (tmp_path / "sprung").exists()
