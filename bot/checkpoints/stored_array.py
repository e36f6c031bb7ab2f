"""One array of a file as its header describes it. What msgpack_index and safetensors_index give and Reader reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np

DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    dtype.name: dtype
    for dtype in map(
        np.dtype,
        (
            *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
            *("float16", ml_dtypes.bfloat16, "float32", "float64", "complex64", "complex128"),
        ),
    )
}
"""Kinds of numbers by numpy's names. Parameters have some of these; the others are there for errors to name."""

_MAX_SIZE: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class StoredArray:
    """pieces: (offset in the file, number of bytes). Their bytes, one after the other, are the array, row by row.

    Raises ValueError unless they are as many as shape and dtype need.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    pieces: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        # Python's integers: numpy's would overflow for shapes that a hostile header gives.
        needed = self.dtype.itemsize
        for size in self.shape:
            if size < 0:
                raise ValueError(f"a shape has the negative size {size}")
            # An array of no bytes may say what it likes of its other sides, and numpy would not take them.
            if size > _MAX_SIZE and 0 in self.shape:
                raise ValueError("a shape has a size that no array has")
            needed *= size
        if needed != self.nbytes:
            raise ValueError(f"{self.nbytes} bytes are not an array {list(self.shape)} of {self.dtype}")

    @property
    def nbytes(self) -> int:
        return sum(nbytes for _, nbytes in self.pieces)
