"""An Engine whose pictures can be computed by hand, for tests of everything above the engine. numpy only.

It keeps the Engine contract strictly, so that a caller that breaks it fails a test: occupied slots are refused,
incomplete ones can't be collected, one thread calls all verbs, and after a lost state only `reset` is accepted.

An image is a function of (prompt, seed, index) alone; fake_pictures.py states it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from bot.engine.base import FailedSlot, ModelInfo, Prefix, PromptText, SlotAssignment
from bot.engine.fake_controls import HANG_S, Faults, Gate, Verb
from bot.engine.fake_pictures import (
    NUM_CODES,
    Pixels,
    drawn_tokens,
    expected_image,
    expected_label_vector,
    expected_preview,
    expected_text_vector,
)
from bot.engine.slots import SlotTable
from bot.errors import DalleBotError, InvalidParameterError
from bot.language import Text
from bot.requests import GeneratedImage, Sampling

__all__ = ["FakeChunk", "FakeEngine", "FakePending", "FakePrefix", "Faults", "Gate", "Verb", "expected_image"]

ItemT = TypeVar("ItemT")

_TOUCH_NO_SLOT: Final[frozenset[Verb]] = frozenset({"prefill", "label_vectors", "text_vector", "wait for text"})


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FakePrefix:
    """The prompts themselves, with a notice for each one that has too many words.

    Weak references let a test see when its caller lets go of it; a real one holds device memory.
    """

    prompts: tuple[PromptText, ...]
    notices: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True, slots=True)
class FakeChunk:
    """A step that is done at once, but whose `wait` passes the engine's gate and takes its delay."""

    positions: npt.NDArray[np.int32]
    engine: "FakeEngine"
    num_resets: int
    num_occupied: int
    previews_s: float

    def wait(self) -> None:
        self.engine.pass_chunk(self)


@dataclass(eq=False, slots=True)
class FakePending(Generic[ItemT]):
    """PendingImages and PendingPreview. It is ready when it is asked for the `num_polls`-th time.

    done_rows: of a preview.
    """

    items: list[ItemT]
    verb: Verb
    engine: "FakeEngine"
    num_resets: int
    num_polls: int
    done_rows: tuple[int, ...] = ()

    def is_ready(self) -> bool:
        self.num_polls -= 1
        return self.num_polls <= 0

    def wait(self) -> list[ItemT]:
        self.engine.begin_waiting(self.verb, self.num_resets)
        return self.items


@dataclass(eq=False, slots=True)
class FakeVector:
    """PendingVector. It is ready when it is asked for the `num_polls`-th time."""

    vector: npt.NDArray[np.float32]
    engine: "FakeEngine"
    num_resets: int
    num_polls: int

    def is_ready(self) -> bool:
        self.num_polls -= 1
        return self.num_polls <= 0

    def wait(self) -> npt.NDArray[np.float32]:
        self.engine.begin_waiting("wait for text", self.num_resets)
        return self.vector


@dataclass(eq=False, slots=True)
class _Drawing:
    """The content of one slot. tokens: int32 [image_length], drawn up to `position`."""

    prompt: str
    assignment: SlotAssignment
    tokens: npt.NDArray[np.int32]
    position: int


