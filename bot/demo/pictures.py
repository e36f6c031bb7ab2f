"""What a training learns from: pictures with captions, drawn by the demo itself or read from a folder (folder.py).

Called by the training's stages, on the thread that they run on.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bot.demo.draw import draw_batch, draw_crowd
from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES, caption, one_word_off, parse

_DIGEST_PICTURES = 8


class Pictures(Protocol):
    """A source of training examples. The same generator gives the same examples."""

    @property
    def size_px(self) -> int:
        """Both sides of every picture."""

    @property
    def digest(self) -> str:
        """Differs for sources that give other examples: a training goes on only with the one that it began with."""

    def batch(self, rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
        """`n` random pictures uint8 [n, size_px, size_px, 3] and their captions."""

    def rich_batch(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.uint8]:
        """`n` pictures like those of `batch` and without captions, with as much in them as can be: the VQGAN's."""

    def wrong_captions(self, captions: Sequence[str], rng: np.random.Generator) -> list[str]:
        """For each caption of a batch one that does not describe its picture: CLIP's hard negatives."""

    def sentences(self) -> Iterator[str]:
        """Texts with every word that captions have: what tokenizers are made from."""


class DrawnPictures:
    """The demo's synthetic world (grammar.py, draw.py): endless, and without the scenes that are held out."""

    def __init__(self, size_px: int = 128) -> None:
        self._size_px = size_px

    @property
    def size_px(self) -> int:
        return self._size_px

    @cached_property
    def digest(self) -> str:
        pixels, captions = self.batch(np.random.default_rng(0), _DIGEST_PICTURES)
        return hashlib.sha256(pixels.tobytes() + "\n".join(captions).encode()).hexdigest()

    def batch(self, rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
        return draw_batch(rng, n, self._size_px)

    def rich_batch(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.uint8]:
        """One picture in four is such as `batch` draws; the others are crowded."""
        plain, _ = self.batch(rng, math.ceil(n / 4))
        return np.concatenate([plain, *(draw_crowd(rng, self._size_px)[None] for _ in range(n - len(plain)))])

    def wrong_captions(self, captions: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One word off, with articles where the right caption has them."""
        return [_wrong_caption(text, rng) for text in captions]

    def sentences(self) -> Iterator[str]:
        yield from (*COLOURS, *SHAPES, *SIZES, *RELATIONS, "a", "an", "on", "background")


def _wrong_caption(text: str, rng: np.random.Generator) -> str:
    scene = parse(text)
    return caption(one_word_off(scene, rng), articles=text == caption(scene))
