"""Paints scenes of the demo's grammar: antialiased figures on a plain background.

Called by the demo's training and evaluation, on whatever thread they run on. Apart from caches of masks and legal
positions it is pure: the picture depends on the scene and the generator alone.

The demo's VQGAN must name every 8x8-pixel block with one of about a thousand codes. So little varies: centres lie
on a grid of 4 px (in a 64 px picture), radii come from a short list, and figures never overlap or leave the frame.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.demo.grammar import COLOURS, Scene, caption, held_out, random_scene

BASE_SIZE_PX: Final = 64
_GRID_PX: Final = 4
_GAP_PX: Final = 3
_SUPERSAMPLING: Final = 4
_DROP_ARTICLES: Final = 0.125

# Radii in a picture of BASE_SIZE_PX, by size word. A pair has half the room, so its figures are smaller.
_RADII_ALONE: Final[Mapping[str | None, tuple[int, ...]]] = MappingProxyType(
    {"small": (11,), None: (14, 18), "large": (22,)}
)
_RADII_IN_PAIR: Final[Mapping[str | None, tuple[int, ...]]] = MappingProxyType(
    {"small": (9,), None: (11,), "large": (14,)}
)

Pixels = npt.NDArray[np.uint8]
_Coverage = npt.NDArray[np.float32]
_Plane = npt.NDArray[np.float64]
_Inside = npt.NDArray[np.bool_]


def draw(scene: Scene, rng: np.random.Generator, size_px: int = BASE_SIZE_PX) -> Pixels:
    """Paints `scene`: uint8 [size_px, size_px, 3].

    `rng` chooses positions, and radii where the scene names no size. In a pair the first object is on its side of
    the second by more than their radii together, and off the axis by less than half of that distance.
    Raises ValueError unless size_px is a positive multiple of 16 (so that the grid falls on whole pixels).
    """
    _check_size(size_px)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    _paint(canvas, scene, rng)
    return canvas


def draw_batch(rng: np.random.Generator, n: int, size_px: int = BASE_SIZE_PX) -> tuple[Pixels, list[str]]:
    """`n` training examples: pixels uint8 [n, size_px, size_px, 3] and their captions.

    Scenes are random ones that are not held out; one caption in eight drops its articles.
    Raises ValueError unless size_px is a positive multiple of 16.
    """
    _check_size(size_px)
    pixels = np.empty((n, size_px, size_px, 3), np.uint8)
    captions = []
    for canvas in pixels:
        scene = random_scene(rng)
        while held_out(scene):
            scene = random_scene(rng)
        _paint(canvas, scene, rng)
        captions.append(caption(scene, articles=rng.random() >= _DROP_ARTICLES))
    return pixels, captions


@cache
def shape_mask(shape: str, radius_px: float) -> _Coverage:
    """How much of each pixel a figure covers: float32 [2r, 2r] in 0..1, r = radius rounded up; read-only.

    The figure lies in the square of half side `radius_px` around the mask's centre. Each pixel is the mean of 4x4
    samples.
    """
    half_px = math.ceil(radius_px)
    samples = 2 * half_px * _SUPERSAMPLING
    axis = ((np.arange(samples) + 0.5) / _SUPERSAMPLING - half_px) / radius_px
    inside = _SHAPES[shape](axis[None, :], axis[:, None])
    blocks = inside.reshape(2 * half_px, _SUPERSAMPLING, 2 * half_px, _SUPERSAMPLING)
    mask: _Coverage = blocks.mean(axis=(1, 3), dtype=np.float32)
    mask.setflags(write=False)
    return mask


def _check_size(size_px: int) -> None:
    if size_px < 16 or size_px % 16:
        raise ValueError(f"size_px must be a positive multiple of 16, not {size_px}.")


def _paint(canvas: Pixels, scene: Scene, rng: np.random.Generator) -> None:
    canvas[:] = COLOURS[scene.backdrop]
    backdrop = np.asarray(COLOURS[scene.backdrop], np.float32)
    scale = canvas.shape[0] / BASE_SIZE_PX
    choices = _RADII_ALONE if scene.relation is None else _RADII_IN_PAIR
    radii = tuple(_pick_radius(rng, choices[subject.size]) for subject in scene.objects)
    placements = _placements(radii, scene.relation)
    centres = placements[int(rng.integers(len(placements)))]
    for subject, radius, (x, y) in zip(scene.objects, radii, centres.tolist(), strict=True):
        mask = shape_mask(subject.shape, radius * scale)[:, :, None]
        half_px = mask.shape[0] // 2
        left, top = round(x * scale) - half_px, round(y * scale) - half_px
        painted = backdrop + mask * (np.asarray(COLOURS[subject.colour], np.float32) - backdrop) + 0.5
        canvas[top : top + 2 * half_px, left : left + 2 * half_px] = painted


def _pick_radius(rng: np.random.Generator, choices: tuple[int, ...]) -> int:
    return choices[int(rng.integers(len(choices)))] if len(choices) > 1 else choices[0]


@cache
def _placements(radii: tuple[int, ...], relation: str | None) -> npt.NDArray[np.int64]:
    """Every legal choice of centres (x, y) in a picture of BASE_SIZE_PX: int64 [placements, objects, 2]."""
    grids = []
    for radius in radii:
        first = math.ceil(radius / _GRID_PX) * _GRID_PX
        axis = np.arange(first, BASE_SIZE_PX - radius + 1, _GRID_PX)
        grids += [axis, axis]
    every: npt.NDArray[np.int64] = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(radii), 2)
    if relation is None:
        return every
    offset = every[:, 1] - every[:, 0]
    along, across = (offset[:, 0], offset[:, 1]) if relation in ("left of", "right of") else offset.T[::-1]
    if relation in ("right of", "below"):
        along = -along
    legal: npt.NDArray[np.int64] = every[(along >= sum(radii) + _GAP_PX) & (2 * abs(across) < along)]
    return legal


def _circle(x: _Plane, y: _Plane) -> _Inside:
    return x**2 + y**2 <= 1


def _square(x: _Plane, y: _Plane) -> _Inside:
    return np.maximum(abs(x), abs(y)) <= 0.86


def _triangle(x: _Plane, y: _Plane) -> _Inside:
    """Equilateral with side 2, point upwards."""
    base, height = 0.8, math.sqrt(3)
    return (y <= base) & (abs(x) <= (y - base + height) / height)


def _star(x: _Plane, y: _Plane) -> _Inside:
    """Five points, one of them up. In polar coordinates every edge is a straight line from a tip to a notch."""
    tip, notch = 1.05, 0.46
    y = y - 0.08  # a pentagram's tips reach less far down than up
    sector = math.pi / 5
    angle = np.mod(np.arctan2(x, -y) + sector, 2 * sector) - sector
    along = np.hypot(x, y) * np.cos(angle)
    across = np.hypot(x, y) * abs(np.sin(angle))
    notch_along, notch_across = notch * math.cos(sector), notch * math.sin(sector)
    inside: _Inside = (tip - along) * notch_across >= across * (tip - notch_along)
    return inside


def _heart(x: _Plane, y: _Plane) -> _Inside:
    """The sextic (x^2 + y^2 - 1)^3 <= x^2 y^3, scaled and shifted into the unit square."""
    u, v = 1.15 * x, 0.11 - 1.15 * y
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def _diamond(x: _Plane, y: _Plane) -> _Inside:
    return abs(x) / 0.78 + abs(y) <= 1


def _ring(x: _Plane, y: _Plane) -> _Inside:
    squared = x**2 + y**2
    return (squared <= 1) & (squared >= 0.52**2)


def _cross(x: _Plane, y: _Plane) -> _Inside:
    return (np.minimum(abs(x), abs(y)) <= 0.32) & (np.maximum(abs(x), abs(y)) <= 0.95)


_SHAPES: Final[Mapping[str, Callable[[_Plane, _Plane], _Inside]]] = MappingProxyType(
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
