"""Which image sits in which slot: the table that keeps a refilled slot from being given its predecessor's result.

The engine and its caller each keep one, both on the engine thread. Pure: no device, no locks.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

OwnerT = TypeVar("OwnerT")


@dataclass(frozen=True, slots=True)
class Occupant(Generic[OwnerT]):
    """Image `image` of `owner` in `slot`, as of one generation of that slot.

    Whatever is dispatched to the device carries its occupants along, and `SlotTable.is_current` tells of each,
    when the answer comes back, whether it is still the one that the slot holds.
    """

    slot: int
    generation: int
    owner: OwnerT
    image: int


class SlotTable(Generic[OwnerT]):
    """Slots [0, num_slots), each free or held by one image. A slot's generation goes up whenever it is released."""

    def __init__(self, num_slots: int) -> None:
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, not {num_slots}.")
        self._occupants: list[Occupant[OwnerT] | None] = [None] * num_slots
        self._generations = [0] * num_slots

    @property
    def num_slots(self) -> int:
        return len(self._occupants)

    @property
    def free_slots(self) -> tuple[int, ...]:
        """The free slots, lowest first."""
        return tuple(slot for slot, occupant in enumerate(self._occupants) if occupant is None)

    @property
    def occupants(self) -> tuple[Occupant[OwnerT], ...]:
        """A snapshot of the occupied slots, lowest first."""
        return tuple(occupant for occupant in self._occupants if occupant is not None)

    def at(self, slot: int) -> Occupant[OwnerT] | None:
        """The occupant of `slot`, None if it is free. Raises ValueError if there is no such slot."""
        if not 0 <= slot < self.num_slots:
            raise ValueError(f"Slot {slot} does not exist: the slots are 0 to {self.num_slots - 1}.")
        return self._occupants[slot]

    def fill(self, slot: int, owner: OwnerT, image: int) -> Occupant[OwnerT]:
        """Occupies a free slot. Raises ValueError if it is occupied or does not exist."""
        if self.at(slot) is not None:
            raise ValueError(f"Slot {slot} is occupied: free it first.")
        occupant = Occupant(slot, self._generations[slot], owner, image)
        self._occupants[slot] = occupant
        return occupant

    def is_current(self, occupant: Occupant[OwnerT]) -> bool:
        """Whether the slot still holds this very occupant."""
        return self._generations[occupant.slot] == occupant.generation

    def release(self, occupant: Occupant[OwnerT]) -> bool:
        """Frees the slot; returns False, and leaves the slot alone, if the occupant is no longer current."""
        if not self.is_current(occupant):
            return False
        self._occupants[occupant.slot] = None
        self._generations[occupant.slot] += 1
        return True

    def clear(self) -> None:
        """Frees every slot."""
        for occupant in self.occupants:
            self.release(occupant)
