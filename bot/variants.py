"""Several prompts written as one: `a {red|blue} circle` stands for `a red circle` and `a blue circle`.

Called by the commands that take prompts, before anything is stored; pure.

    prompt = (text | group)*
    group  = "{" prompt ("|" prompt)+ "}"

An alternative may be empty and may hold groups itself. A backslash makes plain text of the brace, stroke or backslash
behind it.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Final

from bot.errors import InvalidPromptError

MAX_VARIANTS: Final = 8
_MAX_DEPTH: Final = 8
_SIGNS: Final = frozenset("{|}\\")

_Sequence = list["str | _Group"]
_Group = tuple[_Sequence, ...]


def expand_all(texts: Iterable[str]) -> list[str]:
    """What several prompts stand for together, in their order. Raises as `expand`, also for more than MAX_VARIANTS."""
    prompts = [prompt for text in texts for prompt in expand(text)]
    if len(prompts) > MAX_VARIANTS:
        raise InvalidPromptError(
            "The prompts stand for {count} variants together; at most {limit} are drawn at once. "
            "Use fewer alternatives.",
            count=len(prompts),
            limit=MAX_VARIANTS,
        )
    return prompts


def expand(text: str) -> list[str]:
    """The prompts that `text` stands for, none twice, in the order of their alternatives; one for most.

    Raises InvalidPromptError for a brace without its partner, a group without alternatives, groups nested deeper than
    8, and more than MAX_VARIANTS (which are counted before any is made).
    """
    sequence = _Reader(text).read()
    count = _count(sequence)
    if count > MAX_VARIANTS:
        raise InvalidPromptError(
            "The prompt stands for {count} variants; at most {limit} are drawn at once. Use fewer alternatives.",
            count=count if count < 1e6 else f"{count:.0e}",
            limit=MAX_VARIANTS,
        )
    return list(dict.fromkeys(" ".join(variant.split()) for variant in _variants(sequence)))


class _Reader:
    """A cursor over a prompt with groups."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> _Sequence:
        sequence = self._sequence(depth=0)
        if self._at < len(self._text):
            raise InvalidPromptError(
                "The }} at character {place} has no {{ before it. Put a backslash before a brace that is only a brace.",
                place=self._at + 1,
            )
        return sequence

    def _sequence(self, depth: int) -> _Sequence:
        """Up to what belongs to the group around: its next stroke or its end. Outside groups a stroke is text."""
        sequence: _Sequence = []
        while (sign := self._peek()) not in ("", "}") and not (sign == "|" and depth):
            if sign == "{":
                sequence.append(self._group(depth + 1))
                continue
            if sign == "\\" and self._text[self._at + 1 : self._at + 2] in _SIGNS:
                self._at += 1
            sequence.append(self._peek())
            self._at += 1
        return sequence

    def _group(self, depth: int) -> _Group:
        start = self._at + 1
        if depth > _MAX_DEPTH:
            raise InvalidPromptError(
                "The prompt's braces are nested too deep: {limit} levels at most.", limit=_MAX_DEPTH
            )
        alternatives: list[_Sequence] = []
        while not alternatives or self._peek() == "|":
            self._at += 1
            alternatives.append(self._sequence(depth))
        if self._peek() != "}":
            raise InvalidPromptError(
                "The {{ at character {place} has no }} behind it. Put a backslash before a brace that is only a brace.",
                place=start,
            )
        if len(alternatives) == 1:
            raise InvalidPromptError(
                "The braces at character {place} hold no alternatives: write {{red|blue}}, or put "
                "a backslash before each.",
                place=start,
            )
        self._at += 1
        return tuple(alternatives)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def _count(sequence: _Sequence) -> int:
    groups = (part for part in sequence if not isinstance(part, str))
    return math.prod(sum(_count(alternative) for alternative in group) for group in groups)


def _variants(sequence: _Sequence) -> Iterator[str]:
    choices = (
        [part] if isinstance(part, str) else list(chain.from_iterable(_variants(alternative) for alternative in part))
        for part in sequence
    )
    return ("".join(chosen) for chosen in product(*choices))
