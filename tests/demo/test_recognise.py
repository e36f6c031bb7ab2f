"""Recognition of the figures, clean, blurred and spoilt."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from bot.demo.draw import RADII_PX
from bot.demo.figures import inside, shape_mask
from bot.demo.grammar import SHAPES
from bot.demo.recognise import recognise_figure

GOOD_OVERLAP = 0.85


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", RADII_PX.values())
@pytest.mark.parametrize("blur_px", [0, 1, 1.5])
def test_every_figure_is_recognised_with_its_measures(shape: str, radius: int, blur_px: float) -> None:
    mask = ndimage.gaussian_filter(np.pad(shape_mask(shape, radius), ((5, 9), (12, 6))), blur_px) > 0.5
    figure = recognise_figure(mask)
    assert figure.shape == shape
    assert figure.overlap > GOOD_OVERLAP
    assert figure.margin > 0.08
    assert figure.radius_px == pytest.approx(radius, rel=0.05)
    assert figure.centre_px == pytest.approx((12 + radius, 5 + radius), abs=0.6)


def spoilt(shape: str) -> dict[str, npt.NDArray[np.bool_]]:
    """A figure of radius 22 that nobody would take for a good one."""
    y, x = (np.mgrid[:64, :64] - 31.5) / 22
    whole = inside(shape, x, y)
    return {
        "without a quarter": whole & ~((x < 0) & (y < 0)),
        "without its left": whole & (x > -0.4),
        "half as wide": inside(shape, x * 2, y),
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spoiling", ["without a quarter", "without its left", "half as wide"])
def test_spoilt_figures_fit_badly(shape: str, spoiling: str) -> None:
    figure = recognise_figure(spoilt(shape)[spoiling])
    assert figure.shape != shape or figure.overlap < GOOD_OVERLAP


def test_an_empty_region_has_no_shape() -> None:
    with pytest.raises(ValueError, match="empty"):
        recognise_figure(np.zeros((8, 8), np.bool_))
