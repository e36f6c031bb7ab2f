"""Whether a stretch of a reading spells a word or phrase: repeated letters, and gaps between them. Pure.

Of repeated letters, one that is doubled may be another word (god, good), so it counts only where words don't double
it, or if there is a second one; from three on, all are the same. Letters in a word may be apart if all of them are, or
if only signs lie between; what is spelled out that way must be the whole of it (a n a l y s i s). The words of a phrase
may be written together (may_be_joined).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby, pairwise
from typing import Final

from bot.moderation.lookalikes import DIGITS, MASK
from bot.moderation.prompt_text import PromptText, Trick
from bot.moderation.readings import APOSTROPHES, MAX_SAME, NO_GAP, WHITE, Reading, class_of

MAX_GAP: Final = 5
MAX_ENDS: Final = 4
# Words of English and German have these twice, behind their beginning.
_ORDINARY_DOUBLES: Final = frozenset("abcdefgklmnoprstz")
_ARTICLES: Final = frozenset("ai")
MIN_JOINED: Final = 3
# With these, two words may make a third: the rapist.
_NEVER_JOINED: Final = frozenset(
    ("the", "and", "for", "with", "from", "into", "that", "this", "our", "out", "off", "one", "two", "not", "non")
) | frozenset(
    ("die", "der", "das", "den", "dem", "des", "ein", "eine", "und", "von", "vor", "mit", "aus", "bei", "auf")
)


class Begin(IntEnum):
    """Whether a word begins at a letter of a term; JOINED: it may be written together with the word before."""

    NONE = 0
    WORD = 1
    JOINED = 2


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase. runs: (letter, how often, whether a word begins there), in order. open_start, open_end: whether
    it may be a part of a longer word. A digit stands for itself."""

    words: tuple[str, ...]
    runs: tuple[tuple[str, int, Begin], ...]
    open_start: bool
    open_end: bool

    @property
    def squeezed(self) -> str:
        """As Reading.squeezed is, for finding it there."""
        return "".join(key for key, _ in groupby(_class(letter) for letter, _, _ in self.runs))

    @property
    def num_letters(self) -> int:
        return sum(number for _, number, _ in self.runs)

    @property
    def has_digit_edge(self) -> bool:
        """Other digits beside it would make another number."""
        return self.runs[0][0].isdigit() or self.runs[-1][0].isdigit()


@dataclass(frozen=True, slots=True)
class Spelled:
    """Where a term stands in a reading, end not included, where each of its words begins, and how it differs."""

    start: int
    end: int
    words: tuple[int, ...]
    tricks: frozenset[Trick]


def term_of(words: Sequence[str], *, open_start: bool = False, open_end: bool = False) -> Term:
    """words: folded, of letters and digits."""
    runs: list[tuple[str, int, Begin]] = []
    for place, word in enumerate(words):
        begin = Begin.JOINED if place and may_be_joined(words[place - 1], word) else Begin.WORD
        for number, (letter, same) in enumerate(groupby(word)):
            runs.append((letter, len(tuple(same)), Begin.NONE if number else begin))
    return Term(tuple(words), tuple(runs), open_start, open_end)


def may_be_joined(before: str, after: str) -> bool:
    """Whether two words of a phrase, written as one, are still those: numbers, and words that are neither short nor
    found everywhere."""
    if before.isdecimal() != after.isdecimal():
        return True
    return min(len(before), len(after)) >= MIN_JOINED and _NEVER_JOINED.isdisjoint((before, after))


def _class(letter: str) -> str:
    return class_of(DIGITS.get(letter, letter)[-1])


