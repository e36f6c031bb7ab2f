"""How much of the DecodeState a chunk touches: the first rows, positions and tokens of text, in buckets.

The cost of a step follows what is occupied, while the number of programs to compile stays small. Pure, on the engine
thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from bot.engine.sampling import CANDIDATES

_ROWS: Final = (1, 4, 9, 18, 36, 72, 144, 288, 576)
"""By the collages that people ask for."""
_LENGTH: Final = 64
"""Buckets of positions are multiples of it; of larger multiples where rows are few, which hardly gain by it."""
_SHORT_TEXT: Final = 24
"""Tokens that most prompts fit into. Texts of less than twice as many are not cut: there is little to gain."""


@dataclass(frozen=True, slots=True)
class ChunkShape:
    """What a chunk's program is compiled for. num_rows: computed on each device. length: positions that are read.
    text_length: tokens of text that are read. candidates: see bot.engine.sampling.draw."""

    num_rows: int
    length: int
    text_length: int
    candidates: int | None


class ChunkShapes:
    """The shapes of an engine with `num_rows` rows on each device.

    deterministic: there is one alone, the largest, so that a picture never depends on how busy the engine is.
    """

    def __init__(self, num_rows: int, image_length: int, text_length: int, *, deterministic: bool) -> None:
        self._largest = ChunkShape(num_rows, image_length, text_length, None)
        self._deterministic = deterministic
        self._rows = (*(size for size in _ROWS if size < num_rows), num_rows)
        self._texts = (_SHORT_TEXT, text_length) if text_length >= 2 * _SHORT_TEXT else (text_length,)
        self._image_length = image_length

    def __iter__(self) -> Iterator[ChunkShape]:
        """All that `choose` may give."""
        yield self._largest
        if not self._deterministic:
            for rows, text in product(self._rows, self._texts):
                for length in self._lengths(rows, text):
                    yield ChunkShape(rows, length, text, CANDIDATES)

    def choose(self, num_rows: int, length: int, text_length: int, candidates: int | None) -> ChunkShape:
        """The smallest one that is enough for so many rows, positions and tokens of text. candidates: CANDIDATES or
        None.

        Drawing from the whole vocabulary is rare and comes with the largest alone.
        """
        if self._deterministic or candidates is None:
            return self._largest
        rows, text = _bucket(self._rows, num_rows), _bucket(self._texts, text_length)
        return ChunkShape(rows, _bucket(self._lengths(rows, text), length), text, candidates)

    def _lengths(self, num_rows: int, text_length: int) -> tuple[int, ...]:
        finest = -(-self._image_length // _LENGTH)
        # Long texts are rare and get half as many programs.
        step = _LENGTH * max(-(-finest // max(1, num_rows // 2)), 1 if text_length == self._texts[0] else 2)
        return (*range(step, self._image_length, step), self._image_length)


def _bucket(buckets: tuple[int, ...], needed: int) -> int:
    return next(size for size in buckets if size >= needed)
