"""How a test steers a FakeEngine: what goes wrong, and where its thread is held. Gates and hangs work across two
threads."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

HANG_S: Final = 60.0

Verb = Literal[
    "label_vectors",
    "text_vector",
    "wait for text",
    "prefill",
    "insert",
    "step",
    "wait",
    "collect",
    "wait for images",
    "preview",
    "wait for preview",
    "free",
    "reset",
]


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. raises: (verb, which call of it, from 1) → what that call raises; "wait" is Chunk.wait.

    refused_prompts: a prefill that includes one of them raises, and so do label_vectors and text_vector. not_finite:
    (seed, index) of images that collect gives a FailedSlot for. hangs: (verb, which call of it) that does not return
    before `released` is set, or for HANG_S.
    """

    raises: Mapping[tuple[Verb, int], Exception] = field(default_factory=dict)
    refused_prompts: Collection[str] = frozenset()
    not_finite: Collection[tuple[int, int]] = frozenset()
    hangs: Collection[tuple[Verb, int]] = frozenset()
    released: threading.Event = field(default_factory=threading.Event)


class Gate:
    """Holds the engine thread in `Chunk.wait` until a test lets it pass. Every wait ends within `patience_s`."""

    def __init__(self, patience_s: float = 20.0) -> None:
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._num_arrived = 0
        self._num_allowed = 0
        self._is_open = False

    def hold(self) -> None:
        """Engine thread: waits for its turn. Raises TimeoutError if nobody gives it."""
        with self._changed:
            self._num_arrived += 1
            turn = self._num_arrived
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._is_open or self._num_allowed >= turn, self._patience_s):
                raise TimeoutError(f"Nobody let wait number {turn} pass.")

    def await_arrivals(self, count: int) -> None:
        """Test: blocks until the gate has been reached `count` times in all. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._num_arrived >= count, self._patience_s):
                raise TimeoutError(f"The engine came to the gate {self._num_arrived} times, not {count}.")

    def let_pass(self, count: int = 1) -> None:
        """Test: allows `count` more waits, the present one included."""
        with self._changed:
            self._num_allowed += count
            self._changed.notify_all()

    def open(self) -> None:
        """Test: holds nothing from now on."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()
