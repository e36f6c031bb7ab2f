"""The engine: a loaded model and its DecodeState behind the five verbs of the Engine contract.

Only the engine thread calls it. It keeps on the host what never needs asking the device: which slots are occupied and
how far each is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh

from bot.checkpoints.bundle import Bundle
from bot.checkpoints.tokenizers import EncodedText
from bot.engine.base import FailedSlot, ModelInfo, Prefix, PromptText, SlotAssignment
from bot.engine.devices import slot_mesh
from bot.engine.images import IMAGES_PER_DISPATCH, Finals
from bot.engine.insertion import make_insertion
from bot.engine.programs import Programs
from bot.engine.slots import Occupant, SlotTable
from bot.engine.state import DecodeState, idle_state
from bot.errors import InvalidParameterError
from bot.models.dalle_bart import Memory
from bot.models.network import Params
from bot.requests import GeneratedImage
from bot.startup import StartUp

_NOT_FINITE = "The model computed numbers that are not finite; try another seed or milder parameters."


@dataclass(frozen=True, slots=True)
class _Row:
    """One prompt of a prefix. text_vector: float32 [1, projection_dim]."""

    cond: Memory
    uncond: Memory
    text_vector: jax.Array


@dataclass(frozen=True, slots=True)
class JaxPrefix:
    """Encoded prompts, on the device."""

    rows: tuple[_Row, ...]
    notices: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class JaxChunk:
    """A dispatched chunk. done: an output of it, to wait for."""

    positions: npt.NDArray[np.int32]
    done: jax.Array

    def wait(self) -> None:
        self.done.block_until_ready()


class JaxEngine:
    """See bot.engine.base.Engine. Its slots are spread over the devices of `mesh`, on each of which `bundle` must lie.

    Programs are compiled when they are first called, unless `compile` did it before.
    Raises ValueError if num_slots is no multiple of the number of devices.
    """

    def __init__(self, bundle: Bundle, *, num_slots: int, mesh: Mesh | None = None) -> None:
        config = bundle.bart_config
        self._mesh = slot_mesh() if mesh is None else mesh
        if num_slots % self._mesh.size:
            raise ValueError(f"num_slots is {num_slots}, no multiple of {self._mesh.size} devices.")
        self._bundle = bundle
        self._num_slots = num_slots
        self._info = ModelInfo(
            name=bundle.name,
            image_length=config.image_length,
            image_size_px=bundle.vqgan_config.resolution,
            max_text_tokens=config.max_text_length,
            sampling=bundle.sampling,
        )
        self._programs = Programs(bundle, self._mesh, num_slots)
        self._slots, self._positions, self._state = self._idle()

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def num_slots(self) -> int:
        return self._num_slots

    def compile(self, chunk_tokens: int, start_up: StartUp) -> None:
        """Compiles every program that a picture needs, if it is drawn in chunks of `chunk_tokens`, and encodes the
        unconditional prompt."""
        with start_up.stage("compiling", total=len(self._programs.all(chunk_tokens)), unit="programs") as advance:
            self._programs.compile(chunk_tokens, advance)
        jax.block_until_ready(self._unconditional)

    def prefill(self, prompts: Sequence[PromptText]) -> JaxPrefix:
        """Encodes prompts; touches no slot. See bot.engine.base.Engine."""
        rows, notices = [], []
        for prompt in prompts:
            text = self._bundle.prompt_tokenizer.encode([prompt.prompt])
            uncond, dropped = self._unconditional, [("prompt", text.num_dropped[0])]
            if prompt.negative_prompt is not None:
                negative = self._bundle.prompt_tokenizer.encode([prompt.negative_prompt])
                uncond = self._encode(negative)
                dropped.append(("negative prompt", negative.num_dropped[0]))
            rows.append(_Row(self._encode(text), uncond, self._text_vector(prompt.prompt)))
            notices.append(tuple(self._too_long(which, count) for which, count in dropped if count))
        return JaxPrefix(tuple(rows), tuple(notices))

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Fills slots; see bot.engine.base.Engine. Raises InvalidParameterError for codes that are not the model's."""
        assert isinstance(prefix, JaxPrefix)
        for assignment in assignments:
            self._check(assignment)
        filled: list[Occupant[None]] = []
        try:
            for assignment in assignments:
                occupant = self._slots.fill(assignment.slot, None, assignment.index)
                filled.append(occupant)
            for row in sorted({a.row for a in assignments}):
                self._insert_row(prefix.rows[row], [a for a in assignments if a.row == row])
        except Exception:
            for occupant in filled:
                self._slots.release(occupant)
            raise
        for assignment in assignments:
            self._positions[assignment.slot] = len(assignment.image_tokens)

    def step(self, num_tokens: int) -> JaxChunk:
        """Dispatches a chunk; see bot.engine.base.Engine."""
        self._state, done = self._programs.chunk(num_tokens)(self._bundle.bart_params, self._state)
        for occupant in self._slots.occupants:
            self._positions[occupant.slot] += num_tokens
        np.minimum(self._positions, self._info.image_length, out=self._positions)
        return JaxChunk(self._positions.copy(), done)

    def collect(self, slots: Sequence[int]) -> list[GeneratedImage | FailedSlot]:
        """Decodes and scores; see bot.engine.base.Engine. Raises ValueError for a slot that is not complete."""
        occupants = [self._complete(slot) for slot in slots]
        size = IMAGES_PER_DISPATCH * self._mesh.size
        groups = [occupants[i : i + size] for i in range(0, len(occupants), size)]
        # All groups are dispatched before the first one is waited for.
        dispatched = [self._finals([occupant.slot for occupant in group]) for group in groups]
        finals = [jax.device_get(f) for f in dispatched]
        return [
            _image(occupant.image, host, i)
            for group, host in zip(groups, finals, strict=True)
            for i, occupant in enumerate(group)
        ]

    def free(self, slots: Sequence[int]) -> None:
        """Makes slots available; see bot.engine.base.Engine. What a freed slot still computes is never read."""
        for slot in slots:
            occupant = self._slots.at(slot)
            if occupant is not None:
                self._slots.release(occupant)
                self._positions[slot] = 0

    def reset(self) -> None:
        """Forgets every slot and allocates the state anew."""
        self._slots, self._positions, self._state = self._idle()

    def _idle(self) -> tuple[SlotTable[None], npt.NDArray[np.int32], DecodeState]:
        projection_dim = self._bundle.clip_config.projection_dim
        state = idle_state(self._bundle.bart_config, self._num_slots, projection_dim, self._bundle.dtype, self._mesh)
        return SlotTable(self._num_slots), np.zeros(self._num_slots, np.int32), state

    def _check(self, assignment: SlotAssignment) -> None:
        tokens, limit = assignment.image_tokens, self._bundle.vqgan_config.n_embed
        if len(tokens) > self._info.image_length:
            raise InvalidParameterError(
                f"image_tokens has {len(tokens)} codes; a picture of this model has {self._info.image_length}."
            )
        wrong = next((token for token in tokens if not 0 <= token < limit), None)
        if wrong is not None:
            raise InvalidParameterError(f"image_tokens holds {wrong}; this model's codes are 0 to {limit - 1}.")

    @cached_property
    def _unconditional(self) -> Memory:
        return self._encode(self._bundle.prompt_tokenizer.encode_unconditional())

    def _encode(self, text: EncodedText) -> Memory:
        return self._programs.encode(self._bundle.bart_params, text.ids, text.mask)

    def _text_vector(self, prompt: str) -> jax.Array:
        text = self._bundle.clip_tokenizer.encode([prompt])
        return self._programs.text_vectors(self._bundle.clip_params, text.ids, text.mask)

    def _too_long(self, which: str, num_dropped: int) -> str:
        return (
            f"The {which} is longer than the model reads ({self._info.max_text_tokens} tokens): "
            f"its last {num_dropped} {'token was' if num_dropped == 1 else 'tokens were'} left out."
        )

    def _insert_row(self, row: _Row, assignments: Sequence[SlotAssignment]) -> None:
        insertion = make_insertion(assignments, self._num_slots, self._info.image_length)
        self._state = self._programs.insert(self._state, row.cond, row.uncond, row.text_vector, insertion)
        # Slots with the same number of given codes read them together; usually there are none.
        for length in sorted({len(a.image_tokens) for a in assignments} - {0}):
            chosen = np.zeros(self._num_slots, bool)
            chosen[[a.slot for a in assignments if len(a.image_tokens) == length]] = True
            self._state = self._programs.replay(self._bundle.bart_params, self._state, chosen, np.int32(length))

    def _complete(self, slot: int) -> Occupant[None]:
        occupant = self._slots.at(slot)
        if occupant is None or self._positions[slot] != self._info.image_length:
            raise ValueError(f"Slot {slot} is not complete: it has {self._positions[slot]} image tokens.")
        return occupant

    def _finals(self, slots: list[int]) -> Finals:
        params: tuple[Params, Params] = (self._bundle.vqgan_params, self._bundle.clip_params)
        padded = slots + slots[-1:] * (IMAGES_PER_DISPATCH * self._mesh.size - len(slots))
        return self._programs.finish(*params, self._state, np.asarray(padded, np.int32))


def _image(index: int, finals: Finals, i: int) -> GeneratedImage | FailedSlot:
    if not finals.finite[i]:
        return FailedSlot(_NOT_FINITE)
    return GeneratedImage(
        index=index,
        pixels=np.array(finals.pixels[i]),
        image_tokens=np.array(finals.tokens[i]),
        score=float(finals.scores[i]),
        clip_vector=np.array(finals.vectors[i]),
    )
