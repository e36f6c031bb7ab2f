"""From a file to a device, one array at a time: what Weights.load does for each parameter.

Only two arrays are on their way at any time, whatever the device is doing: one is read while the device converts the
other. Their memory is used again, so that it need not be mapped and zeroed anew for each.
"""

import math
import mmap
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import jax
import numpy as np
import numpy.typing as npt

from bot.checkpoints.array_file import Reader
from bot.checkpoints.finite import FiniteCheck
from bot.checkpoints.stored_array import StoredArray
from bot.models.int8 import quantize

Placement: TypeAlias = jax.Device | jax.sharding.Sharding | None
"""Where parameters go; None is the default device."""

# A piece that is looked at is still in the second-level cache.
_PIECE_BYTES: Final = 2**18
# Below this many numbers the host converts: compiling a program for one more shape would take longer.
_MIN_DEVICE_NUMBERS: Final = 2**20
# JAX on a CPU takes memory for its own, instead of copying, where it is aligned to this.
_ALIGNMENT: Final = 64
_OWN_MAPPING_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter within its file. arrays: what it is made of along its first axis, of one dtype; of each of them the
    bytes of `shape`, from byte `start` on.

    shape: as stored. axes: the permutation to ours, None for the same. dtype: on the device. int8: it becomes an int8
    matrix and float32 scales, whatever dtype says.
    """

    arrays: tuple[StoredArray, ...]
    start: int
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    dtype: np.dtype[Any]
    int8: bool

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        return self.arrays[0].dtype

    @property
    def nbytes(self) -> int:
        return len(self.arrays) * self.array_bytes

    @property
    def array_bytes(self) -> int:
        """Of each array."""
        return self.stored_dtype.itemsize * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the numbers of one of a part's arrays."""

    array: int
    sentence: str


class Stager:
    """Brings parts to `placement`. For one loading, on one thread."""

    def __init__(self, reader: Reader, placement: Placement) -> None:
        self._reader = reader
        self._placement = placement
        self._turns = [_Turn(), _Turn()]

    def bring(self, part: Part) -> tuple[jax.Array, ...] | list[Flaw]:
        """The parameter (int8: matrix and scales), perhaps still on its way; or what is wrong with its numbers.

        Raises CheckpointError where the file can't be read.
        """
        turn = self._turns[0]
        self._turns.reverse()
        turn.wait()
        on_device = part.int8 or _is_worth_a_program(part)
        # What the device doesn't convert may become the parameter itself, so it is not used again.
        buffer = turn.buffer(part.nbytes) if on_device else _aligned(part.nbytes)
        flaws = []
        for i, array in enumerate(part.arrays):
            check = FiniteCheck(part.stored_dtype, part.dtype)
            for start in range(0, part.array_bytes, _PIECE_BYTES):
                end = min(start + _PIECE_BYTES, part.array_bytes)
                piece = buffer[i * part.array_bytes :][start:end]
                self._reader.read(array, part.start + start, piece)
                check.look(piece)
            if check.problem is not None:
                flaws.append(Flaw(i, check.problem))
        if flaws:
            return flaws
        values = buffer.view(part.stored_dtype).reshape(len(part.arrays), *part.shape)
        if not on_device:
            values = np.ascontiguousarray(_joined(values, part.axes).astype(part.dtype, copy=False))
            turn.brought = (jax.device_put(values, self._placement),)
        elif part.int8:
            turn.brought = _quantized(jax.device_put(values, self._placement), part.axes)
        else:
            turn.brought = (_converted(jax.device_put(values, self._placement), part.axes, part.dtype),)
        return turn.brought


class _Turn:
    """One array on its way. brought: what was made of it last; its memory is free again once that is there."""

    def __init__(self) -> None:
        self._buffer = _aligned(0)
        self.brought: tuple[jax.Array, ...] = ()

    def wait(self) -> None:
        jax.block_until_ready(self.brought)
        self.brought = ()

    def buffer(self, nbytes: int) -> npt.NDArray[np.uint8]:
        if self._buffer.size < nbytes:
            self._buffer = _aligned(0)
            self._buffer = _aligned(nbytes)
        return self._buffer[:nbytes]


def _is_worth_a_program(part: Part) -> bool:
    changes = part.axes is not None or part.stored_dtype != part.dtype
    # JAX makes float64 into float32 first, and float16 of that is rounded twice.
    size = len(part.arrays) * math.prod(part.shape)
    return changes and part.stored_dtype != np.float64 and size >= _MIN_DEVICE_NUMBERS


def _aligned(nbytes: int) -> npt.NDArray[np.uint8]:
    """Fresh memory. numpy asks for huge pages where it takes 4 MiB or more; in virtual machines whose host has to find
    these first, reading into them took up to five times as long as into small ones."""
    if nbytes >= _OWN_MAPPING_BYTES and hasattr(mmap, "MAP_PRIVATE"):
        return np.frombuffer(mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)
    memory = np.empty(nbytes + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + nbytes]


# Neither gives its argument back as it is, which may be memory that is about to be used again: the dtype or the order
# differs.
@partial(jax.jit, static_argnums=(1, 2))
def _converted(values: jax.Array, axes: tuple[int, ...] | None, dtype: np.dtype[Any]) -> jax.Array:
    return _joined(values, axes).astype(dtype)


@partial(jax.jit, static_argnums=1)
def _quantized(values: jax.Array, axes: tuple[int, ...] | None) -> tuple[jax.Array, jax.Array]:
    return quantize(_joined(values, axes))


ValuesT = TypeVar("ValuesT", jax.Array, npt.NDArray[Any])


def _joined(values: ValuesT, axes: tuple[int, ...] | None) -> ValuesT:
    """Arrays [arrays, *stored], each permuted by `axes`, as one along the first axis."""
    permuted = values if axes is None else values.transpose(0, *(axis + 1 for axis in axes))
    return permuted.reshape(-1, *permuted.shape[2:]) if permuted.ndim > 1 else permuted[0]
