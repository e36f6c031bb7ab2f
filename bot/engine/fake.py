"""An Engine whose pictures can be computed by hand, for tests of everything above the engine. numpy only.

It keeps the Engine contract strictly, so that a caller that breaks it fails a test: occupied slots are refused,
incomplete ones can't be collected, one thread calls all verbs, and after a lost state only `reset` is accepted.

An image is a function of (prompt, seed, index) alone; `expected_image` states it.
"""

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from bot.engine.base import FailedSlot, ModelInfo, Prefix, PromptText, SlotAssignment
from bot.engine.slots import SlotTable
from bot.errors import DalleBotError, InvalidParameterError
from bot.requests import MAX_IMAGES, GeneratedImage, Sampling

NUM_CODES: Final = 256

Verb = Literal["prefill", "insert", "step", "wait", "collect", "free", "reset"]


def expected_image(
    prompt: str,
    seed: int,
    index: int,
    *,
    image_length: int,
    image_size_px: int,
    image_tokens: Sequence[int] = (),
) -> GeneratedImage:
    """What FakeEngine gives. With b the sum of the prompt's UTF-8 bytes:

    token at position p: `(b + 31 * seed + 7 * index + p) % 256`, unless `image_tokens` has one there;
    pixels: all of the colour (last token, seed % 256, index); score: `(b + 3 * seed + 5 * index) % 11`;
    clip_vector: float32 [MAX_IMAGES], 1 at index.
    """
    tokens = _drawn_tokens(prompt, seed, index, image_length)
    tokens[: len(image_tokens)] = image_tokens
    pixels = np.empty((image_size_px, image_size_px, 3), np.uint8)
    pixels[:] = (tokens[-1], seed % 256, index)
    score = float((_sum_of_bytes(prompt) + 3 * seed + 5 * index) % 11)
    return GeneratedImage(index, pixels, tokens, score, np.eye(MAX_IMAGES, dtype=np.float32)[index])


def _sum_of_bytes(prompt: str) -> int:
    return sum(prompt.encode())


def _drawn_tokens(prompt: str, seed: int, index: int, image_length: int) -> npt.NDArray[np.int32]:
    start = (_sum_of_bytes(prompt) + 31 * seed + 7 * index) % NUM_CODES
    return (start + np.arange(image_length, dtype=np.int32)) % np.int32(NUM_CODES)


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


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. raises: (verb, which call of it, from 1) → what that call raises; "wait" is Chunk.wait.

    refused_prompts: a prefill that includes one of them raises. not_finite: (seed, index) of images that collect
    gives a FailedSlot for.
    """

    raises: Mapping[tuple[Verb, int], Exception] = field(default_factory=dict)
    refused_prompts: Collection[str] = frozenset()
    not_finite: Collection[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FakePrefix:
    """The prompts themselves, with a notice for each one that has too many words.

    Weak references let a test see when its caller lets go of it; a real one holds device memory.
    """

    prompts: tuple[PromptText, ...]
    notices: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FakeChunk:
    """A step that is done at once, but whose `wait` passes the engine's gate and takes its delay."""

    positions: npt.NDArray[np.int32]
    engine: "FakeEngine"
    num_resets: int

    def wait(self) -> None:
        self.engine.pass_chunk(self)


@dataclass(eq=False, slots=True)
class _Drawing:
    """The content of one slot. tokens: int32 [image_length], drawn up to `position`."""

    prompt: str
    assignment: SlotAssignment
    tokens: npt.NDArray[np.int32]
    position: int


