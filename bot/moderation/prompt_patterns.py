"""Patterns in RE2, whose matching takes time linear in the text's length, whatever somebody wrote. Pure.

All patterns of a set are tried at once; only those that match are tried by themselves, for where they do.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2

from bot.errors import InvalidParameterError

MAX_PROGRAM: Final = 4000  # instructions; x{100} has about a hundred
MAX_MEMORY_BYTES: Final = 8 << 20
MAX_SET_BYTES: Final = 64 << 20
MAX_SPANS: Final = 10  # of one pattern in one text
_PER_SET: Final = 200
_ORDINARY: Final = (
    "a red fox",
    "the old lighthouse in a storm, oil on canvas",
    "My dog Bello!",
    "sunset",
    "3 cats & 2 mice",
    "ein Haus am See",
    "portrait of a queen, highly detailed, 4k",
    "pizza",
    "WIZARD CITY",
    "blue",
    "a robot who plays chess with Vermeer",
    "Überraschung",
)
_MAX_ORDINARY: Final = len(_ORDINARY) // 2


def compile_pattern(pattern: str) -> Any:
    """Raises InvalidParameterError with RE2's own reason where it refuses the pattern, and for one that matches an
    empty text, which every prompt holds, or most of some ordinary ones."""
    try:
        compiled = re2.compile(pattern, _options(MAX_MEMORY_BYTES))
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else ""
        raise InvalidParameterError("RE2 refuses this pattern: {reason:.200}.", reason=reason or str(error)) from None
    except UnicodeEncodeError:
        raise InvalidParameterError("The pattern holds half of a character: type it anew.") from None
    if compiled.programsize > MAX_PROGRAM:
        raise InvalidParameterError("This pattern is too large: use smaller numbers of repetitions.")
    if compiled.search("") is not None:
        raise InvalidParameterError("This pattern matches an empty text, and so every prompt.")
    if sum(compiled.search(prompt) is not None for prompt in _ORDINARY) > _MAX_ORDINARY:
        raise InvalidParameterError("This pattern matches most ordinary prompts, such as “a red fox”: narrow it down.")
    return compiled


class PatternSet:
    """Made on a worker thread; `find` may be called on any."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises as compile_pattern does."""
        self._compiled = [compile_pattern(pattern) for pattern in patterns]
        self._sets = [_Set(patterns[first : first + _PER_SET], first) for first in range(0, len(patterns), _PER_SET)]

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """The number of a pattern, and where it matches, end not included; at most MAX_SPANS times each. text: without
        lone surrogates."""
        for one in self._sets:
            for number in one.matching(text):
                for count, match in enumerate(self._compiled[number].finditer(text)):
                    if count >= MAX_SPANS:
                        break
                    start, end = match.span()
                    if end > start:
                        yield number, start, end


class _Set:
    def __init__(self, patterns: Sequence[str], first: int) -> None:
        self._numbers = range(first, first + len(patterns))
        self._set = re2.Set.SearchSet(_options(MAX_SET_BYTES))
        for pattern in patterns:
            self._set.Add(pattern)
        # It matches every text, so where it doesn't, RE2 ran out of memory and has said nothing about the others.
        self._sentinel = self._set.Add("")
        self._set.Compile()

    def matching(self, text: str) -> Sequence[int]:
        found = self._set.Match(text)
        if self._sentinel not in found:
            return self._numbers
        return [self._numbers[index] for index in sorted(found) if index != self._sentinel]


def _options(max_memory_bytes: int) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = max_memory_bytes
    return options
