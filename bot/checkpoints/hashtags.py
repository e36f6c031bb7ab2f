"""Splits hashtags into words: "newyorkcity" becomes "new york city".

Called by text.py while a prompt is normalised, on the engine thread. The words come from a list ordered by how often
they occur; the r-th word costs log(r), as in Zipf's law, and the split with the lowest sum wins.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bot.errors import CheckpointError
from bot.small_file import TooLargeError, read_small

WORDS_FILE: Final = "enwiki-words-frequency.txt"
MAX_WORDS_BYTES: Final = 64 << 20

_SEPARATORS: Final = re.compile(r"[^a-zA-Z0-9']+")
# Bounds the work for one letter of a hashtag. Longer entries of word lists are scraps of markup.
_MAX_WORD_CHARACTERS: Final = 64


class HashtagSplitter:
    """Splits by the words that a checkpoint was trained with. `words`: most frequent first; not empty."""

    def __init__(self, words: Sequence[str]) -> None:
        self._cost = {word: math.log(rank) for rank, word in enumerate(words, start=1)}
        self._max_characters = min(_MAX_WORD_CHARACTERS, max(map(len, self._cost)))

    @classmethod
    def load(cls, folder: Path) -> "HashtagSplitter | None":
        """Reads WORDS_FILE in `folder`: a word at the start of each line. None if there is no such file.

        Raises CheckpointError if the file can't be read or holds no words.
        """
        path = folder / WORDS_FILE
        try:
            lines = read_small(path, MAX_WORDS_BYTES).decode().splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, TooLargeError) as error:
            raise CheckpointError(f"The word list {path} can't be read as UTF-8 text: fetch it again.") from error
        words = [line.split(maxsplit=1)[0] for line in lines if line.strip()]
        if not words:
            raise CheckpointError(f"The word list {path} is empty: fetch it again, or delete it.")
        return cls(words)

    def __call__(self, hashtag: str) -> str:
        """The words of `hashtag` (without its #), with one space between them."""
        return " ".join(word for part in _SEPARATORS.split(hashtag) for word in self._split(part))

    def _split(self, text: str) -> list[str]:
        lengths = self._last_word_lengths(text)
        words: list[str] = []
        end = len(text)
        while end > 0:
            word = text[end - lengths[end] : end]
            # Lists hold few numbers, so a number comes in pieces: join them again.
            if words and word[-1].isdigit() and words[-1][0].isdigit():
                words[-1] = word + words[-1]
            else:
                words.append(word)
            end -= lengths[end]
        words.reverse()
        return words

    def _last_word_lengths(self, text: str) -> list[int]:
        """For each `end`, how long the last word is in the cheapest split of `text[:end]`.

        Between equal costs the shorter word wins, so what no words can spell falls into single letters.
        """
        lowered = text.lower()
        costs = [0.0]
        lengths = [0]
        for end in range(1, len(text) + 1):
            cost, length = min(
                (costs[end - length] + self._cost.get(lowered[end - length : end], math.inf), length)
                for length in range(1, min(end, self._max_characters) + 1)
            )
            costs.append(cost)
            lengths.append(length)
        return lengths