class FakeEngine:
    """Implements Engine. The logs (`calls`, `prompts`, `assignments`) may be read from any thread.

    delay_s: how long each `Chunk.wait` takes. calls: verb → number of calls. prompts: every row of every prefill, in
    order. assignments: every assignment of every insert that succeeded, in order.
    """

    def __init__(
        self,
        *,
        num_slots: int = 4,
        image_length: int = 16,
        image_size_px: int = 8,
        max_text_tokens: int = 64,
        delay_s: float = 0.0,
        faults: Faults | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.calls: Counter[Verb] = Counter()
        self.prompts: list[PromptText] = []
        self.assignments: list[SlotAssignment] = []
        self._info = ModelInfo("fake", image_length, image_size_px, max_text_tokens, Sampling(1.0, 0, 1.0, 1.0))
        self._delay_s = delay_s
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

    def prefill(self, prompts: Sequence[PromptText]) -> FakePrefix:
        """Raises RuntimeError if one of them is a refused prompt."""
        self._begin("prefill")
        self.prompts += prompts
        for row in prompts:
            if row.prompt in self._faults.refused_prompts:
                raise RuntimeError(f"fault: {row.prompt!r} is refused")
        return FakePrefix(tuple(prompts), tuple(self._notices(row.prompt) for row in prompts))

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Raises InvalidParameterError for image tokens that are no codes or too many; nothing is inserted then."""
        self._begin("insert")
        assert isinstance(prefix, FakePrefix)
        for a in assignments:
            if len(a.image_tokens) > self._info.image_length or not all(0 <= t < NUM_CODES for t in a.image_tokens):
                raise InvalidParameterError(
                    f"image_tokens must be at most {self._info.image_length} codes between 0 and {NUM_CODES - 1}."
                )
        for a in assignments:
            tokens = np.full(self._info.image_length, -1, np.int32)
            tokens[: len(a.image_tokens)] = a.image_tokens
            drawing = _Drawing(prefix.prompts[a.row].prompt, a, tokens, len(a.image_tokens))
            self._slots.fill(a.slot, drawing, a.index)
        self.assignments += assignments

    def step(self, num_tokens: int) -> FakeChunk:
        self._begin("step")
        positions = np.zeros(self.num_slots, np.int32)
        for occupant in self._slots.occupants:
            drawing = occupant.owner
            end = min(drawing.position + num_tokens, self._info.image_length)
            drawn = _drawn_tokens(drawing.prompt, drawing.assignment.seed, occupant.image, self._info.image_length)
            drawing.tokens[drawing.position : end] = drawn[drawing.position : end]
            drawing.position = positions[occupant.slot] = end
        return FakeChunk(positions, self, self.calls["reset"])

    def pass_chunk(self, chunk: FakeChunk) -> None:
        """The inside of FakeChunk.wait. Raises RuntimeError for a chunk from before a reset."""
        self._begin("wait")
        if chunk.num_resets != self.calls["reset"]:
            raise RuntimeError("This chunk was dispatched before the reset: nothing will come of it.")
        if self._gate is not None:
            self._gate.hold()
        if self._delay_s:
            time.sleep(self._delay_s)

    def collect(self, slots: Sequence[int]) -> list[GeneratedImage | FailedSlot]:
        """Raises ValueError for a slot that is free or incomplete."""
        self._begin("collect")
        return [self._collect_one(self._drawing(slot)) for slot in slots]

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
        """Counts the call, checks the contract, raises the planned fault."""
        thread = threading.get_ident()
        if self._thread is None:
            self._thread = thread
        if thread != self._thread:
            raise RuntimeError(f"{verb} was called on a second thread: one thread owns the engine.")
        if self._is_lost:
            raise RuntimeError(f"{verb} was called although the state is lost: call reset first.")
        self.calls[verb] += 1
        fault = self._faults.raises.get((verb, self.calls[verb]))
        if fault is not None:
            self._is_lost = verb != "prefill" and not isinstance(fault, DalleBotError)
            raise fault

    def _notices(self, prompt: str) -> tuple[str, ...]:
        limit = self._info.max_text_tokens
        return (f"The prompt was shortened to {limit} words.",) if len(prompt.split()) > limit else ()

    def _drawing(self, slot: int) -> _Drawing:
        occupant = self._slots.at(slot)
        if occupant is None:
            raise ValueError(f"Slot {slot} is free: there is nothing to collect.")
        if occupant.owner.position < self._info.image_length:
            raise ValueError(f"Slot {slot} is at {occupant.owner.position} of {self._info.image_length} tokens.")
        return occupant.owner

    def _collect_one(self, drawing: _Drawing) -> GeneratedImage | FailedSlot:
        assignment = drawing.assignment
        if (assignment.seed, assignment.index) in self._faults.not_finite:
            return FailedSlot("The model gave numbers that are not finite.")
        return expected_image(
            drawing.prompt,
            assignment.seed,
            assignment.index,
            image_length=self._info.image_length,
            image_size_px=self._info.image_size_px,
            image_tokens=drawing.tokens.tolist(),
        )
