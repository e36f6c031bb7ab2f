"""Whole arrays by name: files written as flax does, and small files read at once. Models are loaded by weights.py.

Called by the trainer, the benches and tests.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np
import numpy.typing as npt

from bot.checkpoints.array_file import open_array_file

Arrays = dict[str, npt.NDArray[Any]]
"""Flat: 'model/decoder/final_ln/bias' (msgpack) or 'text_model.final_layer_norm.bias' (safetensors)."""


def read_arrays(path: Path) -> Arrays:
    """Reads `*.msgpack` or `*.safetensors`. Raises what open_array_file does."""
    file = open_array_file(path)
    arrays: Arrays = {}
    with file.reading() as reader:
        for name, stored in file.arrays.items():
            buffer = np.empty(stored.nbytes, np.uint8)
            reader.read(stored, 0, buffer)
            arrays[name] = buffer.view(stored.dtype).reshape(stored.shape)
    return arrays


def write_msgpack(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes flat '/'-joined arrays as flax does (flax.serialization.msgpack_serialize, without its chunking).

    Each array is asked for once and let go before the next, so that a mapping which makes them when asked can be larger
    than memory. An array has less than 2**32 bytes.
    """
    tree: dict[str, Any] = {}
    for name in arrays:
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = name
    with path.open("wb") as file:
        _write_map(file, tree, arrays)


def _write_map(file: BinaryIO, node: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    file.write(msgpack.Packer().pack_map_header(len(node)))
    for key, member in node.items():
        file.write(msgpack.packb(key))
        if isinstance(member, str):
            file.writelines(_packed(arrays[member]))
        else:
            _write_map(file, member, arrays)


def _packed(array: npt.NDArray[Any]) -> Iterator[bytes | memoryview]:
    """An extension of type 1 that holds the list [shape, name of the dtype, bytes]; see msgpack_index."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    head = b"\x93" + msgpack.packb(list(array.shape)) + msgpack.packb(array.dtype.name)
    head += b"\xc6" + data.nbytes.to_bytes(4)
    yield b"\xc9" + (len(head) + data.nbytes).to_bytes(4) + b"\x01" + head
    yield data
