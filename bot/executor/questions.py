"""Texts whose vectors somebody waits for. Not safe for two threads by itself: the Backlog's lock guards it."""

from dataclasses import dataclass
from typing import Final

from bot.errors import NotReadyError

MAX_WAITING: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Each is its own, even if two have the same text."""

    text: str


class Questions:
    """Those that wait, the oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[Question, None] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, question: Question) -> None:
        """Raises NotReadyError if MAX_WAITING wait already."""
        if len(self._waiting) >= MAX_WAITING:
            raise NotReadyError("Too many searches are waiting for the model. Try again in a minute.")
        self._waiting[question] = None

    def remove(self, question: Question) -> None:
        """Does nothing if it doesn't wait."""
        self._waiting.pop(question, None)

    def take(self) -> Question | None:
        """The oldest one, which waits no longer; None if none waits."""
        question = next(iter(self._waiting), None)
        if question is not None:
            del self._waiting[question]
        return question

    def clear(self) -> None:
        self._waiting.clear()
