"""Puts a file's arrays into a network's parameters, strictly: nothing missing, nothing surplus, every shape right."""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from bot.checkpoints.arrays import Arrays
from bot.errors import CheckpointMismatchError
from bot.models.network import Params, nest, walk
from bot.models.network import Path as ParamPath

NameOf = Callable[[ParamPath], str]
"""From a parameter's path in our module to its name in the file."""


def fill(shapes: Params, arrays: Arrays, name_of: NameOf, file: Path, *, dtype: DTypeLike) -> Params:
    """Returns parameters shaped like `shapes` with the values of `arrays`, on the default device.

    Kernels become `dtype`, which they are multiplied in; everything else keeps the dtype of the file: embeddings are
    summed in the dtype that they are stored in, and norms compute in float32 anyway.
    Raises CheckpointMismatchError naming the first difference, and how many there are.
    """
    wanted = {path: (name_of(path), tuple(leaf.shape)) for path, leaf in walk(shapes)}
    check(dict(wanted.values()), arrays, file)
    leaves = {
        path: jnp.asarray(arrays[name], dtype if path[-1] == "kernel" else None) for path, (name, _) in wanted.items()
    }
    return nest(leaves)


def check(wanted: Mapping[str, tuple[int, ...]], arrays: Arrays, file: Path) -> None:
    """Compares names both ways, shapes and kinds. Raises CheckpointMismatchError."""
    problems = []
    for name, shape in sorted(wanted.items()):
        if name not in arrays:
            problems.append(f"{name} {_text(shape)} is missing")
        elif arrays[name].shape != shape:
            problems.append(f"{name} has shape {_text(arrays[name].shape)}, expected {_text(shape)}")
        elif not jnp.issubdtype(arrays[name].dtype, jnp.floating):
            problems.append(f"{name} holds {arrays[name].dtype}, expected floating point numbers")
    problems += [
        f"{name} {_text(arrays[name].shape)} is not part of the network" for name in sorted(set(arrays) - set(wanted))
    ]
    if problems:
        others = len(problems) - 1
        more = f" ({others} more difference{'s' if others > 1 else ''})" if others else ""
        raise CheckpointMismatchError(f"{file}: {problems[0]}{more}. Do config.json and this file belong together?")


def extract(params: Params, name_of: NameOf, *, dtype: DTypeLike) -> Arrays:
    """The inverse of `fill`: arrays by their names in the file, as `dtype`."""
    return {name_of(path): np.asarray(jax.device_get(leaf)).astype(np.dtype(dtype)) for path, leaf in walk(params)}


def _text(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
