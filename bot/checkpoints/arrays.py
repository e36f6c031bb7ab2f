"""Whole files of arrays in memory: what the trainer writes and tests compare. Models are loaded by weights.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from bot.checkpoints.array_file import open_array_file

Arrays = dict[str, npt.NDArray[Any]]
"""Flat: 'model/decoder/final_ln/bias' (msgpack) or 'text_model.final_layer_norm.bias' (safetensors)."""

_ARRAY_EXTENSION = 1


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
    """Writes flat '/'-joined arrays as flax does (flax.serialization.msgpack_serialize, without its chunking)."""
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = _packed(array)
    path.write_bytes(msgpack.packb(tree, use_bin_type=True))


def _packed(array: npt.NDArray[Any]) -> msgpack.ExtType:
    content = (array.shape, array.dtype.name, array.tobytes())
    return msgpack.ExtType(_ARRAY_EXTENSION, msgpack.packb(content, use_bin_type=True))