class Speller:
    """Looks for terms in one reading of a text."""

    def __init__(self, text: PromptText, reading: Reading) -> None:
        self._text = text
        self._reading = reading

    def span(self, start: int, end: int) -> tuple[int, int]:
        """In the original, of letters of the reading, end not included."""
        places = self._reading.places
        return self._text.span(places[start], places[end - 1] + 1)

    def find(self, term: Term, first_run: int, last_run: int) -> Spelled | None:
        """The term, from one run of the reading to another."""
        runs = self._reading.runs
        is_start, is_end = self._reading.starts, self._reading.ends
        starts = [n for n in range(runs[first_run], runs[first_run + 1]) if term.open_start or is_start[n]]
        if not starts:
            return None
        ends = [n + 1 for n in range(runs[last_run], runs[last_run + 1]) if term.open_end or is_end[n]]
        if not ends:
            return None
        if term.has_digit_edge:
            starts = [n for n in starts if not n or self._reading.gaps[n] != NO_GAP]
            ends = [n for n in ends if n == runs[-1] or self._reading.gaps[n] != NO_GAP]
        for start in _few(starts[::-1]):
            for end in _few(ends):
                # A reading has no sign more than MAX_SAME times in a row, so a longer stretch is something else.
                if term.num_letters <= end - start <= MAX_SAME * term.num_letters:
                    spelled = self._spelled(term, start, end)
                    if spelled is not None:
                        return spelled
        return None

    def _spelled(self, term: Term, start: int, end: int) -> Spelled | None:
        aligned = self._align(term, start, end)
        if aligned is None:
            return None
        word_starts, is_repeated = aligned
        options, places = self._reading.options, self._reading.places
        is_number = all(option[0].isdigit() for option in options[start:end])
        if is_number and not all(letter.isdigit() for letter, _, _ in term.runs):
            return None
        tricks = set[Trick]()
        bounds = [*word_starts, end]
        for word_start, word_end in pairwise(bounds):
            if word_start > start and self._reading.gaps[word_start] == NO_GAP:
                tricks.add(Trick.JOINED)
            if any(self._reading.gaps[word_start + 1 : word_end]):
                if not self._may_be_apart(word_start, word_end, start, end):
                    return None
                tricks.add(Trick.SPACING)
        if is_repeated:
            tricks.add(Trick.REPEATED)
        meant = [letter for letter, _, _ in term.runs]
        signs = {option[0] for option in options[start:end] if len(option) > 1} - set(meant)
        if signs - {MASK}:
            tricks.add(Trick.LEETSPEAK)
        if MASK in signs:
            tricks.add(Trick.MASKED)
        tricks |= self._text.tricks_in(places[start], places[end - 1] + 1)
        return Spelled(start, end, tuple(word_starts), frozenset(tricks))

    def _align(self, term: Term, start: int, end: int) -> tuple[list[int], bool] | None:
        """Where the term's words begin if its letters are exactly these, and whether some are repeated."""
        options, gaps = self._reading.options, self._reading.gaps
        # (position, whether a doubled letter needs a second one, how many are repeated up to two) → how it came there
        states: dict[tuple[int, bool, int], list[int]] = {(start, False, 0): []}
        for letter, number, begin in term.runs:
            after: dict[tuple[int, bool, int], list[int]] = {}
            for (position, is_weak, repeated), words in states.items():
                if position == end or (begin is Begin.WORD and position > start and gaps[position] == NO_GAP):
                    continue
                begun = [*words, position] if begin else words
                for stop in self._stops(letter, number, position, end, options):
                    extra = stop - position - number
                    weak = extra > 0 and stop - position == 2 and letter in _ORDINARY_DOUBLES
                    weak = weak and not (begin and letter not in "aeo")
                    state = (stop, is_weak or weak, min(2, repeated + (extra > 0)))
                    after.setdefault(state, begun)
            if not after:
                return None
            states = after
        for (position, is_weak, repeated), words in states.items():
            if position == end and not (is_weak and repeated < 2):
                return words, repeated > 0
        return None

    @staticmethod
    def _stops(letter: str, number: int, position: int, end: int, options: Sequence[str]) -> Iterator[int]:
        """Where a run of `number` or more of the letter may stop; a digit more makes another number."""
        stop = position
        most = position + number if letter.isdigit() else end
        while stop < min(end, most) and letter in options[stop]:
            stop += 1
            if stop - position >= number:
                yield stop

    def _may_be_apart(self, start: int, end: int, first: int, last: int) -> bool:
        """Whether the gaps in a word are such as people make to hide it. first, last: of the whole phrase."""
        reading = self._reading
        inner = [n for n in range(start + 1, end) if reading.gaps[n] != NO_GAP]
        if any(reading.widths[n] > MAX_GAP for n in inner):
            return False
        cuts = [start, *inner, end]
        pieces = [reading.options[a:b] for a, b in pairwise(cuts)]
        is_white = any(reading.gaps[n] == WHITE for n in inner)
        is_in_phrase = start > first or end < last
        if all(len(set(piece)) == 1 for piece in pieces) and (len(pieces) > 2 or not is_white or is_in_phrase):
            width = max(reading.widths[n] for n in inner)
            return not (start == first and self._goes_on(first, -1, width, is_white)) and not (
                end == last and self._goes_on(last - 1, 1, width, is_white)
            )
        # An apostrophe doesn't part a word that is another one with it: who're.
        if is_white or any(self._text.text[reading.places[n] - 1] in APOSTROPHES for n in inner):
            return False
        return not any(not any(reading.is_letter[a:b]) for a, b in pairwise(cuts))

    def _goes_on(self, edge: int, step: int, width: int, is_white: bool) -> bool:
        """Whether what is spelled out goes on beyond a letter, to the left (step -1) or right (1)."""
        near = self._piece(edge + step, step, width, is_white)
        if near is None or len(set(near)) > 1:
            return False
        if near[0] not in _ARTICLES or len(near) > 1:
            return True
        far = self._piece(edge + 2 * step, step, width, is_white)
        return far is not None and len(set(far)) == 1

    def _piece(self, near: int, step: int, width: int, is_white: bool) -> tuple[str, ...] | None:
        """The options of the letters from `near` on, up to a gap; None at the text's ends, behind a wider gap, and
        behind a white one where others aren't."""
        reading = self._reading
        size = len(reading.options)
        if not 0 <= near < size:
            return None
        gap = near if step > 0 else near + 1
        if reading.widths[gap] > width or (reading.gaps[gap] == WHITE and not is_white):
            return None
        stop = near
        while 0 <= stop + step < size and reading.gaps[max(stop, stop + step)] == NO_GAP:
            stop += step
        return reading.options[min(near, stop) : max(near, stop) + 1]


def _few(places: list[int]) -> list[int]:
    """The first ones and the last: the others lie between equal letters."""
    return places if len(places) <= MAX_ENDS else [*places[:MAX_ENDS], places[-1]]
