import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.slots import Occupant, SlotTable


def test_a_filled_slot_is_occupied_and_no_longer_free() -> None:
    table: SlotTable[str] = SlotTable(3)
    occupant = table.fill(1, "ann", 4)
    assert (occupant.slot, occupant.owner, occupant.image) == (1, "ann", 4)
    assert table.free_slots == (0, 2)
    assert table.occupants == (occupant,)
    assert table.at(1) is occupant
    assert table.at(0) is None


def test_a_predecessor_is_not_current_in_its_refilled_slot() -> None:
    table: SlotTable[str] = SlotTable(1)
    first = table.fill(0, "ann", 0)
    table.release(first)
    second = table.fill(0, "ann", 0)
    assert not table.is_current(first)
    assert table.is_current(second)
    assert not table.release(first)
    assert table.at(0) is second


def test_a_released_slot_has_no_current_occupant() -> None:
    table: SlotTable[str] = SlotTable(1)
    occupant = table.fill(0, "ann", 0)
    assert table.release(occupant)
    assert not table.is_current(occupant)
    assert not table.release(occupant)


def test_an_occupied_slot_is_refused() -> None:
    table: SlotTable[str] = SlotTable(2)
    table.fill(1, "ann", 0)
    with pytest.raises(ValueError, match="Slot 1 is occupied"):
        table.fill(1, "bob", 0)


@pytest.mark.parametrize("slot", [-1, 2])
def test_a_slot_outside_the_table_is_refused(slot: int) -> None:
    table: SlotTable[str] = SlotTable(2)
    with pytest.raises(ValueError, match=f"Slot {slot} does not exist: the slots are 0 to 1"):
        table.fill(slot, "ann", 0)


def test_a_table_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="num_slots must be at least 1"):
        SlotTable(0)


@given(st.lists(st.tuples(st.sampled_from(["fill", "release", "clear"]), st.integers(0, 3)), max_size=40))
def test_the_latest_occupant_of_a_slot_is_the_only_current_one(operations: list[tuple[str, int]]) -> None:
    table: SlotTable[int] = SlotTable(4)
    ever: list[Occupant[int]] = []
    held: dict[int, Occupant[int]] = {}
    for number, (operation, slot) in enumerate(operations):
        if operation == "clear":
            table.clear()
            held.clear()
        elif operation == "fill" and slot not in held:
            held[slot] = table.fill(slot, number, 0)
            ever.append(held[slot])
        elif operation == "release" and slot in held:
            assert table.release(held.pop(slot))
        assert [o for o in ever if table.is_current(o)] == sorted(held.values(), key=lambda o: o.owner)
        assert set(table.free_slots) == set(range(4)) - set(held)
