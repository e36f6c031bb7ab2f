"""The eight figures of the demo's world, as regions of the plane and as antialiased masks.

Called by the painter and by the verifier, on whatever thread they run on; pure apart from a cache of masks.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_SUPERSAMPLING: Final = 4

Plane = npt.NDArray[np.floating[Any]]
Inside = npt.NDArray[np.bool_]
_Coverage = npt.NDArray[np.float32]


def inside(shape: str, x: Plane, y: Plane) -> Inside:
    """Which points belong to a figure that fills the square from -1 to 1: bool, of the shape that x and y share.

    x grows to the right and y down.
    """
    return _SHAPES[shape](x, y)


@cache
def shape_mask(shape: str, radius_px: float) -> _Coverage:
    """How much of each pixel a figure covers: float32 [2r, 2r] in 0..1, r = radius rounded up; read-only.

    The figure lies in the square of half side `radius_px` around the mask's centre. Each pixel is the mean of 4x4
    samples.
    """
    half_px = math.ceil(radius_px)
    samples = 2 * half_px * _SUPERSAMPLING
    axis = ((np.arange(samples) + 0.5) / _SUPERSAMPLING - half_px) / radius_px
    blocks = inside(shape, axis[None, :], axis[:, None])
    blocks = blocks.reshape(2 * half_px, _SUPERSAMPLING, 2 * half_px, _SUPERSAMPLING)
    mask: _Coverage = blocks.mean(axis=(1, 3), dtype=np.float32)
    mask.setflags(write=False)
    return mask


def _circle(x: Plane, y: Plane) -> Inside:
    return x**2 + y**2 <= 1


def _square(x: Plane, y: Plane) -> Inside:
    return np.maximum(abs(x), abs(y)) <= 0.86


def _triangle(x: Plane, y: Plane) -> Inside:
    """Equilateral with side 2, point upwards."""
    base, height = 0.8, math.sqrt(3)
    return (y <= base) & (abs(x) <= (y - base + height) / height)


def _star(x: Plane, y: Plane) -> Inside:
    """Five points, one of them up. In polar coordinates every edge is a straight line from a tip to a notch."""
    tip, notch = 1.05, 0.46
    y = y - 0.08  # a pentagram's tips reach less far down than up
    sector = math.pi / 5
    angle = np.mod(np.arctan2(x, -y) + sector, 2 * sector) - sector
    along = np.hypot(x, y) * np.cos(angle)
    across = np.hypot(x, y) * abs(np.sin(angle))
    notch_along, notch_across = notch * math.cos(sector), notch * math.sin(sector)
    within: Inside = (tip - along) * notch_across >= across * (tip - notch_along)
    return within


def _heart(x: Plane, y: Plane) -> Inside:
    """The sextic (x^2 + y^2 - 1)^3 <= x^2 y^3, scaled and shifted into the unit square."""
    u, v = 1.15 * x, 0.11 - 1.15 * y
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def _diamond(x: Plane, y: Plane) -> Inside:
    return abs(x) / 0.78 + abs(y) <= 1


def _ring(x: Plane, y: Plane) -> Inside:
    squared = x**2 + y**2
    return (squared <= 1) & (squared >= 0.52**2)


def _cross(x: Plane, y: Plane) -> Inside:
    return (np.minimum(abs(x), abs(y)) <= 0.32) & (np.maximum(abs(x), abs(y)) <= 0.95)


_SHAPES: Final[Mapping[str, Callable[[Plane, Plane], Inside]]] = MappingProxyType(
    {
        "circle": _circle,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "heart": _heart,
        "diamond": _diamond,
        "ring": _ring,
        "cross": _cross,
    }
)
