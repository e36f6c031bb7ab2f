"""Says from pixels alone whether a picture shows what its caption asks for: the referee of the demo's evaluation.

Called by the demo's evaluation, on whatever thread it runs on; pure, and no network takes part. It knows the demo's
palette, figures and sizes, and nothing else.

Its own mistakes, over 3,000 pictures drawn from the evaluation's captions (750 of each row; half of the pairs with
sizes added), each judged by its own caption and by one that a single word makes wrong (colour, shape, background,
relation or size). tests/demo/test_verify.py repeats a part of it. Damage is a Gaussian blur by its standard deviation
and noise of up to 8 levels either way, or blocks:

    damage                         truth refused    wrong word accepted
    none                           0                0
    blur 1.5 px, noise             0                0
    blur 2 px, noise               0.1 %            0
    2x2 px averaged, noise         0                0
    JPEG, quality 30               0.1 %            0

None in 3,000 means a rate below 0.1 % (95 % confidence). What a generator spoils (figures with dents or stains,
squares that are not square) overlaps its ideal by less than 85 % or is of two colours, and is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bot.demo.draw import BASE_SIZE_PX, RADII_PX
from bot.demo.grammar import COLOURS, Object, Scene
from bot.demo.recognise import Figure, Mask, recognise_figure

Pixels = npt.NDArray[np.uint8]
_Labels = npt.NDArray[np.intp]
_Colours = npt.NDArray[np.float32]

_PALETTE: Final = np.array(list(COLOURS.values()), np.float32)
_NAMES: Final = tuple(COLOURS)
_NO_COLOUR: Final = len(COLOURS)
# Distances are Euclidean in RGB. The palette's closest pair, orange and yellow, is 73 apart.
_MAX_COLOUR_DISTANCE: Final = 64.0
_MIN_CONTRAST: Final = 36.0
_SMOOTHING_PX: Final = 0.7
# Of an object's pixels away from edges, so many may have another colour than the rest.
_MAX_OFF_COLOUR: Final = 0.1
# Shares of the picture's area: smaller regions are specks, larger ones but less than an object are clutter or stains.
_MIN_CLUTTER_AREA: Final = 0.0015
_MIN_OBJECT_AREA: Final = 0.01
_MIN_OVERLAP: Final = 0.85


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right in a picture. The tuples follow the scene's objects; what isn't found is not right.

    shapes_ok judges outlines whatever their colour, colours_ok colours whatever their outline, sizes_ok the objects
    whose caption names a size (others are right at any size). relation_ok: both objects are there and lie as told.
    count_ok: there are as many objects as told and nothing else.
    """

    background_ok: bool
    colours_ok: tuple[bool, ...]
    shapes_ok: tuple[bool, ...]
    sizes_ok: tuple[bool, ...]
    relation_ok: bool
    count_ok: bool

    @property
    def all_colours_ok(self) -> bool:
        """Every object and the background have their colours."""
        return self.background_ok and all(self.colours_ok)

    @property
    def entirely_right(self) -> bool:
        """The picture shows what the caption says, in everything that it says."""
        return self.all_colours_ok and all(self.shapes_ok) and all(self.sizes_ok) and self.relation_ok and self.count_ok


@dataclass(frozen=True, slots=True)
class _Found:
    """An object in a picture. colour: of the palette, None where it is another or a mixture. size: as in Object."""

    colour: str | None
    size: str | None
    figure: Figure


