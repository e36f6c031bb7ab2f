"""An array's header has to add up."""

import numpy as np
import pytest

from bot.checkpoints.stored_array import StoredArray

FLOAT = np.dtype(np.float32)


def test_bytes_are_counted_over_all_pieces() -> None:
    assert StoredArray(FLOAT, (2, 3), ((100, 8), (7, 16))).nbytes == 24
    assert StoredArray(FLOAT, (), ((0, 4),)).nbytes == 4
    assert StoredArray(FLOAT, (0, 5), ((0, 0),)).nbytes == 0


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((2, 2), r"8 bytes are not an array \[2, 2\] of float32"),
        ((-1, -2), "negative size -1"),
        # Would be 8 bytes if the product were taken modulo 2**64.
        ((2**62 + 2,), "8 bytes are not an array"),
        ((2**32, 2**32, 2), "8 bytes are not an array"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StoredArray(FLOAT, shape, ((0, 8),))


def test_an_array_of_no_bytes_may_not_have_any_shape() -> None:
    with pytest.raises(ValueError, match="a size that no array has"):
        StoredArray(FLOAT, (0, 2**70), ((0, 0),))
