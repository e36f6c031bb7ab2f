"""The Engine contract: a few verbs over a fixed number of slots. Only the engine thread calls them.

One image occupies one slot from `insert` until `free`. Slots are numbered in [0, num_slots). The host knows every
position without asking the device: `step(n)` moves each occupied slot on by n tokens, up to `image_length`.

Only the `wait` of what a verb dispatched waits for the device. The device works in the order of the calls, so a slot
may be collected, freed and filled again as soon as the step that completes it was dispatched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bot.language import Text
from bot.requests import MAX_SEED, GeneratedImage, Sampling


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the rest of the program may know of a loaded model. sampling: the defaults stored with its checkpoint.

    num_rows: rows of codes of a picture; each has `image_length // num_rows` of them.
    device, dtype: where DalleBart runs and what it computes in, for people; "" where that is unknown.
    version: differs where two models of one name have other weights; "" where that is unknown.
    """

    name: str
    image_length: int
    num_rows: int
    image_size_px: int
    max_text_tokens: int
    sampling: Sampling
    device: str = ""
    dtype: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class PromptText:
    """One row of a prefill. negative_prompt None means the model's unconditional prompt."""

    prompt: str
    negative_prompt: str | None = None


class Prefix(Protocol):
    """What `prefill` computed for some prompts, on the device; opaque to callers but for this."""

    @property
    def notices(self) -> tuple[tuple[Text, ...], ...]:
        """For each prompt, sentences that its user should read (shortened to the model's length, say)."""


@dataclass(frozen=True, slots=True)
class SlotAssignment:
    """Puts image `index` of seed `seed`, for prompt `row` of a prefix, into `slot`.

    image_tokens: codes to start with instead of drawing them, int32 [0 .. image_length]. Raises ValueError for a
    negative index, or a seed that is not in [0, MAX_SEED].
    """

    slot: int
    row: int
    index: int
    seed: int
    sampling: Sampling
    image_tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"An image's index is 0 or more, not {self.index}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"A seed is between 0 and {MAX_SEED}, not {self.seed}.")


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

    sentence: Text


class PendingImages(Protocol):
    """Slots on their way to the host. They may be freed and filled again meanwhile."""

    def is_ready(self) -> bool:
        """Whether `wait` would return at once. Never blocks."""

    def wait(self) -> list[GeneratedImage | FailedSlot]:
        """Blocks until the pictures are on the host; in the order of the slots. Raises what the device raised."""


class PendingPreview(Protocol):
    """Unfinished pictures on their way to the host. Letting go of it gives them up."""

    @property
    def done_rows(self) -> tuple[int, ...]:
        """For each slot, how many rows of codes its picture shows."""

    def is_ready(self) -> bool:
        """Whether `wait` would return at once. Never blocks."""

    def wait(self) -> list[npt.NDArray[np.uint8]]:
        """Blocks until the pictures are on the host: uint8 [height, width, 3] each, neutral grey (128) below the rows
        that are done, in the order of the slots. Raises what the device raised."""


class PendingVector(Protocol):
    """A text's vector on its way to the host. Letting go of it gives it up."""

    def is_ready(self) -> bool:
        """Whether `wait` would return at once. Never blocks."""

    def wait(self) -> npt.NDArray[np.float32]:
        """Blocks until the vector is on the host: float32 [projection_dim]. Raises what the device raised."""


class Engine(Protocol):
    """A model on a device. Methods raise DalleBotError for what concerns their arguments alone (bad codes, a result
    that isn't finite); any other exception means that the state of every slot is lost, and `reset` must follow.
    `prefill`, `label_vectors` and `text_vector` touch no slot: whatever they raise concerns their texts alone."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def num_slots(self) -> int: ...

    @property
    def max_preview(self) -> int:
        """How many slots one `preview` may show, at least 1."""

    def label_vectors(self, labels: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [len(labels), projection_dim]: CLIP's text vectors times exp(logit_scale), so that
        `vectors @ image.clip_vector` are label scores. The engine caches a bounded number of them.

        Raises InvalidParameterError for a label that is longer than CLIP reads."""

    def text_vector(self, text: str) -> PendingVector:
        """Dispatches CLIP's vector of a text, without waiting. It has unit length, so that
        `vector @ image.clip_vector` is the cosine. What is longer than CLIP reads is cut."""

    def prefill(self, prompts: Sequence[PromptText]) -> Prefix:
        """Encodes prompts once: encoder, cross-attention K/V of both branches, CLIP text vector."""

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Fills free slots from a prefix. Raises ValueError if a slot is occupied or out of range.

        If it raises DalleBotError, no slot was filled."""

    def step(self, num_tokens: int) -> Chunk:
        """Dispatches up to `num_tokens` further image tokens for every occupied slot, without waiting.

        Raises ValueError for less than one."""

    def collect(self, slots: Sequence[int]) -> PendingImages:
        """Dispatches pixels and scores of complete slots, without waiting. A step that completes them need only have
        been dispatched. Raises ValueError for a slot that is free or incomplete.

        A slot whose numbers are not finite gives a FailedSlot instead of an image. `label_scores` are left empty.
        Slots stay occupied; the device copies what it needs, so they may be freed and filled again at once."""

    def preview(self, slots: Sequence[int]) -> PendingPreview:
        """Dispatches the pixels of the finished rows of codes of occupied slots, without waiting.

        Raises ValueError for more than `max_preview` slots, or for a free one."""

    def free(self, slots: Sequence[int]) -> None:
        """Makes slots available again, complete or not."""

    def reset(self) -> None:
        """Forgets every slot and allocates the state anew."""
