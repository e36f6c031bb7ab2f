"""Where slots lie: the rows of the DecodeState that hold them.

A chunk computes the first rows of each device (shapes.py), so images are put into the lowest free ones, and moved down
when fewer are enough. Pure host code, on the engine thread.
"""

from collections.abc import Collection
from dataclasses import dataclass

import jax
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Moves:
    """Copies of rows, padded to as many as there are rows; the padding names the row after the last one. int32 [rows],
    rows of all devices; no move leaves its device."""

    sources: npt.NDArray[np.int32] | jax.Array
    targets: npt.NDArray[np.int32] | jax.Array


jax.tree_util.register_dataclass(Moves, ["sources", "targets"], [])


def make_moves(pairs: Collection[tuple[int, int]], num_rows: int) -> Moves:
    """The moves (source, target), at most num_rows."""
    padded = np.full((2, num_rows), num_rows, np.int32)
    for i, pair in enumerate(pairs):
        padded[:, i] = pair
    return Moves(padded[0], padded[1])


class Rows:
    """Which row each slot is in. Rows [0, num_slots), equally many on each device, one device after the other."""

    def __init__(self, num_slots: int, num_devices: int) -> None:
        self.per_device = num_slots // num_devices
        self._num_devices = num_devices
        self._slots: dict[int, int] = {}

    def __getitem__(self, slot: int) -> int:
        """The row of a slot that has one."""
        return self._slots[slot]

    def put(self, slot: int) -> int:
        """Gives a slot the lowest free row of the device with the most free ones, and returns it."""
        taken = set(self._slots.values())
        free = [[r for r in self._rows(device) if r not in taken] for device in range(self._num_devices)]
        row = max(free, key=len)[0]
        self._slots[slot] = row
        return row

    def remove(self, slot: int) -> None:
        """Makes the row of a slot free. Nothing for a slot that has none."""
        self._slots.pop(slot, None)

    @property
    def most(self) -> int:
        """How many rows of a device are taken, on the one with the most."""
        return max(len(self._on(device)) for device in range(self._num_devices))

    @property
    def extent(self) -> int:
        """How many rows of a device a chunk has to compute as they lie."""
        return max((row % self.per_device + 1 for row in self._slots.values()), default=0)

    def compact(self, num_rows: int) -> list[tuple[int, int]]:
        """Moves slots within their devices so that all lie in the first num_rows rows; returns (source, target)s.

        num_rows: at least `most`.
        """
        moves = []
        for device in range(self._num_devices):
            taken = self._on(device)
            free = (row for row in self._rows(device) if row not in taken)
            for row, slot in sorted(taken.items()):
                if row % self.per_device >= num_rows:
                    target = next(free)
                    self._slots[slot] = target
                    moves.append((row, target))
        return moves

    def _rows(self, device: int) -> range:
        return range(device * self.per_device, (device + 1) * self.per_device)

    def _on(self, device: int) -> dict[int, int]:
        """Row to slot."""
        return {row: slot for slot, row in self._slots.items() if row // self.per_device == device}
