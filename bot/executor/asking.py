"""Texts that replicas are reading for the RemoteExecutor, a bounded number at a time. Event loop only."""

import asyncio

from bot.errors import JobFailedError, NotReadyError
from bot.executor.base import TextVector
from bot.executor.questions import MAX_WAITING
from bot.executor.replicas import Refused, ReplicaLostError, Replicas


class Asking:
    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._questions: set[asyncio.Future[TextVector | Refused]] = set()

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector:
        """What CLIP makes of a text. Raises NotReadyError, JobFailedError, and CancelledError after `close`."""
        if len(self._questions) >= MAX_WAITING:
            raise NotReadyError("Too many searches are waiting for the model. Try again in a minute.")
        question = asyncio.ensure_future(
            self._replicas.text_vector(text, timeout_s=timeout_s, replica_id=replica_id),
        )
        self._questions.add(question)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await question
        except (TimeoutError, ReplicaLostError) as error:
            raise NotReadyError("The model is too busy to read this now. Try again in a minute.") from error
        finally:
            question.cancel()
            self._questions.discard(question)
        if isinstance(answer, Refused):
            raise JobFailedError(answer.sentence)
        return answer

    def close(self) -> list[asyncio.Future[TextVector | Refused]]:
        """Cancels what is being read, and returns it."""
        questions = list(self._questions)
        for question in questions:
            question.cancel()
        return questions
