"""The ways in which a folded text can be read as letters: signs and digits may stand for some. Pure; see spelling.py.

A reading squeezes repeated letters and leaves out whatever stands between letters, but remembers both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bot.moderation.lookalikes import DIGITS, MASK, OFTEN_BETWEEN, SIGNS, VOWELS
from bot.moderation.prompt_text import PromptText

NO_GAP, IN_WORD, WHITE = 0, 1, 2
"""What lies between two letters: nothing, signs, or white space."""

# Of one sign in a row; more say nothing that these don't.
MAX_SAME: Final = 6
APOSTROPHES: Final = frozenset("'’‘`´")
# Scripts that put no spaces between words: Thai to Khmer, kana, Han.
_UNSPACED: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF))


@dataclass(frozen=True, slots=True)
class Reading:
    """Per letter: options, what it may be; places, where it stands in the folded text; gaps, what lies before it;
    widths, how many characters that are; is_letter, whether it is one without being read as one.

    squeezed: one character for each run of letters of the same class. runs: where each begins, and the end of all.
    starts, ends: whether a word may begin before a letter, or end behind it.
    """

    options: tuple[str, ...]
    places: tuple[int, ...]
    gaps: tuple[int, ...]
    widths: tuple[int, ...]
    is_letter: tuple[bool, ...]
    squeezed: str
    runs: tuple[int, ...]
    starts: tuple[bool, ...]
    ends: tuple[bool, ...]


def class_of(letter: str) -> str:
    """Letters that one sign may stand for are one class."""
    return "i" if letter == "l" else letter


def readings(text: PromptText) -> Iterator[Reading]:
    """At most eight, the plainest first; those that would be the same as an earlier one are left out."""
    there = set(text.text)
    tables: list[Mapping[str, str]] = [DIGITS]
    if there & set(SIGNS):
        tables.append(DIGITS | SIGNS)
    if there & set(SIGNS) - OFTEN_BETWEEN and there & (OFTEN_BETWEEN | {MASK}):
        tables.append(DIGITS | {sign: letters for sign, letters in SIGNS.items() if sign not in OFTEN_BETWEEN})
    if MASK in there:
        tables += [DIGITS | SIGNS | {MASK: vowel} for vowel in VOWELS]
    for table in tables:
        yield read(text, table)


def read(text: PromptText, table: Mapping[str, str]) -> Reading:
    """table: sign → the letters that it may stand for; letters stand for themselves, everything else is a gap."""
    options: list[str] = []
    places: list[int] = []
    gaps: list[int] = []
    widths: list[int] = []
    is_letter: list[bool] = []
    last = -1
    for place, sign in enumerate(text.text):
        is_own = sign.isalpha()
        meant = sign if is_own else table.get(sign)
        if meant is None:
            if not sign.isalnum():
                continue
            meant = sign
        option = meant if is_own or meant == sign else sign + meant
        if options[-MAX_SAME : -MAX_SAME + 1] == [option] and all(same == option for same in options[-MAX_SAME:]):
            places[-1] = last = place
            continue
        options.append(option)
        places.append(place)
        between = text.text[last + 1 : place]
        gaps.append(NO_GAP if not between else WHITE if " " in between else IN_WORD)
        widths.append(len(between))
        is_letter.append(is_own)
        last = place
    squeezed, runs = _squeezed(options)
    return Reading(
        options=tuple(options),
        places=tuple(places),
        gaps=tuple(gaps),
        widths=tuple(widths),
        is_letter=tuple(is_letter),
        squeezed=squeezed,
        runs=runs,
        starts=_starts(text.text, options, places, gaps, is_letter),
        ends=_ends(text.text, options, gaps, is_letter),
    )


def _squeezed(options: list[str]) -> tuple[str, tuple[int, ...]]:
    letters: list[str] = []
    runs: list[int] = []
    for number, option in enumerate(options):
        letter = class_of(option[-1])
        if not letters or letters[-1] != letter:
            letters.append(letter)
            runs.append(number)
    return "".join(letters), (*runs, len(options))


def _starts(
    text: str, options: list[str], places: list[int], gaps: list[int], is_letter: list[bool]
) -> tuple[bool, ...]:
    """Behind a gap that is no apostrophe in a word, and behind digits and signs that begin a word."""
    starts: list[bool] = []
    is_ascii = text.isascii()
    for number, option in enumerate(options):
        if not number:
            starts.append(True)
            continue
        if gaps[number] == NO_GAP and is_ascii and is_letter[number - 1]:
            starts.append(False)
            continue
        before = places[number - 1]
        is_open = gaps[number] != NO_GAP and not (places[number] - before == 2 and text[before + 1] in APOSTROPHES)
        is_numbered = gaps[number] == NO_GAP and starts[-1] and not is_letter[number - 1]
        starts.append(is_open or is_numbered or is_unspaced(option) or is_unspaced(options[number - 1]))
    return tuple(starts)


def _ends(text: str, options: list[str], gaps: list[int], is_letter: list[bool]) -> tuple[bool, ...]:
    ends = [True] * len(options)
    is_ascii = text.isascii()
    for number in reversed(range(len(options) - 1)):
        is_open = gaps[number + 1] != NO_GAP
        if not is_open and is_ascii and is_letter[number + 1]:
            ends[number] = False
            continue
        is_numbered = ends[number + 1] and not is_letter[number + 1]
        ends[number] = is_open or is_numbered or is_unspaced(options[number]) or is_unspaced(options[number + 1])
    return tuple(ends)


@lru_cache(maxsize=4096)
def is_unspaced(option: str) -> bool:
    """Whether the letter is of a script that puts no spaces between words."""
    code = ord(option[-1])
    return code >= 0x0E00 and (code >= 0x20000 or any(low <= code <= high for low, high in _UNSPACED))
