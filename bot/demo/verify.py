"""Says from pixels alone whether a picture shows what its caption asks for: the referee of the demo's gate.

Called by the demo's evaluation, on whatever thread it runs on; pure, and no network takes part. It knows the demo's
palette and figures, and nothing else.

Its own mistakes, over 1,000 random scenes drawn at 64 px (700 single objects, 300 pairs; tests/demo/test_verify.py
repeats a part of it). Damage is a Gaussian blur and noise, by their standard deviations:

    damage                 right colours refused    right shapes refused     wrong colours    wrong shapes
                           one       pair           one       pair           accepted         accepted (one)
    none                   0 %       0 %            0 %       0 %            0 %              0 %
    1 px, 8 levels         0 %       0 %            0 %       1.7 %          0 %              0 %
    1.6 px, 8 levels       0.1 %     2.7 %          1.7 %     9 %            0 %              0.3 %

A wrong colour is that of one object or of the background, changed in the caption to one that the picture lacks; a
wrong shape is any other figure. JPEG's blocks (quality 30, full chroma, 600 scenes) cost 8 % of the pairs a shape,
and nobody a colour.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bot.demo.draw import shape_mask
from bot.demo.grammar import COLOURS, SHAPES, Object, Scene

Pixels = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]
_Colours = npt.NDArray[np.float32]

_PALETTE: Final = np.array(list(COLOURS.values()), np.float32)
_NO_COLOUR: Final = len(COLOURS)
# Distances are Euclidean in RGB. The palette's closest pair, orange and yellow, is 73 apart.
_MAX_COLOUR_DISTANCE: Final = 64.0
_MIN_CONTRAST: Final = 36.0
_MIN_OBJECT_AREA: Final = 0.01
_MIN_SHAPE_IOU: Final = 0.65
_TEMPLATE_RADIUS_PX: Final = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right in a picture. The tuples follow the scene's objects; what isn't found is not right.

    shapes_ok judges outlines whatever their colour, colours_ok judges colours whatever their outline.
    """

    background_ok: bool
    colours_ok: tuple[bool, ...]
    shapes_ok: tuple[bool, ...]
    relation_ok: bool

    @property
    def all_colours_ok(self) -> bool:
        """The gate's criterion: every object and the background have their colours."""
        return self.background_ok and all(self.colours_ok)


