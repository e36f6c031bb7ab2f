"""The engine: a loaded model and its DecodeState behind the five verbs of the Engine contract.

Only the engine thread calls it. It keeps on the host what never needs asking the device: which slots are occupied and
how far each is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from bot.checkpoints.bundle import Bundle
from bot.checkpoints.tokenizers import EncodedText
from bot.engine.base import FailedSlot, ModelInfo, Prefix, PromptText, SlotAssignment
from bot.engine.images import IMAGES_PER_DISPATCH, Finals, make_finish
from bot.engine.slots import Occupant, SlotTable
from bot.engine.state import DecodeState, SlotSampling, idle_state
from bot.engine.steps import Insertion, make_steps
from bot.errors import InvalidParameterError
from bot.models.dalle_bart import Memory
from bot.models.network import Params
from bot.requests import GeneratedImage

_NOT_FINITE = "The model computed numbers that are not finite; try another seed or milder parameters."


@dataclass(frozen=True, slots=True)
class _Row:
    """One prompt of a prefix. text_vector: float32 [projection_dim]."""

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
    """See bot.engine.base.Engine. Construction encodes the unconditional prompt and so compiles the encoder."""

    def __init__(self, bundle: Bundle, *, num_slots: int) -> None:
        config = bundle.bart_config
        self._bundle = bundle
        self._num_slots = num_slots
        self._info = ModelInfo(
            name=bundle.name,
            image_length=config.image_length,
            image_size_px=bundle.vqgan_config.resolution,
            max_text_tokens=config.max_text_length,
            sampling=bundle.sampling,
        )
        self._steps = make_steps(bundle.bart, config, bundle.vqgan_config.n_embed)
        self._finish = make_finish(bundle.vqgan, bundle.clip, bundle.preprocess)
        self._text_vectors = jax.jit(lambda p, ids, mask: bundle.clip.bind(p).text_vectors(ids, mask))
        self._uncond = self._encode(bundle.prompt_tokenizer.encode_unconditional())
        self._slots, self._positions, self._state = self._idle()

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def num_slots(self) -> int:
        return self._num_slots

    def prefill(self, prompts: Sequence[PromptText]) -> JaxPrefix:
        """Encodes prompts; touches no slot. See bot.engine.base.Engine."""
        rows, notices = [], []
        for prompt in prompts:
            text = self._bundle.prompt_tokenizer.encode([prompt.prompt])
            uncond, dropped = self._uncond, [("prompt", text.num_dropped[0])]
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
        self._state, done = self._steps.chunk(self._bundle.bart_params, self._state, num_tokens)
        for occupant in self._slots.occupants:
            self._positions[occupant.slot] += num_tokens
        np.minimum(self._positions, self._info.image_length, out=self._positions)
        return JaxChunk(self._positions.copy(), done)

    def collect(self, slots: Sequence[int]) -> list[GeneratedImage | FailedSlot]:
        """Decodes and scores; see bot.engine.base.Engine. Raises ValueError for a slot that is not complete."""
        occupants = [self._complete(slot) for slot in slots]
        groups = [occupants[i : i + IMAGES_PER_DISPATCH] for i in range(0, len(occupants), IMAGES_PER_DISPATCH)]
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
        state = idle_state(self._bundle.bart_config, self._num_slots, projection_dim, self._bundle.dtype)
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

    def _encode(self, text: EncodedText) -> Memory:
        return self._steps.encode(self._bundle.bart_params, jnp.asarray(text.ids), jnp.asarray(text.mask))

    def _text_vector(self, prompt: str) -> jax.Array:
        text = self._bundle.clip_tokenizer.encode([prompt])
        vectors: jax.Array = self._text_vectors(self._bundle.clip_params, text.ids, text.mask)
        return vectors[0]

    def _too_long(self, which: str, num_dropped: int) -> str:
        return (
            f"The {which} is longer than the model reads ({self._info.max_text_tokens} tokens): "
            f"its last {num_dropped} {'token was' if num_dropped == 1 else 'tokens were'} left out."
        )

    def _insert_row(self, row: _Row, assignments: Sequence[SlotAssignment]) -> None:
        insertion = _insertion(assignments, self._num_slots, self._info.image_length)
        self._state = self._steps.insert(self._state, row.cond, row.uncond, row.text_vector, insertion)
        # Slots with the same number of given codes read them together; usually there are none.
        for length in sorted({len(a.image_tokens) for a in assignments} - {0}):
            chosen = np.zeros(self._num_slots, bool)
            chosen[[a.slot for a in assignments if len(a.image_tokens) == length]] = True
            self._state = self._steps.replay(
                self._bundle.bart_params, self._state, jnp.asarray(chosen), jnp.int32(length)
            )

    def _complete(self, slot: int) -> Occupant[None]:
        occupant = self._slots.at(slot)
        if occupant is None or self._positions[slot] != self._info.image_length:
            raise ValueError(f"Slot {slot} is not complete: it has {self._positions[slot]} image tokens.")
        return occupant

    def _finals(self, slots: list[int]) -> Finals:
        params: tuple[Params, Params] = (self._bundle.vqgan_params, self._bundle.clip_params)
        padded = slots + slots[-1:] * (IMAGES_PER_DISPATCH - len(slots))
        return self._finish(*params, self._state, jnp.asarray(padded, jnp.int32))


def _insertion(assignments: Sequence[SlotAssignment], num_slots: int, image_length: int) -> Insertion:
    padding = num_slots - len(assignments)

    def column(values: list[float], dtype: npt.DTypeLike, fill: float) -> jax.Array:
        return jnp.asarray(np.asarray(values + [fill] * padding, dtype))

    tokens = np.zeros((num_slots, image_length), np.int32)
    for i, assignment in enumerate(assignments):
        tokens[i, : len(assignment.image_tokens)] = assignment.image_tokens
    return Insertion(
        slots=column([a.slot for a in assignments], np.int32, num_slots),
        seeds=column([a.seed for a in assignments], np.uint32, 0),
        indices=column([a.index for a in assignments], np.int32, 0),
        tokens=jnp.asarray(tokens),
        sampling=SlotSampling(
            condition_scale=column([a.sampling.condition_scale for a in assignments], np.float32, 1.0),
            top_k=column([a.sampling.top_k for a in assignments], np.int32, 0),
            top_p=column([a.sampling.top_p for a in assignments], np.float32, 1.0),
            temperature=column([a.sampling.temperature for a in assignments], np.float32, 1.0),
        ),
    )


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
