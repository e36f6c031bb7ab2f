"""How people disguise a word: transformations of spelling, each by itself, to be combined in pairs. Pure.

The tables here are the bench's own, so that what the normaliser knows isn't measured with itself.
"""

import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from types import MappingProxyType
from typing import Final

Evasion = Callable[[str], str]

_CYRILLIC: Final = str.maketrans("aceiopsxyjkmtnb", "асеіорѕхујкмтпЬ")
_GREEK: Final = str.maketrans("aoniktvxyp", "αοηικτνχγρ")
_DIGITS: Final = str.maketrans("aeiost", "431057")
_SIGNS: Final = str.maketrans("aisl", "@!$|")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_BOLD: Final = str.maketrans(_LETTERS, "".join(chr(0x1D41A + number) for number in range(26)))
_CIRCLED: Final = str.maketrans(_LETTERS, "".join(chr(0x24D0 + number) for number in range(26)))
_WIDE: Final = str.maketrans(_LETTERS, "".join(chr(0xFF41 + number) for number in range(26)))
_VOWELS: Final = "aeiou"


def _case(text: str) -> str:
    return "".join(c.upper() if number % 2 == 0 else c for number, c in enumerate(text))


def _accents(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(c + "\u0301" if c.lower() in _VOWELS else c for c in text))


def _struck(text: str) -> str:
    return "".join(c + "\u0336" if c.isalpha() else c for c in text)


def _within_words(sign: str) -> Evasion:
    """The sign between all letters of a word; words stay apart, further than their letters."""

    def apart(text: str) -> str:
        return "   ".join(sign.join(word) for word in text.split())

    return apart


def _invisible(text: str) -> str:
    return " ".join("\u200b".join(word) for word in text.split())


def _soft_hyphens(text: str) -> str:
    return " ".join(word[:2] + "\u00ad" + word[2:] for word in text.split())


def _one_hyphen(text: str) -> str:
    return " ".join(word if len(word) < 3 else word[:2] + "-" + word[2:] for word in text.split())


def _tripled(text: str) -> str:
    """The first vowel of each word, or its second letter."""

    def word(letters: str) -> str:
        place = next((n for n, c in enumerate(letters) if c.lower() in _VOWELS), min(1, len(letters) - 1))
        return letters[:place] + letters[place] * 3 + letters[place + 1 :]

    return " ".join(map(word, text.split()))


def _doubled(text: str) -> str:
    return "".join(c * 2 if c.isalpha() else c for c in text)


def _masked(text: str) -> str:
    """The first vowel within the longest word."""
    words = text.split()
    longest = max(range(len(words)), key=lambda number: len(words[number]))
    word = words[longest]
    place = next((n for n, c in enumerate(word) if 0 < n < len(word) - 1 and c.lower() in _VOWELS), None)
    if place is not None:
        words[longest] = word[:place] + "*" + word[place + 1 :]
    return " ".join(words)


EVASIONS: Final[Mapping[str, Evasion]] = MappingProxyType(
    {
        "case": _case,
        "accents": _accents,
        "struck through": _struck,
        "fullwidth": lambda text: text.translate(_WIDE),
        "bold": lambda text: text.translate(_BOLD),
        "circled": lambda text: text.translate(_CIRCLED),
        "Cyrillic": lambda text: text.translate(_CYRILLIC),
        "Greek": lambda text: text.translate(_GREEK),
        "digits": lambda text: text.translate(_DIGITS),
        "signs": lambda text: text.translate(_SIGNS),
        "zero-width": _invisible,
        "soft hyphen": _soft_hyphens,
        "spaces": _within_words(" "),
        "dots": _within_words("."),
        "hyphens": _within_words("-"),
        "underscores": _within_words("_"),
        "one hyphen": _one_hyphen,
        "tripled": _tripled,
        "doubled": _doubled,
        "masked": _masked,
    }
)


def pairs(*, is_seen: bool, seed: int = 20_26) -> list[tuple[str, str]]:
    """Half of all ordered pairs: those that the rules were tuned on, or the others."""
    every = list(permutations(EVASIONS, 2))
    random.Random(seed).shuffle(every)  # noqa: S311 - a choice that everybody can repeat
    half = len(every) // 2
    return sorted(every[:half] if is_seen else every[half:])


def evasions_of(term: str, chosen: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Each pair on a term, with what comes of it; those in which one of the two does nothing are left out."""
    for first, second in chosen:
        once = EVASIONS[first](term)
        twice = EVASIONS[second](once)
        if once != term and twice not in (once, EVASIONS[second](term)):
            yield (first, second), twice
