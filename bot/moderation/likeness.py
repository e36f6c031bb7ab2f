"""Whether a picture is nearly the same as one that moderators rejected: perceptual hashes and their distances. Pure.

Hashing takes some milliseconds and looking up about one for 100,000 hashes: both are for the threads of pictures.

Two hashes of the library ImageHash make one: pHash of the light (256 bits: which of the lowest frequencies are stronger
than their median) and a hash of the shares of colours (42 bits). Both must be near, since pictures of one figure in two
colours may have the same light.

Flat pictures need care. Many of their frequencies are zero, and then the slightest noise decides about the bits; so a
faint pattern, always the same, is laid over each picture first. Of a picture that is all of one colour the pattern
would be all there is: one rejected grey would block every plain picture. So pictures whose light hardly varies have no
hash: they block nothing, and nothing blocks them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

MAX_SHAPE_BITS: Final = 28
"""Of 256: how far apart the hashes of like pictures may be. Unlike ones differ in about half."""
MAX_COLOUR_BITS: Final = 4
"""Of 42."""
MIN_CONTRAST: Final = 16
"""Levels of light, of 256, between the darkest and the brightest part of a picture that isn't plain."""
SHAPE_BYTES: Final = 32

_SIDE_PX: Final = 128
_COARSE_PX: Final = 16  # where noise is averaged out
_FREQUENCIES: Final = 16
_PATTERN_LEVELS: Final = 2.0
# Room for the pattern below and above.
_DARKEST: Final = 10.0
_RANGE: Final = 0.92

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PictureHash:
    """shape: SHAPE_BYTES. colours: below 2**42."""

    shape: bytes
    colours: int


def hash_picture(pixels: Pixels) -> PictureHash | None:
    """None for a picture without contrast. pixels: uint8 [height, width, 3]."""
    image = Image.fromarray(pixels)
    coarse, light = (_light(image, side_px) for side_px in (_COARSE_PX, _SIDE_PX))
    if coarse.max() - coarse.min() < MIN_CONTRAST:
        return None
    patterned = np.clip(np.round(light * _RANGE + _DARKEST + _pattern()), 0, 255).astype(np.uint8)
    shape = imagehash.phash(Image.fromarray(patterned), hash_size=_FREQUENCIES).hash
    colours = imagehash.colorhash(image).hash.reshape(-1)
    return PictureHash(np.packbits(shape).tobytes(), int("".join("1" if bit else "0" for bit in colours), 2))


class BlockedHashes:
    """The hashes of a guild's rejected pictures. It never changes: other ones make another object."""

    def __init__(self, hashes: Iterable[PictureHash] = ()) -> None:
        known = list(hashes)
        shapes = np.frombuffer(b"".join(each.shape for each in known), np.uint64)
        self._shapes = shapes.reshape(-1, SHAPE_BYTES // 8)
        self._colours = np.array([each.colours for each in known], np.uint64)

    def __len__(self) -> int:
        return len(self._colours)

    def has_like(self, picture: PictureHash) -> bool:
        """Whether one of them is near enough."""
        others = np.frombuffer(picture.shape, np.uint64)
        near = np.bitwise_count(self._shapes ^ others).sum(axis=1, dtype=np.int64) <= MAX_SHAPE_BITS
        if not near.any():
            return False
        return bool((np.bitwise_count(self._colours[near] ^ np.uint64(picture.colours)) <= MAX_COLOUR_BITS).any())


def _light(image: Image.Image, side_px: int) -> npt.NDArray[np.float64]:
    """[side_px, side_px], in 0..255."""
    return np.asarray(image.convert("L").resize((side_px, side_px), Image.Resampling.BOX), np.float64)


@cache
def _pattern() -> npt.NDArray[np.float64]:
    """Every hashed frequency, each with a sign of its own: [_SIDE_PX, _SIDE_PX], about _PATTERN_LEVELS strong."""
    signs = np.random.default_rng(7).choice([-1.0, 1.0], (_FREQUENCIES, _FREQUENCIES))
    signs[0, 0] = 0.0
    waves = np.cos(np.pi * (np.arange(_SIDE_PX) + 0.5)[:, None] / _SIDE_PX * np.arange(_FREQUENCIES))
    pattern = waves @ signs @ waves.T
    scaled: npt.NDArray[np.float64] = pattern * (_PATTERN_LEVELS / pattern.std())
    return scaled
