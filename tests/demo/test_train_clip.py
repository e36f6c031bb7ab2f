"""CLIP's hard negatives: which pictures are spoilt, and that the loss tells them from whole ones."""

import numpy as np

from bot.demo.train_clip import MAX_PATCH, MIN_PATCH, _patches
from bot.demo.train_vqgan import GRID


def test_patches_are_rectangles_of_codes_anywhere() -> None:
    patches = _patches(np.random.default_rng(1), 500)
    assert patches.shape == (500, GRID * GRID)
    assert patches.dtype == np.bool_
    grids = patches.reshape(-1, GRID, GRID)
    heights, widths = grids.any(axis=2).sum(axis=1), grids.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(grids.sum(axis=(1, 2)), heights * widths)
    for sides in (heights, widths):
        assert (sides.min(), sides.max()) == (MIN_PATCH, MAX_PATCH)
    assert grids.any(axis=0).all()
