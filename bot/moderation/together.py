"""Combinations: which of their two sides a text holds, wherever they stand, and where the nearest two are. Pure.

A side is found as words and phrases are. Two sides that follow each other are one phrase too, so that they are not
hidden by writing them together (nakedchild) or all their letters apart (n a k e d c h i l d). Used by prompt_rules.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.moderation.prompt_text import Trick
from bot.moderation.spelling import Speller, Term, term_of


@dataclass(frozen=True, slots=True)
class Side:
    """A word or phrase of a combination. number: the combination's. which: 0 or 1."""

    number: int
    which: int
    word: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides of a combination, from the first to the end of the last, in the original. words: in the rule's order.
    is_off: an exception covers one of them, and there are no others."""

    words: tuple[str, str]
    start: int
    end: int
    tricks: frozenset[Trick]
    is_off: bool


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    word: str
    tricks: frozenset[Trick]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Where the letters of a side are, whatever lies around them. first, last: runs of the reading."""

    side: Side
    term: Term
    first: int
    last: int


class Together:
    """Of one text. Between `begin` and `end` it looks at one reading."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[dict[tuple[int, int], _Found], ...]] = {}
        self._seen: list[_Seen] = []
        self._speller: Speller | None = None

    @property
    def numbers(self) -> Iterable[int]:
        """Of the combinations of which a side was found."""
        return self._found.keys()

    @property
    def num_found(self) -> int:
        """How many sides, in how many places."""
        return sum(len(places) for sides in self._found.values() for places in sides)

    def begin(self, speller: Speller) -> None:
        """A new reading."""
        self._speller, self._seen = speller, []

    def see(self, side: Side, term: Term, first: int, last: int) -> None:
        """The letters of a side, from one run of the reading to another."""
        assert self._speller is not None
        self._seen.append(_Seen(side, term, first, last))
        spelled = self._speller.find(term, first, last)
        if spelled is not None:
            self._add(side, spelled.start, spelled.end, spelled.tricks)

    def end(self, budget: int) -> int:
        """Looks for sides that follow each other. budget: letters that may be compared. Returns how many were, more
        than that where it gave up."""
        effort = 0
        by_first: dict[tuple[int, int, int], list[_Seen]] = {}
        for seen in self._seen:
            by_first.setdefault((seen.side.number, seen.side.which, seen.first), []).append(seen)
        for before in self._seen:
            other = (before.side.number, 1 - before.side.which)
            # Where one ends with the letter that the other begins with, they share a run.
            for first in (before.last, before.last + 1):
                for after in by_first.get((*other, first), ()):
                    effort += 1 + len(before.term.runs) + len(after.term.runs)
                    if effort > budget:
                        return effort
                    self._join(before, after)
        return effort

    def pair(self, number: int, is_off: Callable[[int, int], bool]) -> Pair | None:
        """The nearest two sides of a combination that are on, or where there are none, that are not. is_off: whether
        an exception covers a place."""
        sides = [tuple(places.values()) for places in self._found[number]]
        on = [[found for found in side if not is_off(found.start, found.end)] for side in sides]
        pair = _nearest(on[0], on[1], is_off=False)
        return _nearest(sides[0], sides[1], is_off=True) if pair is None else pair

    def _join(self, before: _Seen, after: _Seen) -> None:
        assert self._speller is not None
        words = (*before.term.words, *after.term.words)
        term = term_of(words, open_start=before.term.open_start, open_end=after.term.open_end)
        spelled = self._speller.find(term, before.first, after.last)
        if spelled is not None:
            middle = spelled.words[len(before.term.words)]
            self._add(before.side, spelled.start, middle, spelled.tricks)
            self._add(after.side, middle, spelled.end, spelled.tricks)

    def _add(self, side: Side, start: int, end: int, tricks: frozenset[Trick]) -> None:
        """start, end: in the reading."""
        assert self._speller is not None
        place = self._speller.span(start, end)
        places = self._found.setdefault(side.number, ({}, {}))[side.which]
        if place not in places or len(places[place].tricks) > len(tricks):
            places[place] = _Found(*place, side.word, tricks)


def _nearest(first: Iterable[_Found], second: Iterable[_Found], *, is_off: bool) -> Pair | None:
    """Two that don't overlap."""
    best: Pair | None = None
    passed: tuple[list[_Found], list[_Found]] = ([], [])
    every = [(found, 0) for found in first] + [(found, 1) for found in second]
    for found, which in sorted(every, key=lambda one: (one[0].end, one[0].start)):
        before = next((other for other in reversed(passed[1 - which]) if other.end <= found.start), None)
        if before is not None and (best is None or found.end - before.start < best.end - best.start):
            words = (found.word, before.word) if which == 0 else (before.word, found.word)
            best = Pair(words, before.start, found.end, before.tricks | found.tricks, is_off)
        passed[which].append(found)
    return best