def verify(pixels: Pixels, scene: Scene) -> Verdict:
    """Judges a picture, uint8 [height, width, 3], against the scene that it was asked to show.

    The background is the commonest palette colour along the border; an unnamed one must be `scene.backdrop`. The
    object is the largest connected region that stands out from it, its colour the palette colour of most of the
    region's inside (mixed pixels along edges don't count), its shape the figure of the demo that overlaps most when
    stretched to the region's box. Of two objects the largest two regions are taken, ordered along the relation's
    axis, so a picture of the mirrored scene has wrong colours; relation_ok says that both are there and that the
    axis is the right one. Further regions and sizes are not judged.
    Raises ValueError for pixels of another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"Expected pixels uint8 [height, width, 3], not {pixels.dtype} {list(pixels.shape)}.")
    colours = pixels.astype(np.float32)
    labels = _nearest_colours(colours)
    border = _border(labels.shape)
    background = _commonest(labels[border])
    backdrop = np.median(colours[border & (labels == background)], axis=0)
    regions = _largest_regions(_stands_out(colours, backdrop), len(scene.objects))
    relation_ok = True
    if scene.relation is not None:
        regions, relation_ok = _order(regions, scene.relation)
    found: list[_Mask | None] = [*regions, *[None] * (len(scene.objects) - len(regions))]
    return Verdict(
        background_ok=background == _colour_index(scene.backdrop),
        colours_ok=tuple(_colour_ok(labels, r, o) for r, o in zip(found, scene.objects, strict=True)),
        shapes_ok=tuple(_shape_ok(r, o) for r, o in zip(found, scene.objects, strict=True)),
        relation_ok=relation_ok,
    )


def recognise_shape(region: _Mask) -> tuple[str, float]:
    """The demo's figure that fits a region best, bool [height, width], and their intersection over union.

    The region's bounding box is compared with every figure stretched to it. Raises ValueError for an empty region.
    """
    if not region.any():
        raise ValueError("An empty region has no shape.")
    rows, columns = ndimage.find_objects(region.astype(np.uint8))[0]
    crop = region[rows, columns]
    overlaps = {shape: _overlap(crop, _stretched(shape, *crop.shape)) for shape in SHAPES}
    best = max(overlaps, key=overlaps.__getitem__)
    return best, overlaps[best]


def _nearest_colours(colours: _Colours) -> npt.NDArray[np.intp]:
    """Palette index of every pixel, [height, width]; _NO_COLOUR where none is near."""
    distances = np.linalg.norm(colours[:, :, None] - _PALETTE, axis=-1)
    labels: npt.NDArray[np.intp] = distances.argmin(axis=-1)
    labels[distances.min(axis=-1) > _MAX_COLOUR_DISTANCE] = _NO_COLOUR
    return labels


def _border(shape: tuple[int, ...]) -> _Mask:
    """The frame of the picture, a thirty-second of its height wide: bool [height, width]."""
    border = np.ones(shape, np.bool_)
    width = max(1, shape[0] // 32)
    border[width:-width, width:-width] = False
    return border


def _stands_out(colours: _Colours, backdrop: _Colours) -> _Mask:
    """Pixels that are rather an object's than the background's: bool [height, width].

    A pixel must differ by half of what its neighbours do: that cuts blurred edges in the middle, whatever the
    contrast, and keeps apart two objects whose blurs meet.
    """
    contrast = np.linalg.norm(colours - backdrop, axis=-1)
    local = ndimage.maximum_filter(ndimage.median_filter(contrast, size=3), size=5)
    return np.asarray((contrast > _MIN_CONTRAST) & (contrast > local / 2))


def _largest_regions(mask: _Mask, count: int) -> list[_Mask]:
    """Up to `count` connected regions, largest first, without those too small to be an object."""
    numbered, _ = ndimage.label(mask)
    areas = np.bincount(numbered.ravel())
    areas[0] = 0
    largest = np.argsort(-areas, kind="stable")[:count]
    return [numbered == number for number in largest if areas[number] >= _MIN_OBJECT_AREA * mask.size]


def _order(regions: list[_Mask], relation: str) -> tuple[list[_Mask], bool]:
    """The regions as the relation names them, and whether they lie along its axis rather than across."""
    axis = 1 if relation in ("left of", "right of") else 0
    centres = [
        [float(side.start + side.stop) / 2 for side in ndimage.find_objects(r.astype(np.uint8))[0]] for r in regions
    ]
    order = sorted(range(len(regions)), key=lambda i: centres[i][axis], reverse=relation in ("right of", "below"))
    if len(order) < 2:
        return regions, False
    apart = [abs(a - b) for a, b in zip(*centres, strict=True)]
    return [regions[i] for i in order], apart[axis] > apart[1 - axis]


def _colour_ok(labels: npt.NDArray[np.intp], region: _Mask | None, expected: Object) -> bool:
    if region is None:
        return False
    inside = ndimage.binary_erosion(region)
    if inside.sum() * 4 < region.sum():
        inside = region
    return _commonest(labels[inside]) == _colour_index(expected.colour)


def _shape_ok(region: _Mask | None, expected: Object) -> bool:
    if region is None:
        return False
    shape, overlap = recognise_shape(region)
    return shape == expected.shape and overlap >= _MIN_SHAPE_IOU


def _commonest(labels: npt.NDArray[np.intp]) -> int:
    return int(np.bincount(labels, minlength=_NO_COLOUR + 1).argmax())


def _colour_index(colour: str) -> int:
    return list(COLOURS).index(colour)


def _overlap(a: _Mask, b: _Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


@cache
def _template(shape: str) -> _Mask:
    """A large mask of a figure, cut to its own bounding box."""
    mask = shape_mask(shape, _TEMPLATE_RADIUS_PX) > 0.5
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    return np.asarray(mask[rows, columns])


def _stretched(shape: str, height: int, width: int) -> _Mask:
    template = _template(shape)
    rows = (np.arange(height) + 0.5) * template.shape[0] // height
    columns = (np.arange(width) + 0.5) * template.shape[1] // width
    return np.asarray(template[np.ix_(rows.astype(np.intp), columns.astype(np.intp))])
