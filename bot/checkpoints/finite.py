"""Whether numbers are finite and stay so when they become another dtype. Called by weights.py for all that it reads.

Numbers are looked at on the host, a piece at a time while it is still in the processor's cache, as the bits of their
magnitudes: these order as the magnitudes do, with infinity and NaN above all others. That costs one pass of integer
instructions, and no program has to be compiled for each shape, nor a flag to be waited for.
"""

import math
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

_finfo: Any = ml_dtypes.finfo  # numpy's does not know bfloat16


class FiniteCheck:
    """Watches the numbers of one array, of dtype `stored`, that are to become dtype `target`."""

    def __init__(self, stored: np.dtype[Any], target: np.dtype[Any]) -> None:
        self._stored, self._target = stored, target
        self._bits = np.dtype(f"u{stored.itemsize}")
        self._mask = self._bits.type((1 << (8 * stored.itemsize - 1)) - 1)
        self._limit = _limit(stored, target)
        self._largest = 0

    def look(self, piece: npt.NDArray[np.uint8]) -> None:
        """Notes the bytes of some numbers."""
        if piece.size:
            self._largest = max(self._largest, int((piece.view(self._bits) & self._mask).max()))

    @property
    def problem(self) -> str | None:
        """What is wrong with the worst number so far; None if nothing."""
        if self._largest < self._limit:
            return None
        infinity = _infinity(self._stored)
        if self._largest >= infinity:
            return "holds NaN" if self._largest > infinity else "holds infinite numbers"
        worst = float(np.array(self._largest, self._bits).view(self._stored))
        largest = float(_finfo(self._target).max)
        return f"holds {worst:.6g}, which is too large for {self._target} (at most {largest:.6g})"


@cache
def _limit(stored: np.dtype[Any], target: np.dtype[Any]) -> int:
    """The bits of the least magnitude of dtype `stored` that is not finite as `target`, rounded to nearest even."""
    info = _finfo(target)
    # Half a step above the largest number: its mantissa is odd, so that the tie goes to infinity.
    limit = float(info.max) + 2.0 ** (int(info.maxexp) - int(info.nmant) - 2)
    if limit > float(_finfo(stored).max):
        return _infinity(stored)
    nearest = np.array(limit).astype(stored)
    return _bits(nearest) + (float(nearest) < limit)


def _infinity(stored: np.dtype[Any]) -> int:
    return _bits(np.array(math.inf).astype(stored))


def _bits(number: npt.NDArray[Any]) -> int:
    return int(number.view(f"u{number.itemsize}"))
