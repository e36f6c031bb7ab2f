"""What happens in the sandbox, told to whoever listens: the gateway and the players. Event loop of the sandbox only."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.sandbox.messages import Message

MAX_WAITING = 10_000


class HappeningKind(StrEnum):
    """DEFERRED: acknowledged, and nothing shows. FAILURE: what Discord itself tells the player when a rule broke."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"
    DEFERRED = "deferred"
    MODAL = "modal"
    CHOICES = "choices"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. message: as it is afterwards (before, for DELETE).

    interaction_id: the interaction whose token did it, if one did. is_acknowledgement: whether it was its first answer.
    text: the sentence of a failure, or the suggested choices. modal: the form of a MODAL.
    """

    kind: HappeningKind
    message: Message | None = None
    interaction_id: str | None = None
    is_acknowledgement: bool = False
    text: str = ""
    modal: dict[str, Any] | None = None


class Board:
    """Hands every happening to every listener, in order, before `publish` returns."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Happening], None]] = []

    def publish(self, happening: Happening) -> None:
        for listener in tuple(self._listeners):
            listener(happening)

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Calls `listener` from now on. It must not block."""
        self._listeners.append(listener)

    @contextmanager
    def subscription(self) -> Iterator["asyncio.Queue[Happening]"]:
        """A queue of what happens from now on, at most MAX_WAITING long; the oldest are dropped beyond that."""
        queue: asyncio.Queue[Happening] = asyncio.Queue(MAX_WAITING)

        def put(happening: Happening) -> None:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(happening)

        self._listeners.append(put)
        try:
            yield queue
        finally:
            self._listeners.remove(put)
