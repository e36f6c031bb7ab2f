"""Recognises the demo's figures in masks of pixels.

Called by the verifier, on whatever thread it runs on; pure apart from a cache of each figure's measures.

A region is compared with every figure of the region's own area, laid on the region's centroid: area and centroid
hardly move where a blur rounds tips and notches, unlike a bounding box or a contour's corners. So the figures are
their own detectors, and nothing that NumPy lacks is needed.
"""

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bot.demo.figures import inside
from bot.demo.grammar import SHAPES

Mask = npt.NDArray[np.bool_]

_MEASURED_POINTS: Final = 512


class Figure(NamedTuple):
    """What a region shows.

    overlap: of the region with the ideal figure, as intersection over union. margin: by how much that is more than any
    other figure's. radius_px: half the side of the square that the ideal figure fills. centre_px: (x, y) of that
    square, in pixels from the mask's upper left corner.
    """

    shape: str
    overlap: float
    margin: float
    radius_px: float
    centre_px: tuple[float, float]


def recognise_figure(region: Mask) -> Figure:
    """The demo's figure that a region, bool [height, width], fits best. Raises ValueError for an empty region."""
    if not region.any():
        raise ValueError("An empty region has no shape.")
    rows, columns = np.nonzero(region)
    area = len(rows)
    x, y = columns.mean() + 0.5, rows.mean() + 0.5
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    fits = []
    for shape in SHAPES:
        unit_area, offset = _measures(shape)
        radius = math.sqrt(area / unit_area)
        centre = (float(x), float(y) - offset * radius)
        window_top, window_bottom = min(top, math.floor(centre[1] - radius)), max(bottom, math.ceil(centre[1] + radius))
        window_left, window_right = min(left, math.floor(x - radius)), max(right, math.ceil(x + radius))
        across = (np.arange(window_left, window_right) + 0.5 - centre[0]) / radius
        down = (np.arange(window_top, window_bottom) + 0.5 - centre[1]) / radius
        ideal = inside(shape, across[None, :], down[:, None])
        found = np.zeros(ideal.shape, np.bool_)
        found[top - window_top : bottom - window_top, left - window_left : right - window_left] = region[
            top:bottom, left:right
        ]
        fits.append(((ideal & found).sum() / (ideal | found).sum(), shape, radius, centre))
    fits.sort(reverse=True)
    overlap, shape, radius, centre = fits[0]
    return Figure(shape, float(overlap), float(overlap - fits[1][0]), radius, centre)


@cache
def _measures(shape: str) -> tuple[float, float]:
    """Of the figure of radius 1: its area, and how far its centroid lies below its centre."""
    axis = (np.arange(_MEASURED_POINTS) + 0.5) / _MEASURED_POINTS * 2 - 1
    figure = inside(shape, axis[None, :], axis[:, None])
    return 4 * float(figure.mean()), float(axis[np.nonzero(figure)[0]].mean())