def verify(pixels: Pixels, scene: Scene) -> Verdict:
    """Judges a picture, uint8 [height, width, 3], against the scene that it was asked to show.

    The background is the commonest palette colour along the border; an unnamed one must be `scene.backdrop`. Objects
    are the connected regions that stand out from it, so a background of two colours is an object too many. What is
    found is taken for those of the scene's objects that make most of the verdict right. A size is what
    `draw` paints for the word, told apart halfway, in relation to the picture's height.
    Raises ValueError for pixels of another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"Expected pixels uint8 [height, width, 3], not {pixels.dtype} {list(pixels.shape)}.")
    colours = pixels.astype(np.float32)
    labels = _nearest_colours(colours)
    border = _border(labels.shape)
    background = _commonest(labels[border])
    backdrop = np.median(colours[border & (labels == background)], axis=0)
    regions, num_clutter = _regions(_stands_out(colours, backdrop), labels != background)
    found = [_found(labels, region) for region in regions]
    background_ok = background == _NAMES.index(scene.backdrop)
    count_ok = num_clutter == 0 and len(regions) == len(scene.objects)
    return max(
        (_compare(scene, arranged, background_ok, count_ok) for arranged in _arrangements(found, len(scene.objects))),
        key=_num_right,
    )


def _nearest_colours(colours: _Colours) -> _Labels:
    """Palette index of every pixel, [height, width]; _NO_COLOUR where none is near."""
    # |c - p|^2 = |c|^2 - 2 c.p + |p|^2: a product of matrices, three times as fast as their differences.
    squared = (_PALETTE**2).sum(axis=1) - 2 * (colours @ _PALETTE.T)
    labels: _Labels = squared.argmin(axis=-1)
    nearest = squared.min(axis=-1) + np.einsum("hwc,hwc->hw", colours, colours)
    labels[nearest > _MAX_COLOUR_DISTANCE**2] = _NO_COLOUR
    return labels


def _border(shape: tuple[int, ...]) -> Mask:
    """The frame of the picture, a thirty-second of its height wide: bool [height, width]."""
    border = np.ones(shape, np.bool_)
    width = max(1, shape[0] // 32)
    border[width:-width, width:-width] = False
    return border


def _stands_out(colours: _Colours, backdrop: _Colours) -> Mask:
    """Pixels that are rather an object's than the background's: bool [height, width].

    A pixel must differ by half of what its neighbours do: that cuts blurred edges in the middle, whatever the
    contrast, and keeps apart two objects whose blurs meet.
    """
    contrast = ndimage.gaussian_filter(np.linalg.norm(colours - backdrop, axis=-1), _SMOOTHING_PX)
    local = ndimage.maximum_filter(ndimage.median_filter(contrast, size=3), size=7)
    return np.asarray((contrast > _MIN_CONTRAST) & (contrast > local / 2))


def _regions(outstanding: Mask, coloured: Mask) -> tuple[list[Mask], int]:
    """The connected regions that can be objects, largest first, and how many others are too large for specks.

    What still has the background's colour is a shade of it, not clutter.
    """
    numbered, _ = ndimage.label(outstanding)
    areas = np.bincount(numbered.ravel()) / numbered.size
    areas[0] = 0
    objects = [n for n in np.argsort(-areas, kind="stable") if areas[n] >= _MIN_OBJECT_AREA]
    clutter = np.bincount(numbered.ravel(), weights=coloured.ravel()) / numbered.size
    clutter[[0, *objects]] = 0
    return [numbered == n for n in objects], int((clutter >= _MIN_CLUTTER_AREA).sum())


def _found(labels: _Labels, region: Mask) -> _Found:
    within = _inner(region)
    colour = _commonest(labels[within])
    off = within & (labels != colour)
    known = colour != _NO_COLOUR and off.sum() <= _MAX_OFF_COLOUR * within.sum() and not _has_stain(off)
    figure = recognise_figure(region)
    radius = figure.radius_px * BASE_SIZE_PX / len(region)
    size = min(RADII_PX, key=lambda word: abs(RADII_PX[word] - radius))
    return _Found(_NAMES[colour] if known else None, size, figure)


def _inner(region: Mask) -> Mask:
    """The region without the mixed colours along its edges, as far as it is thick enough."""
    for depth in (3, 2, 1):
        within = ndimage.binary_erosion(region, iterations=depth)
        if within.sum() * 5 > region.sum():
            return np.asarray(within)
    return region


def _has_stain(off: Mask) -> bool:
    areas = np.bincount(ndimage.label(off)[0].ravel())[1:]
    return bool((areas >= _MIN_CLUTTER_AREA * off.size).any())


def _commonest(labels: _Labels) -> int:
    return int(np.bincount(labels, minlength=_NO_COLOUR + 1).argmax())


def _arrangements(found: list[_Found], count: int) -> Iterator[tuple[_Found | None, ...]]:
    """Every way to take the largest for the scene's objects; None stands for what is missing."""
    candidates = found[: count + 2]
    return permutations([*candidates, *[None] * (count - len(candidates))], count)


def _compare(scene: Scene, found: tuple[_Found | None, ...], background_ok: bool, count_ok: bool) -> Verdict:
    pairs = list(zip(found, scene.objects, strict=True))
    return Verdict(
        background_ok=background_ok,
        colours_ok=tuple(f is not None and f.colour == o.colour for f, o in pairs),
        shapes_ok=tuple(f is not None and _shape_ok(f.figure, o) for f, o in pairs),
        sizes_ok=tuple(f is not None and o.size in (None, f.size) for f, o in pairs),
        relation_ok=scene.relation is None or _lie_as_told(found, scene.relation),
        count_ok=count_ok,
    )


def _num_right(verdict: Verdict) -> int:
    return sum((*verdict.colours_ok, *verdict.shapes_ok, *verdict.sizes_ok, verdict.relation_ok))


def _shape_ok(figure: Figure, expected: Object) -> bool:
    return figure.shape == expected.shape and figure.overlap >= _MIN_OVERLAP


def _lie_as_told(found: tuple[_Found | None, ...], relation: str) -> bool:
    """Whether the first lies on its side of the second, and more so than across."""
    first, second = found
    if first is None or second is None:
        return False
    right, down = (b - a for a, b in zip(first.figure.centre_px, second.figure.centre_px, strict=True))
    along = {"left of": right, "right of": -right, "above": down, "below": -down}[relation]
    across = down if relation in ("left of", "right of") else right
    return along > abs(across)
