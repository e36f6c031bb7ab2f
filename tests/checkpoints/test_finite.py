"""Finite, and finite as another dtype: the bits agree with what numpy's conversion does."""

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checkpoints.finite import FiniteCheck

FLOAT16, BFLOAT16 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def problem(values: npt.NDArray[Any], target: np.dtype[Any]) -> str | None:
    check = FiniteCheck(values.dtype, target)
    check.look(values.reshape(-1).view(np.uint8))
    return check.problem


def at(number: float, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.array([0.5, -1, number, 0]).astype(dtype)


def stays_finite(values: npt.NDArray[Any], target: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.astype(target).astype(np.float64)).all())


@pytest.mark.parametrize("stored", [FLOAT16, BFLOAT16])
@pytest.mark.parametrize("target", [FLOAT16, BFLOAT16, FLOAT32], ids=str)
def test_every_number_of_two_bytes(stored: np.dtype[Any], target: np.dtype[Any]) -> None:
    for values in np.arange(2**16, dtype=np.uint16).view(stored).reshape(-1, 1)[::7]:
        assert (problem(values, target) is None) == stays_finite(values, target), values


@given(st.integers(0, 2**32 - 1), st.sampled_from([FLOAT16, BFLOAT16, FLOAT32]))
def test_numbers_of_four_bytes(bits: int, target: np.dtype[Any]) -> None:
    values = np.array([bits], np.uint32).view(np.float32)
    assert (problem(values, target) is None) == stays_finite(values, target)


@pytest.mark.parametrize(
    ("stored", "target", "limit"),
    [
        (FLOAT32, FLOAT16, 65520.0),
        (FLOAT64, FLOAT16, 65520.0),
        (FLOAT32, BFLOAT16, float.fromhex("0x1.ffp127")),
        (FLOAT64, FLOAT32, float.fromhex("0x1.ffffffp127")),
    ],
    ids=str,
)
def test_the_first_number_that_is_too_large(stored: np.dtype[Any], target: np.dtype[Any], limit: float) -> None:
    below = np.nextafter(np.array([limit], stored), np.array([0], stored))
    for sign in (1, -1):
        assert problem(sign * below, target) is None
        assert "too large" in (problem(at(sign * limit, stored), target) or "")
    assert stays_finite(below, target)


def test_what_is_wrong_is_said() -> None:
    assert problem(at(np.nan, FLOAT16), FLOAT32) == "holds NaN"
    assert problem(at(-np.inf, FLOAT32), FLOAT32) == "holds infinite numbers"
    said = "holds 70000, which is too large for float16 (at most 65504)"
    assert problem(at(-7e4, FLOAT32), FLOAT16) == said


def test_the_worst_of_all_pieces_counts() -> None:
    check = FiniteCheck(FLOAT32, FLOAT32)
    for number in (1, np.inf, 2):
        check.look(at(number, FLOAT32).view(np.uint8))
    check.look(np.empty(0, np.uint8))
    assert check.problem == "holds infinite numbers"
