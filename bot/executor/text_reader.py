"""Answers questions for the vectors of texts, without ever stopping the loop. Engine thread only.

One text is under way at most. It is dispatched before a chunk, so it is there when that chunk is done, and taken then.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot.engine.base import Engine, PendingVector
from bot.executor.events import Event, QuestionAnswered
from bot.executor.questions import Question

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Dispatched:
    question: Question
    pending: PendingVector


class TextReader:
    """Dispatches texts and posts their vectors. What the engine raises concerns one text alone."""

    def __init__(self, engine: Engine, *, post: Callable[[Event], None]) -> None:
        self._engine = engine
        self._post = post
        self._dispatched: _Dispatched | None = None

    def dispatch(self, take: Callable[[], Question | None]) -> None:
        """Dispatches the text of the next question, if there is one, unless another is under way."""
        if self._dispatched is not None:
            return
        question = take()
        if question is None:
            return
        try:
            self._dispatched = _Dispatched(question, self._engine.text_vector(question.text))
        except Exception:
            logger.exception("A text could not be read.")
            self._post(QuestionAnswered(question, None))

    def pick_up(self, *, is_idle: bool) -> None:
        """Posts the vector under way if it is there.

        is_idle: the device has nothing else to do, so it is waited for.
        """
        if self._dispatched is None:
            return
        question, pending = self._dispatched.question, self._dispatched.pending
        try:
            if not is_idle and not pending.is_ready():
                return
            vector = pending.wait()
        except Exception:
            logger.exception("A text could not be read.")
            self._dispatched = None
            self._post(QuestionAnswered(question, None))
            return
        self._dispatched = None
        self._post(QuestionAnswered(question, vector))
