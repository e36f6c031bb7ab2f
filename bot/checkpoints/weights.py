"""The weights of one network: a file whose names, shapes and kinds are checked, and how to get them onto a device.

Made by the open_* functions of dalle_bart, vqgan and clip. Called on the engine thread while an engine is opened.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.typing import DTypeLike

from bot.checkpoints.array_file import ArrayFile
from bot.checkpoints.kinds import DALLE_BART
from bot.checkpoints.places import Place, Places, first_problems, match, stored_parameters, stored_shape, stored_shapes
from bot.checkpoints.staging import Part, Placement, Stager
from bot.checkpoints.stored_array import StoredArray
from bot.errors import CheckpointMismatchError
from bot.models.network import Params, nest, walk
from bot.models.network import Path as ParamPath
from bot.startup import Advance


@dataclass(frozen=True, slots=True)
class _Parameter:
    path: ParamPath
    place: Place
    part: Part


class Weights:
    """What one file holds of one network. Construction raises CheckpointMismatchError.

    network: what people call it. shapes: Network.shapes. dtype: what it computes in. Kernels become `dtype`, which
    they are multiplied in, or int8 with scales where `shapes` says so; everything else keeps the dtype of the file:
    embeddings are summed in the dtype that they are stored in, and norms compute in float32 anyway. float64 becomes
    float32.

    file: its headers. num_bytes: of the parameters on one device, in the dtypes that they will have there.
    largest_bytes: of the file's largest array, as stored. file_bytes: of all arrays, as stored; what `load` counts its
    progress in.
    """

    def __init__(self, network: str, file: ArrayFile, shapes: Params, places: Places, *, dtype: DTypeLike) -> None:
        match(network, stored_shapes(shapes, places), file.arrays, file.path)
        self._network = network
        self.file = file
        self._order = [path for path, _ in walk(shapes)]
        parameters = []
        self.num_bytes = 0
        for path, leaf in stored_parameters(shapes):
            place = places[path]
            arrays = tuple(file.arrays[name] for name in place.names)
            _same_kind(network, place, arrays, file)
            int8 = leaf.dtype == np.int8
            target = np.dtype(dtype) if path[-1] == "kernel" else _at_most_float32(arrays[0].dtype)
            shape = stored_shape(leaf.shape, place)
            start = (place.layer or 0) * math.prod(shape) * arrays[0].dtype.itemsize
            parameters.append(_Parameter(path, place, Part(arrays, start, shape, place.axes, target, int8)))
            self.num_bytes += leaf.size + 4 * leaf.shape[0] if int8 else leaf.size * target.itemsize
        # In the order of the file, which a disk reads fastest.
        self._parameters = sorted(parameters, key=lambda p: (p.part.arrays[0].pieces, p.part.start))
        self.largest_bytes = max(array.nbytes for array in file.arrays.values())
        self.file_bytes = sum(array.nbytes for array in file.arrays.values())

    def load(self, placement: Placement, advance: Advance) -> Params:
        """The parameters on `placement`, a tree like `shapes`; perhaps still on their way. A device or None get one
        copy; a sharding says which devices get what.

        advance: told how many more bytes of the file are done. Never holds more of the file than two arrays, or layers
        of arrays that hold them all. Raises CheckpointError where the file can't be read, CheckpointMismatchError where
        numbers are not finite, in the file or as the dtype that they become.
        """
        leaves: dict[ParamPath, Any] = {}
        problems = []
        with self.file.reading() as reader:
            stager = Stager(reader, placement)
            for path, place, part in ((p.path, p.place, p.part) for p in self._parameters):
                brought = stager.bring(part)
                if isinstance(brought, list):
                    layer = "" if place.layer is None else f" (layer {place.layer})"
                    problems += [f"{place.names[flaw.array]}{layer} {flaw.sentence}" for flaw in brought]
                else:
                    leaves[path] = brought[0]
                    if part.int8:
                        leaves[*path[:-1], "kernel_scale"] = brought[1]
                advance(part.nbytes)
        if problems:
            too_large = self._network == DALLE_BART and any("too large" in problem for problem in problems)
            cure = "another model.dtype or model" if too_large else "another model"
            advice = f"Fetch it again; if it stays, choose {cure}."
            raise CheckpointMismatchError(first_problems(self.file.path, problems, advice))
        return nest({path: leaves[path] for path in self._order})


def _same_kind(network: str, place: Place, arrays: tuple[StoredArray, ...], file: ArrayFile) -> None:
    if len({array.dtype for array in arrays}) > 1:
        kinds = ", ".join(f"{name} holds {array.dtype}" for name, array in zip(place.names, arrays, strict=True))
        raise CheckpointMismatchError(
            f"{file.path}: {kinds}; {network} keeps these as one, so they must be of one kind. Save them alike."
        )


def _at_most_float32(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype == np.float64 else dtype
