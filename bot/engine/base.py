"""The Engine contract: five verbs over a fixed number of slots. Only the engine thread calls them.

One image occupies one slot from `insert` until `free`. Slots are numbered in [0, num_slots). The host knows every
position without asking the device: `step(n)` moves each occupied slot on by n tokens, up to `image_length`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bot.requests import GeneratedImage, Sampling


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the rest of the program may know of a loaded model. sampling: the defaults stored with its checkpoint."""

    name: str
    image_length: int
    image_size_px: int
    max_text_tokens: int
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class PromptText:
    """One row of a prefill. negative_prompt None means the model's unconditional prompt."""

    prompt: str
    negative_prompt: str | None = None


class Prefix(Protocol):
    """What `prefill` computed for some prompts, on the device; opaque to callers but for this."""

    @property
    def notices(self) -> tuple[tuple[str, ...], ...]:
        """For each prompt, sentences that its user should read (shortened to the model's length, say)."""


@dataclass(frozen=True, slots=True)
class SlotAssignment:
    """Puts image `index` of seed `seed`, for prompt `row` of a prefix, into `slot`.

    image_tokens: codes to start with instead of drawing them, int32 [0 .. image_length].
    """

    slot: int
    row: int
    index: int
    seed: int
    sampling: Sampling
    image_tokens: tuple[int, ...] = ()


class Chunk(Protocol):
    """A dispatched step. The device may still be at work on it."""

    @property
    def positions(self) -> npt.NDArray[np.int32]:
        """int32 [num_slots]: how many image tokens each slot holds once this chunk is done; 0 for free slots."""

    def wait(self) -> None:
        """Blocks until the device has finished this chunk. Raises what the device raised."""


@dataclass(frozen=True, slots=True)
class FailedSlot:
    """Why one slot gave no image."""

    sentence: str


class Engine(Protocol):
    """A model on a device. Methods raise DalleBotError for what concerns their arguments alone (bad codes, a result
    that isn't finite); any other exception means that the state of every slot is lost, and `reset` must follow.
    `prefill` touches no slot: whatever it raises concerns its prompts alone."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def num_slots(self) -> int: ...

    def prefill(self, prompts: Sequence[PromptText]) -> Prefix:
        """Encodes prompts once: encoder, cross-attention K/V of both branches, CLIP text vector."""

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Fills free slots from a prefix. Raises ValueError if a slot is occupied or out of range.

        If it raises DalleBotError, no slot was filled."""

    def step(self, num_tokens: int) -> Chunk:
        """Dispatches up to `num_tokens` further image tokens for every occupied slot, without waiting."""

    def collect(self, slots: Sequence[int]) -> list[GeneratedImage | FailedSlot]:
        """Decodes and scores complete slots, in the order given; blocks until they are on the host.

        A slot whose numbers are not finite gives a FailedSlot instead of an image. Slots stay occupied."""

    def free(self, slots: Sequence[int]) -> None:
        """Makes slots available again, complete or not."""

    def reset(self) -> None:
        """Forgets every slot and allocates the state anew."""
