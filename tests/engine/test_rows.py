"""Rows: the lowest free ones, evenly over devices, moved down when fewer are enough."""

import numpy as np

from bot.engine.rows import Rows, make_moves


def test_slots_take_the_lowest_free_rows_of_the_emptiest_device() -> None:
    rows = Rows(6, 2)
    assert [rows.put(slot) for slot in (5, 0, 3)] == [0, 3, 1]
    rows.remove(5)
    assert rows.put(4) == 0
    assert (rows[4], rows[0], rows[3]) == (0, 3, 1)
    assert (rows.most, rows.extent) == (2, 2)


def test_compacting_moves_what_lies_too_high_within_its_device() -> None:
    rows = Rows(8, 2)
    for slot in range(8):
        rows.put(slot)
    # On the first device slots 0, 2, 4, 6 lie in rows 0 to 3; on the second 1, 3, 5, 7 in rows 4 to 7.
    for slot in (0, 4, 3, 5):
        rows.remove(slot)
    assert (rows.most, rows.extent) == (2, 4)
    assert rows.compact(2) == [(3, 0), (7, 5)]
    assert [rows[slot] for slot in (6, 2, 1, 7)] == [0, 1, 4, 5]
    assert (rows.most, rows.extent, rows.compact(2)) == (2, 2, [])


def test_moves_are_padded_with_a_row_that_is_not_there() -> None:
    moves = make_moves([(3, 0), (2, 1)], 4)
    np.testing.assert_array_equal(moves.sources, [3, 2, 4, 4])
    np.testing.assert_array_equal(moves.targets, [0, 1, 4, 4])
