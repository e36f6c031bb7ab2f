"""The weights of one network: a file whose names, shapes and kinds are checked, and how to get them onto a device.

Made by the open_* functions of dalle_bart, vqgan and clip. Called on the engine thread while an engine is opened.
"""

from pathlib import Path
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.arrays import Arrays
from bot.checkpoints.fill import NameOf, check, fill
from bot.models.network import Params, walk
from bot.startup import Advance

Placement: TypeAlias = jax.Device | jax.sharding.Sharding | None
"""Where parameters go; None is the default device."""


class Weights:
    """What one file holds of one network. Construction raises CheckpointMismatchError.

    num_bytes: of the parameters on one device, in the dtypes that they will have there. largest_bytes: of the file's
    largest array, as stored. file_bytes: of all arrays, as stored; what `load` counts its progress in.
    """

    def __init__(self, file: Path, shapes: Params, arrays: Arrays, name_of: NameOf, *, dtype: DTypeLike) -> None:
        check({name_of(path): tuple(leaf.shape) for path, leaf in walk(shapes)}, arrays, file)
        self._file, self._shapes, self._arrays, self._name_of, self._dtype = file, shapes, arrays, name_of, dtype
        self.largest_bytes = max(array.nbytes for array in arrays.values())
        self.file_bytes = sum(array.nbytes for array in arrays.values())
        self.num_bytes = 0
        for path, leaf in walk(shapes):
            stored = jax.dtypes.canonicalize_dtype(arrays[name_of(path)].dtype)
            target = jnp.dtype(dtype) if path[-1] == "kernel" else stored
            self.num_bytes += leaf.size * target.itemsize

    def load(self, placement: Placement, advance: Advance) -> Params:
        """The parameters, on `placement`. advance: told how many bytes of the file are done."""
        params = fill(self._shapes, self._arrays, self._name_of, self._file, dtype=self._dtype)
        advance(self.file_bytes)
        return params if placement is None else jax.device_put(params, placement)
