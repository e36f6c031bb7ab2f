"""Paints scenes of the demo's grammar: antialiased figures on a plain background.

Called by the demo's training and evaluation, on whatever thread they run on. Apart from caches of painted figures and
legal positions it is pure: the picture depends on the scene and the generator alone.

The demo's VQGAN must name every token's 8x8 pixels with one of its codes, and its DalleBart has an hour to learn how
figures are put together. So little varies: centres lie on a lattice of 16 px, on corners of tokens (in crowds of 8 px,
on any of them), there are three radii, and figures never touch each other or the frame.
"""

import math
from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import product
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.demo.figures import shape_mask
from bot.demo.grammar import COLOURS, SHAPES, SIZES, Object, Scene, caption, held_out
from bot.demo.scenes import training_scene

BASE_SIZE_PX: Final = 128
# By size word, in a picture of BASE_SIZE_PX.
RADII_PX: Final[Mapping[str | None, int]] = MappingProxyType({"small": 16, None: 22, "large": 29})

_LATTICE_PX: Final = 16
_CROWD_LATTICE_PX: Final = 8
_GAP_PX: Final = 6
_MARGIN_PX: Final = 2
_DROP_ARTICLES: Final = 0.125
_CROWD_ATTEMPTS: Final = 120

Pixels = npt.NDArray[np.uint8]


def draw(scene: Scene, rng: np.random.Generator, size_px: int = BASE_SIZE_PX) -> Pixels:
    """Paints `scene`: uint8 [size_px, size_px, 3].

    `rng` chooses the positions. In a pair the first object is on its side of the second by more than their radii
    together, and off the axis by less than half of that distance.
    Raises ValueError unless size_px is a positive multiple of 16 (so that the lattice falls on whole pixels).
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
        scene = training_scene(rng)
        _paint(canvas, scene, rng)
        captions.append(caption(scene, articles=rng.random() >= _DROP_ARTICLES))
    return pixels, captions


def draw_crowd(rng: np.random.Generator, size_px: int = BASE_SIZE_PX) -> Pixels:
    """Figures at random places, as many as find room in some attempts: uint8 [size_px, size_px, 3].

    Each could stand alone in a training scene on this background. A pair's distance lies between any two.
    Raises ValueError unless size_px is a positive multiple of 16.
    """
    _check_size(size_px)
    backdrop = tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
    figures = _figures_on(backdrop)
    canvas = _backdrop(backdrop, size_px).copy()
    taken = np.empty((0, 3), np.int64)
    for _ in range(_CROWD_ATTEMPTS):
        subject = figures[int(rng.integers(len(figures)))]
        radius = RADII_PX[subject.size]
        x, y = rng.choice(_axis(radius, _CROWD_LATTICE_PX), 2)
        apart = np.max(abs(taken[:, :2] - (x, y)), axis=1) >= taken[:, 2] + radius + _GAP_PX
        if apart.all():
            taken = np.vstack([taken, (x, y, radius)])
            _paint_object(canvas, subject, backdrop, x, y)
    return canvas


@cache
def _figures_on(backdrop: str) -> tuple[Object, ...]:
    """What may stand alone on this background in training."""
    every = (Object(*words) for words in product((c for c in COLOURS if c != backdrop), SHAPES, (None, *SIZES)))
    return tuple(subject for subject in every if not held_out(Scene((subject,), None, backdrop)))


def _check_size(size_px: int) -> None:
    if size_px < 16 or size_px % 16:
        raise ValueError(f"size_px must be a positive multiple of 16, not {size_px}.")


def _paint(canvas: Pixels, scene: Scene, rng: np.random.Generator) -> None:
    canvas[:] = _backdrop(scene.backdrop, len(canvas))
    placements = _placements(tuple(RADII_PX[subject.size] for subject in scene.objects), scene.relation)
    centres = placements[int(rng.integers(len(placements)))]
    for subject, (x, y) in zip(scene.objects, centres.tolist(), strict=True):
        _paint_object(canvas, subject, scene.backdrop, x, y)


def _paint_object(canvas: Pixels, subject: Object, backdrop: str, x: int, y: int) -> None:
    """x, y: the centre in a picture of BASE_SIZE_PX."""
    scale = len(canvas) / BASE_SIZE_PX
    figure = _figure(subject.shape, RADII_PX[subject.size] * scale, subject.colour, backdrop)
    half_px = len(figure) // 2
    left, top = round(x * scale) - half_px, round(y * scale) - half_px
    canvas[top : top + 2 * half_px, left : left + 2 * half_px] = figure


@cache
def _backdrop(colour: str, size_px: int) -> Pixels:
    return np.full((size_px, size_px, 3), COLOURS[colour], np.uint8)


@lru_cache(maxsize=4096)
def _figure(shape: str, radius_px: float, colour: str, backdrop: str) -> Pixels:
    """A painted figure with its surroundings, as large as its mask: uint8 [2r, 2r, 3]."""
    mask = shape_mask(shape, radius_px)[:, :, None]
    ground = np.asarray(COLOURS[backdrop], np.float32)
    painted: Pixels = (ground + mask * (np.asarray(COLOURS[colour], np.float32) - ground) + 0.5).astype(np.uint8)
    return painted


@cache
def _axis(radius: int, lattice_px: int) -> npt.NDArray[np.int64]:
    """Where along a side of a picture of BASE_SIZE_PX a figure may have its centre."""
    first = math.ceil((radius + _MARGIN_PX) / lattice_px) * lattice_px
    return np.arange(first, BASE_SIZE_PX - first + 1, lattice_px)


@cache
def _placements(radii: tuple[int, ...], relation: str | None) -> npt.NDArray[np.int64]:
    """Every legal choice of centres (x, y) in a picture of BASE_SIZE_PX: int64 [placements, objects, 2]."""
    axes = [_axis(radius, _LATTICE_PX) for radius in radii for _ in range(2)]
    every: npt.NDArray[np.int64] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(radii), 2)
    if relation is None:
        return every
    offset = every[:, 1] - every[:, 0]
    along, across = (offset[:, 0], offset[:, 1]) if relation in ("left of", "right of") else offset.T[::-1]
    if relation in ("right of", "below"):
        along = -along
    legal: npt.NDArray[np.int64] = every[(along >= sum(radii) + _GAP_PX) & (2 * abs(across) < along)]
    return legal
