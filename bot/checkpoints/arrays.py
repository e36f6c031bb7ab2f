"""Files of arrays: flax msgpack and safetensors, read into a flat dict of numpy arrays. Pickles are never read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from bot.errors import CheckpointError, CheckpointNotFoundError

Arrays = dict[str, npt.NDArray[Any]]
"""Flat: 'model/decoder/final_ln/bias' (msgpack) or 'text_model.final_layer_norm.bias' (safetensors)."""

_NDARRAY_EXTENSION = 1


def read_arrays(path: Path) -> Arrays:
    """Reads `*.msgpack` or `*.safetensors`.

    Raises CheckpointNotFoundError if there is no such file, CheckpointError if it is cut short or malformed.
    """
    if not path.is_file():
        raise CheckpointNotFoundError(f"{path}: no such file.")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, ValueError, OSError) as error:
            raise CheckpointError(f"{path}: not a complete safetensors file ({error}). Fetch it again.") from error
    flat: Arrays = {}
    try:
        tree = msgpack.unpackb(path.read_bytes(), ext_hook=_array, raw=False, strict_map_key=False)
        _flatten(tree, (), flat)
    except (ValueError, TypeError, KeyError, OSError, msgpack.UnpackException) as error:
        raise CheckpointError(
            f"{path}: not a complete flax msgpack file ({str(error) or type(error).__name__}). Fetch it again."
        ) from error
    return flat


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


def _array(code: int, data: bytes) -> Any:
    if code != _NDARRAY_EXTENSION:
        raise ValueError(f"extension type {code} is not an array")
    shape, dtype_name, buffer = msgpack.unpackb(data, raw=False)
    if dtype_name == "bfloat16":
        import ml_dtypes

        return np.frombuffer(buffer, ml_dtypes.bfloat16).reshape(shape)
    dtype = np.dtype(dtype_name)
    if dtype.hasobject:
        raise ValueError("arrays of Python objects are not read")
    return np.frombuffer(buffer, dtype).reshape(shape)


def _packed(array: npt.NDArray[Any]) -> msgpack.ExtType:
    content = (array.shape, array.dtype.name, array.tobytes())
    return msgpack.ExtType(_NDARRAY_EXTENSION, msgpack.packb(content, use_bin_type=True))


def _flatten(node: Any, prefix: tuple[str, ...], flat: Arrays) -> None:
    if isinstance(node, np.ndarray):
        flat["/".join(prefix)] = node
    elif isinstance(node, dict) and "__msgpack_chunked_array__" in node:
        flat["/".join(prefix)] = _join_chunks(node)
    elif isinstance(node, dict):
        for key, value in node.items():
            _flatten(value, (*prefix, str(key)), flat)
    else:
        raise ValueError(f"{'/'.join(prefix) or 'the file'} holds {type(node).__name__}, not arrays")


def _join_chunks(node: dict[str, Any]) -> npt.NDArray[Any]:
    """Flax splits arrays of more than 2**30 bytes into flat chunks (flax/serialization.py)."""
    shape = [node["shape"][str(i)] for i in range(len(node["shape"]))]
    chunks = [node["chunks"][str(i)] for i in range(len(node["chunks"]))]
    return np.concatenate(chunks).reshape(shape)
