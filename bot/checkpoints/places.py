"""Which array of a file is which parameter of a network, and whether all of them are there.

Each kind of checkpoint says where its parameters lie (dalle_bart, vqgan, clip); weights.py matches and loads them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
import numpy.typing as npt
from jax.typing import DTypeLike

from bot.checkpoints.arrays import Arrays
from bot.checkpoints.kinds import kind_of_names
from bot.checkpoints.stored_array import StoredArray
from bot.errors import CheckpointMismatchError
from bot.models.network import Params, walk
from bot.models.network import Path as ParamPath

NameOf = Callable[[ParamPath], str]
"""From a parameter's path in our module to its name in the file."""

FLOATS: Final = ("float16", "bfloat16", "float32", "float64")
"""Kinds of numbers that a parameter may be stored as."""

_MAX_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where one parameter lies. names: the array that it is, or those that it is made of, one after the other along its
    first axis, equally long. layer: its index in arrays that hold it for all layers, None if it has its own. axes: the
    permutation that makes the axes of an array of the file ours, None if they are the same."""

    names: tuple[str, ...]
    layer: int | None = None
    axes: tuple[int, ...] | None = None


Places = Mapping[ParamPath, Place]


def stored_parameters(shapes: Params) -> Iterator[tuple[ParamPath, jax.ShapeDtypeStruct]]:
    """The parameters of a network that a file holds: all but the scales that quantising adds."""
    return ((path, leaf) for path, leaf in walk(shapes) if path[-1] != "kernel_scale")


def places_by_name(shapes: Params, name_of: NameOf) -> dict[ParamPath, Place]:
    """Places in a file that has one array for each parameter."""
    return {path: Place((name_of(path),)) for path, _ in stored_parameters(shapes)}


def stored_shape(shape: tuple[int, ...], place: Place) -> tuple[int, ...]:
    """The shape in the file of each array of one parameter, without the axis of layers."""
    if len(place.names) > 1:
        shape = (shape[0] // len(place.names), *shape[1:])
    if place.axes is None:
        return shape
    stored = [0] * len(shape)
    for size, axis in zip(shape, place.axes, strict=True):
        stored[axis] = size
    return tuple(stored)


def stored_shapes(shapes: Params, places: Places) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all arrays of a file for a network with parameters like `shapes`."""
    num_layers = Counter(name for place in places.values() if place.layer is not None for name in place.names)
    wanted: dict[str, tuple[int, ...]] = {}
    for path, leaf in stored_parameters(shapes):
        place = places[path]
        for name in place.names:
            layers = () if place.layer is None else (num_layers[name],)
            wanted[name] = (*layers, *stored_shape(leaf.shape, place))
    return wanted


def match(network: str, wanted: Mapping[str, tuple[int, ...]], arrays: Mapping[str, StoredArray], file: Path) -> None:
    """Compares names both ways, shapes and kinds. network: what people call it.

    Raises CheckpointMismatchError, naming the network that the arrays seem to belong to if it is another one, the
    first differences otherwise.
    """
    problems = []
    for name, shape in sorted(wanted.items()):
        if name not in arrays:
            problems.append(f"{name} {_text(shape)} is missing")
        elif arrays[name].shape != shape:
            problems.append(f"{name} has shape {_text(arrays[name].shape)}, expected {_text(shape)}")
        elif arrays[name].dtype.name not in FLOATS:
            problems.append(f"{name} holds {arrays[name].dtype}, expected floating point numbers")
    problems += [
        f"{name} {_text(arrays[name].shape)} is not part of the network" for name in sorted(set(arrays) - set(wanted))
    ]
    if not problems:
        return
    kind = kind_of_names(arrays)
    if kind not in (None, network):
        raise CheckpointMismatchError(f"{file}: these seem to be {kind}'s weights; {network}'s belong here.")
    raise CheckpointMismatchError(first_problems(file, problems, "Do config.json and this file belong together?"))


def first_problems(file: Path, problems: list[str], advice: str) -> str:
    """A message on the first problems with a file, one on each line, and how many more there are."""
    if len(problems) == 1:
        return f"{file}: {problems[0]}. {advice}"
    lines = [f"{file}: {len(problems)} arrays are wrong.", *(f"  {problem}" for problem in problems[:_MAX_NAMED])]
    if len(problems) > _MAX_NAMED:
        lines.append(f"  and {len(problems) - _MAX_NAMED} more")
    return "\n".join([*lines, advice])


def extract(params: Params, places: Places, *, dtype: DTypeLike) -> Arrays:
    """What a file holds whose arrays have no axis of layers, as `dtype`. For writing checkpoints."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for path, leaf in walk(params):
        place = places[path]
        assert place.layer is None
        array = np.asarray(jax.device_get(leaf))
        parts = np.split(array, len(place.names)) if len(place.names) > 1 else [array]
        for name, part in zip(place.names, parts, strict=True):
            stored = part if place.axes is None else part.transpose(np.argsort(place.axes))
            arrays[name] = stored.astype(np.dtype(dtype))
    return arrays


def _text(shape: tuple[Any, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
