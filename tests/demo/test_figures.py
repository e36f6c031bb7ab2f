"""The figures: their masks and their forms."""

import math

import numpy as np
import pytest

from bot.demo.figures import inside, shape_mask
from bot.demo.grammar import SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_are_symmetric_antialiased_and_shared(shape: str) -> None:
    mask = shape_mask(shape, 18)
    assert mask.shape == (36, 36)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() < mask.max() == 1
    assert ((mask > 0) & (mask < 1)).any()
    assert np.allclose(mask, mask[:, ::-1])
    assert shape_mask(shape, 18) is mask
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = 1


def test_figures_have_their_forms() -> None:
    masks = {shape: shape_mask(shape, 29) for shape in SHAPES}
    area = {shape: float(mask.sum()) / 29**2 for shape, mask in masks.items()}
    assert area["circle"] == pytest.approx(math.pi, rel=0.01)
    assert area["ring"] == pytest.approx(math.pi * (1 - 0.52**2), rel=0.01)
    assert area["square"] == pytest.approx((2 * 0.86) ** 2, rel=0.02)
    assert area["triangle"] == pytest.approx(math.sqrt(3), rel=0.02)
    assert area["diamond"] == pytest.approx(2 * 0.78, rel=0.02)
    assert area["cross"] == pytest.approx(4 * 0.32 * 0.95 * 2 - 4 * 0.32**2, rel=0.05)
    pentagram = 5 * 1.05 * 0.46 * math.sin(math.pi / 5)
    assert area["star"] == pytest.approx(pentagram, rel=0.02)
    assert masks["ring"][28:30, 28:30].max() == 0
    for upright in ("triangle", "star"):
        assert masks[upright][5].sum() < masks[upright][45].sum()
    heart = masks["heart"]
    assert heart[4, 28] < heart[4, 16]
    assert heart[50].sum() < heart[16].sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_figures_fill_their_square_and_no_more(shape: str) -> None:
    axis = np.linspace(-1.2, 1.2, 241)
    rows, columns = np.nonzero(inside(shape, axis[None, :], axis[:, None]))
    extent = max(abs(axis[rows]).max(), abs(axis[columns]).max())
    assert 0.85 < extent <= 1.01
