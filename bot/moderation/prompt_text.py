"""What a prompt says beneath its spelling: case, accents, lookalikes and invisible characters taken off. Pure.

Every character of the result knows which characters of the original it comes from, so that a rule can be explained.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from bot.moderation.lookalikes import LOOKALIKES, UNSEEN


class Trick(StrEnum):
    """How a spelling differs from that of a rule; differences of case don't count."""

    ACCENTS = "accents"
    LOOKALIKES = "lookalikes"
    INVISIBLE = "invisible"
    LEETSPEAK = "leetspeak"
    REPEATED = "repeated"
    SPACING = "spacing"
    JOINED = "joined"
    MASKED = "masked"


@dataclass(frozen=True, slots=True)
class PromptText:
    """text: folded, a space for whatever is white. starts, ends: for each of its characters, the original's characters
    that it comes from; starts grow or stay. tricks: for each of its characters."""

    original: str
    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    tricks: tuple[frozenset[Trick], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """In the original, of the characters from `start` to `end` (not included) of `text`, at least one."""
        return self.starts[start], self.ends[end - 1]

    def tricks_in(self, start: int, end: int) -> frozenset[Trick]:
        """Of the characters from `start` to `end`."""
        return frozenset[Trick]().union(*self.tricks[start:end])


_NONE = frozenset[Trick]()
_INVISIBLE = frozenset({Trick.INVISIBLE})


def fold(original: str) -> PromptText:
    """Never fails, whatever the characters, lone surrogates included."""
    if original.isascii() and original.isprintable():
        places = range(len(original) + 1)
        return PromptText(original, original.lower(), tuple(places[:-1]), tuple(places[1:]), (_NONE,) * len(original))
    texts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    tricks: list[frozenset[Trick]] = []
    pending = _NONE
    for place, character in enumerate(original):
        folded, done = _fold(character)
        if not folded:
            # An accent belongs to the letter before it, and so does what nobody sees.
            if ends:
                tricks[-1] |= done
                ends[-1] = place + 1 if done != _INVISIBLE else ends[-1]
            else:
                pending |= done
            continue
        for sign in folded:
            texts.append(sign)
            starts.append(place)
            ends.append(place + 1)
            tricks.append(done | pending)
            pending = _NONE
    return PromptText(original, "".join(texts), tuple(starts), tuple(ends), tuple(tricks))


@lru_cache(maxsize=8192)
def _fold(character: str) -> tuple[str, frozenset[Trick]]:
    """ "" for what isn't seen, and for marks on the letter before."""
    if character.isspace():
        return " ", _NONE
    if character.isascii():
        return (character.lower(), _NONE) if character.isprintable() else ("", _INVISIBLE)
    if character in LOOKALIKES:
        return LOOKALIKES[character], frozenset({Trick.LOOKALIKES})
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn") or character in UNSEEN:
        return "", _INVISIBLE
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    letters = _unmarked(parts)
    plain = "".join(" " if letter.isspace() else LOOKALIKES.get(letter, letter) for letter in letters)
    tricks = {Trick.ACCENTS} if len(letters) < len(parts) else set[Trick]()
    if plain != _unmarked(unicodedata.normalize("NFD", character.casefold())):
        tricks.add(Trick.LOOKALIKES)
    return plain, frozenset(tricks)


def _unmarked(text: str) -> str:
    return "".join(part for part in text if unicodedata.category(part) not in ("Mn", "Me"))