class FakeEngine:
    """Implements Engine. The logs (`log`, `calls`, `prompts`, `assignments`) may be read from any thread.

    Each `Chunk.wait` takes delay_s, and delay_per_slot_s for each occupied slot, by calling `sleep`, which may as well
    move a clock of the test's own. preview_polls: how often a preview is asked before it is ready. preview_s: how much
    longer it makes the next chunk. text_polls: as preview_polls, for a text's vector.

    name, version: of its model.

    log: every verb in the order of the calls. calls: verb → number of calls. prompts: every row of every prefill, in
    order. assignments: every assignment of every insert that succeeded, in order.
    """

    def __init__(
        self,
        *,
        num_slots: int = 4,
        image_length: int = 16,
        num_rows: int = 1,
        image_size_px: int = 8,
        max_text_tokens: int = 64,
        max_preview: int = 3,
        preview_polls: int = 1,
        preview_s: float = 0.0,
        text_polls: int = 1,
        delay_s: float = 0.0,
        delay_per_slot_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        faults: Faults | None = None,
        gate: Gate | None = None,
        name: str = "fake",
        version: str = "",
    ) -> None:
        self.log: list[Verb] = []
        self.calls: Counter[Verb] = Counter()
        self.prompts: list[PromptText] = []
        self.assignments: list[SlotAssignment] = []
        sampling = Sampling(1.0, 0, 1.0, 1.0)
        self._info = ModelInfo(name, image_length, num_rows, image_size_px, max_text_tokens, sampling, version=version)
        self._max_preview = max_preview
        self._preview_polls = preview_polls
        self._preview_s = preview_s
        self._text_polls = text_polls
        self._num_previews = 0
        self._delay_s = delay_s
        self._delay_per_slot_s = delay_per_slot_s
        self._sleep = sleep
        self._faults = faults or Faults()
        self._gate = gate
        self._slots: SlotTable[_Drawing] = SlotTable(num_slots)
        self._thread: int | None = None
        self._is_lost = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def num_slots(self) -> int:
        return self._slots.num_slots

    @property
    def num_occupied(self) -> int:
        return len(self._slots.occupants)

    @property
    def max_preview(self) -> int:
        return self._max_preview

    def label_vectors(self, labels: Sequence[str]) -> npt.NDArray[np.float32]:
        """See expected_label_vector. Raises RuntimeError if one of them is a refused prompt."""
        self._begin("label_vectors")
        self._refuse(labels)
        return np.stack([expected_label_vector(label) for label in labels])

    def text_vector(self, text: str) -> FakeVector:
        """See expected_text_vector. Raises RuntimeError for a refused prompt."""
        self._begin("text_vector")
        self._refuse([text])
        return FakeVector(expected_text_vector(text), self, self.calls["reset"], self._text_polls)

    def prefill(self, prompts: Sequence[PromptText]) -> FakePrefix:
        """Raises RuntimeError if one of them is a refused prompt."""
        self._begin("prefill")
        self.prompts += prompts
        self._refuse([row.prompt for row in prompts])
        return FakePrefix(tuple(prompts), tuple(self._notices(row.prompt) for row in prompts))

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Raises InvalidParameterError for image tokens that are no codes or too many; nothing is inserted then."""
        self._begin("insert")
        assert isinstance(prefix, FakePrefix)
        for a in assignments:
            if len(a.image_tokens) > self._info.image_length or not all(0 <= t < NUM_CODES for t in a.image_tokens):
                raise InvalidParameterError(
                    "image_tokens must be at most {limit} codes between 0 and {last}.",
                    limit=self._info.image_length,
                    last=NUM_CODES - 1,
                )
        for a in assignments:
            tokens = np.full(self._info.image_length, -1, np.int32)
            tokens[: len(a.image_tokens)] = a.image_tokens
            drawing = _Drawing(prefix.prompts[a.row].prompt, a, tokens, len(a.image_tokens))
            self._slots.fill(a.slot, drawing, a.index)
        self.assignments += assignments

    def step(self, num_tokens: int) -> FakeChunk:
        if num_tokens < 1:
            raise ValueError(f"A chunk has at least one token, not {num_tokens}.")
        self._begin("step")
        positions = np.zeros(self.num_slots, np.int32)
        for occupant in self._slots.occupants:
            drawing = occupant.owner
            end = min(drawing.position + num_tokens, self._info.image_length)
            drawn = drawn_tokens(drawing.prompt, drawing.assignment.seed, occupant.image, self._info.image_length)
            drawing.tokens[drawing.position : end] = drawn[drawing.position : end]
            drawing.position = positions[occupant.slot] = end
        previews_s, self._num_previews = self._num_previews * self._preview_s, 0
        return FakeChunk(positions, self, self.calls["reset"], self.num_occupied, previews_s)

    def pass_chunk(self, chunk: FakeChunk) -> None:
        """The inside of FakeChunk.wait. Raises RuntimeError for a chunk from before a reset."""
        self.begin_waiting("wait", chunk.num_resets)
        if self._gate is not None:
            self._gate.hold()
        delay_s = self._delay_s + self._delay_per_slot_s * chunk.num_occupied + chunk.previews_s
        if delay_s:
            self._sleep(delay_s)

    def begin_waiting(self, verb: Verb, num_resets: int) -> None:
        """The inside of every wait. Raises RuntimeError if there was a reset since the dispatch."""
        self._begin(verb)
        if num_resets != self.calls["reset"]:
            raise RuntimeError("This was dispatched before the reset: nothing will come of it.")

    def collect(self, slots: Sequence[int]) -> FakePending[GeneratedImage | FailedSlot]:
        """Raises ValueError for a slot that is free or incomplete."""
        self._begin("collect")
        images = [self._collect_one(self._complete(slot)) for slot in slots]
        return FakePending(images, "wait for images", self, self.calls["reset"], num_polls=1)

    def preview(self, slots: Sequence[int]) -> FakePending[Pixels]:
        """Raises ValueError for too many slots or a free one."""
        self._begin("preview")
        if len(slots) > self._max_preview:
            raise ValueError(f"A preview shows at most {self._max_preview} slots, not {len(slots)}.")
        drawings = [self._drawing(slot) for slot in slots]
        self._num_previews += 1
        row_length = self._info.image_length // self._info.num_rows
        done_rows = tuple(drawing.position // row_length for drawing in drawings)
        pixels = [
            expected_preview(
                drawing.assignment.seed,
                drawing.assignment.index,
                rows,
                num_rows=self._info.num_rows,
                image_size_px=self._info.image_size_px,
            )
            for drawing, rows in zip(drawings, done_rows, strict=True)
        ]
        return FakePending(
            pixels, "wait for preview", self, self.calls["reset"], num_polls=self._preview_polls, done_rows=done_rows
        )

    def free(self, slots: Sequence[int]) -> None:
        """Raises ValueError for a slot that is free already."""
        self._begin("free")
        for slot in slots:
            occupant = self._slots.at(slot)
            if occupant is None:
                raise ValueError(f"Slot {slot} is free already.")
            self._slots.release(occupant)

    def reset(self) -> None:
        self._is_lost = False
        self._begin("reset")
        self._slots.clear()

    def _begin(self, verb: Verb) -> None:
        """Counts the call, checks the contract, hangs or raises as planned."""
        thread = threading.get_ident()
        if self._thread is None:
            self._thread = thread
        if thread != self._thread:
            raise RuntimeError(f"{verb} was called on a second thread: one thread owns the engine.")
        if self._is_lost:
            raise RuntimeError(f"{verb} was called although the state is lost: call reset first.")
        self.log.append(verb)
        self.calls[verb] += 1
        if (verb, self.calls[verb]) in self._faults.hangs:
            self._faults.released.wait(HANG_S)
        fault = self._faults.raises.get((verb, self.calls[verb]))
        if fault is not None:
            self._is_lost = verb not in _TOUCH_NO_SLOT and not isinstance(fault, DalleBotError)
            raise fault

    def _refuse(self, texts: Sequence[str]) -> None:
        for text in texts:
            if text in self._faults.refused_prompts:
                raise RuntimeError(f"fault: {text!r} is refused")

    def _notices(self, prompt: str) -> tuple[Text, ...]:
        limit = self._info.max_text_tokens
        if len(prompt.split()) <= limit:
            return ()
        return (Text("The prompt was shortened to {limit} words.", limit=limit),)

    def _drawing(self, slot: int) -> _Drawing:
        occupant = self._slots.at(slot)
        if occupant is None:
            raise ValueError(f"Slot {slot} is free: there is nothing in it.")
        return occupant.owner

    def _complete(self, slot: int) -> _Drawing:
        drawing = self._drawing(slot)
        if drawing.position < self._info.image_length:
            raise ValueError(f"Slot {slot} is at {drawing.position} of {self._info.image_length} tokens.")
        return drawing

    def _collect_one(self, drawing: _Drawing) -> GeneratedImage | FailedSlot:
        assignment = drawing.assignment
        if (assignment.seed, assignment.index) in self._faults.not_finite:
            return FailedSlot(Text("The model gave numbers that are not finite."))
        return expected_image(
            drawing.prompt,
            assignment.seed,
            assignment.index,
            image_length=self._info.image_length,
            image_size_px=self._info.image_size_px,
            image_tokens=drawing.tokens.tolist(),
        )
