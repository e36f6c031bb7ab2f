"""Examples that cost more to make than to learn from: made a block at a time, and each used several times.

Used by the training's stages, on the thread that they run on.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Blocks(Generic[T]):
    """make(block) -> its examples, the same each time; num_steps: how many steps in a row learn from one block."""

    def __init__(self, make: Callable[[int], T], num_steps: int) -> None:
        self._make = make
        self._num_steps = num_steps
        self._held: tuple[int, T] | None = None

    def at(self, step: int) -> T:
        """The examples for a step. Made anew where it is of another block than the last one."""
        block = step // self._num_steps
        if self._held is None or self._held[0] != block:
            self._held = block, self._make(block)
        return self._held[1]
