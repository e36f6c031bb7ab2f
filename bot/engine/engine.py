"""The engine: a loaded model and its DecodeState behind the five verbs of the Engine contract.

Only the engine thread calls it. It keeps on the host what never needs asking the device: which slots are occupied and
how far each is.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh

from bot.checkpoints.bundle import Bundle
from bot.checkpoints.tokenizers import EncodedText
from bot.engine.base import FailedSlot, ModelInfo, Prefix, PromptText, SlotAssignment
from bot.engine.devices import device_name, slot_mesh
from bot.engine.images import Finals
from bot.engine.insertion import make_insertion
from bot.engine.notices import negative_prompt_notices, prompt_notices
from bot.engine.precision import kept_dtypes
from bot.engine.programs import Programs
from bot.engine.rows import Rows, make_moves
from bot.engine.sampling import candidates_for
from bot.engine.shapes import ChunkShapes
from bot.engine.slots import Occupant, SlotTable
from bot.engine.state import DecodeState, idle_state
from bot.errors import InvalidParameterError
from bot.language import Text
from bot.models.dalle_bart import Memory
from bot.models.network import Params
from bot.requests import GeneratedImage, Sampling
from bot.startup import StartUp

_MAX_LABELS: Final = 1024
"""How many labels are remembered."""

_NOT_FINITE = Text("The model computed numbers that are not finite; try another seed or milder parameters.")


@dataclass(frozen=True, slots=True)
class _Row:
    """One prompt of a prefix. num_tokens: of the longer one of its two texts. text_vector: float32 [1,
    projection_dim]."""

    cond: Memory
    uncond: Memory
    num_tokens: int
    text_vector: jax.Array


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What a slot draws. num_text_tokens: that it reads."""

    sampling: Sampling
    num_text_tokens: int


@dataclass(frozen=True, slots=True)
class JaxPrefix:
    """Encoded prompts, on the device."""

    rows: tuple[_Row, ...]
    notices: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True, slots=True)
class JaxImages:
    """Images on their way to the host: groups of their indices, with what the device makes of each group."""

    groups: tuple[tuple[tuple[int, ...], Finals], ...]

    def is_ready(self) -> bool:
        return all(_is_ready(array) for _, finals in self.groups for array in finals)

    def wait(self) -> list[GeneratedImage | FailedSlot]:
        images = []
        for indices, finals in self.groups:
            host = jax.device_get(finals)
            images += [_image(index, host, i) for i, index in enumerate(indices)]
        return images


@dataclass(frozen=True, slots=True)
class JaxPreview:
    """Previews on their way to the host."""

    done_rows: tuple[int, ...]
    pixels: jax.Array

    def is_ready(self) -> bool:
        return _is_ready(self.pixels)

    def wait(self) -> list[npt.NDArray[np.uint8]]:
        return list(np.array(self.pixels)[: len(self.done_rows)])


@dataclass(frozen=True, slots=True)
class JaxVector:
    """A text's vector on its way to the host. array: float32 [1, projection_dim]."""

    array: jax.Array

    def is_ready(self) -> bool:
        return _is_ready(self.array)

    def wait(self) -> npt.NDArray[np.float32]:
        vector: npt.NDArray[np.float32] = np.array(self.array)[0]
        return vector


@dataclass(frozen=True, slots=True)
class JaxChunk:
    """A dispatched chunk. done: an output of it, to wait for."""

    positions: npt.NDArray[np.int32]
    done: jax.Array

    def wait(self) -> None:
        self.done.block_until_ready()


class JaxEngine:
    """See bot.engine.base.Engine. Its slots are spread over the devices of `mesh`, on each of which `bundle` must lie.

    deterministic: all chunks have one shape, so that the company of a picture never changes it.

    Programs are compiled when they are first called, unless `compile` did it before.
    Raises ValueError if num_slots is no multiple of the number of devices.
    """

    def __init__(
        self, bundle: Bundle, *, num_slots: int, mesh: Mesh | None = None, deterministic: bool = False
    ) -> None:
        config = bundle.bart_config
        self._mesh = slot_mesh() if mesh is None else mesh
        if num_slots % self._mesh.size:
            raise ValueError(f"num_slots is {num_slots}, no multiple of {self._mesh.size} devices.")
        self._bundle = bundle
        self._num_slots = num_slots
        self._info = ModelInfo(
            name=bundle.name,
            image_length=config.image_length,
            num_rows=bundle.vqgan_config.grid,
            image_size_px=bundle.vqgan_config.resolution,
            max_text_tokens=config.max_text_length,
            sampling=bundle.sampling,
            device=device_name(self._mesh),
            dtype=jnp.dtype(bundle.dtype).name,
            version=bundle.version,
        )
        per_device = num_slots // self._mesh.size
        self._shapes = ChunkShapes(per_device, config.image_length, config.max_text_length, deterministic=deterministic)
        self._programs = Programs(bundle, self._mesh, num_slots, self._shapes)
        self._labels: OrderedDict[str, npt.NDArray[np.float32]] = OrderedDict()
        self._slots, self._positions, self._rows, self._state = self._idle()

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def num_slots(self) -> int:
        return self._num_slots

    @property
    def max_preview(self) -> int:
        return self._programs.num_finals

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
            uncond, num_tokens = self._unconditional, int(text.mask.sum())
            told = prompt_notices(text)
            if prompt.negative_prompt is not None:
                negative = self._bundle.prompt_tokenizer.encode([prompt.negative_prompt])
                uncond, num_tokens = self._encode(negative), max(num_tokens, int(negative.mask.sum()))
                told += negative_prompt_notices(negative)
            rows.append(_Row(self._encode(text), uncond, num_tokens, self._text_vector(prompt.prompt)))
            notices.append(told)
        return JaxPrefix(tuple(rows), tuple(notices))

    def label_vectors(self, labels: Sequence[str]) -> npt.NDArray[np.float32]:
        """CLIP's vectors of labels; see bot.engine.base.Engine."""
        for label in labels:
            if label not in self._labels:
                if self._bundle.clip_tokenizer.encode([label]).num_dropped[0]:
                    raise InvalidParameterError(
                        "The label “{label:.40}…” is longer than CLIP reads. Shorten it.", label=label
                    )
                scale = np.exp(np.float32(self._bundle.clip_params["logit_scale"]))
                self._labels[label] = scale * np.asarray(self._text_vector(label))[0]
            self._labels.move_to_end(label)
        vectors = [self._labels[label] for label in labels]
        while len(self._labels) > _MAX_LABELS:
            self._labels.popitem(last=False)
        return np.stack(vectors) if vectors else np.zeros((0, self._bundle.clip_config.projection_dim), np.float32)

    def text_vector(self, text: str) -> JaxVector:
        """Dispatches CLIP's vector of a text; see bot.engine.base.Engine."""
        return JaxVector(self._text_vector(text))

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        """Fills slots; see bot.engine.base.Engine. Raises InvalidParameterError for codes that are not the model's."""
        assert isinstance(prefix, JaxPrefix)
        for assignment in assignments:
            if not 0 <= assignment.row < len(prefix.rows):
                raise ValueError(f"Row {assignment.row} is not in the prefix, which has {len(prefix.rows)}.")
            self._check(assignment)
        filled: list[Occupant[_Drawing]] = []
        try:
            for assignment in assignments:
                drawing = _Drawing(assignment.sampling, prefix.rows[assignment.row].num_tokens)
                occupant = self._slots.fill(assignment.slot, drawing, assignment.index)
                self._rows.put(assignment.slot)
                filled.append(occupant)
            for row in sorted({a.row for a in assignments}):
                self._insert_row(prefix.rows[row], [a for a in assignments if a.row == row])
        except Exception:
            for occupant in filled:
                self._slots.release(occupant)
                self._rows.remove(occupant.slot)
            raise
        for assignment in assignments:
            self._positions[assignment.slot] = len(assignment.image_tokens)

    def step(self, num_tokens: int) -> JaxChunk:
        """Dispatches a chunk; see bot.engine.base.Engine."""
        if num_tokens < 1:
            raise ValueError(f"A chunk has at least one token, not {num_tokens}.")
        busy = [o for o in self._slots.occupants if self._positions[o.slot] < self._info.image_length]
        length = max((int(self._positions[o.slot]) for o in busy), default=0) + num_tokens
        shape = self._shapes.choose(
            self._rows.most,
            min(length, self._info.image_length),
            max((o.owner.num_text_tokens for o in busy), default=0),
            candidates_for(o.owner.sampling for o in busy),
        )
        if self._rows.extent > shape.num_rows:
            moves = make_moves(self._rows.compact(shape.num_rows), self._num_slots)
            self._state = self._programs.move(self._state, moves)
        program = self._programs.chunk(num_tokens, shape)
        self._state, done = program(self._bundle.bart_params, self._state)
        for occupant in busy:
            self._positions[occupant.slot] += num_tokens
        np.minimum(self._positions, self._info.image_length, out=self._positions)
        return JaxChunk(self._positions.copy(), done)

    def collect(self, slots: Sequence[int]) -> JaxImages:
        """Dispatches what decodes and scores; see bot.engine.base.Engine. Raises ValueError for a slot that is not
        complete."""
        occupants = [self._complete(slot) for slot in slots]
        size = self._programs.num_finals
        groups = [occupants[i : i + size] for i in range(0, len(occupants), size)]
        return JaxImages(tuple((tuple(o.image for o in group), self._finals(group)) for group in groups))

    def preview(self, slots: Sequence[int]) -> JaxPreview:
        """Dispatches a decode of what is there; see bot.engine.base.Engine."""
        if not 0 < len(slots) <= self.max_preview:
            raise ValueError(f"A preview shows 1 to {self.max_preview} slots, not {len(slots)}.")
        free = [slot for slot in slots if self._slots.at(slot) is None]
        if free:
            raise ValueError(f"Slot {free[0]} is free: there is nothing to show.")
        done = [int(self._positions[slot]) // self._info.num_rows for slot in slots]
        padding = [0] * (self.max_preview - len(slots))
        rows = np.asarray([self._rows[slot] for slot in slots] + padding, np.int32)
        shown = self._programs.preview(
            self._bundle.vqgan_params, self._state, rows, np.asarray(done + padding, np.int32)
        )
        return JaxPreview(tuple(done), shown)

    def free(self, slots: Sequence[int]) -> None:
        """Makes slots available; see bot.engine.base.Engine. What a freed slot still computes is never read."""
        for slot in slots:
            occupant = self._slots.at(slot)
            if occupant is not None:
                self._slots.release(occupant)
                self._rows.remove(slot)
                self._positions[slot] = 0

    def reset(self) -> None:
        """Forgets every slot and allocates the state anew."""
        self._slots, self._positions, self._rows, self._state = self._idle()

    def _idle(self) -> tuple[SlotTable[_Drawing], npt.NDArray[np.int32], Rows, DecodeState]:
        projection_dim = self._bundle.clip_config.projection_dim
        kept = kept_dtypes(self._bundle.dtype, self._mesh.devices.flat[0].platform)
        state = idle_state(self._bundle.bart_config, self._num_slots, projection_dim, kept, self._mesh)
        rows = Rows(self._num_slots, self._mesh.size)
        return SlotTable(self._num_slots), np.zeros(self._num_slots, np.int32), rows, state

    def _check(self, assignment: SlotAssignment) -> None:
        tokens, limit = assignment.image_tokens, self._bundle.vqgan_config.n_embed
        if len(tokens) > self._info.image_length:
            raise InvalidParameterError(
                "image_tokens has {count} codes; a picture of this model has {limit}.",
                count=len(tokens),
                limit=self._info.image_length,
            )
        wrong = next((token for token in tokens if not 0 <= token < limit), None)
        if wrong is not None:
            raise InvalidParameterError(
                "image_tokens holds {code}; this model's codes are 0 to {last}.", code=wrong, last=limit - 1
            )

    @cached_property
    def _unconditional(self) -> Memory:
        return self._encode(self._bundle.prompt_tokenizer.encode_unconditional())

    def _encode(self, text: EncodedText) -> Memory:
        return self._programs.encode(self._bundle.bart_params, text.ids, text.mask)

    def _text_vector(self, prompt: str) -> jax.Array:
        text = self._bundle.clip_tokenizer.encode([prompt])
        return self._programs.text_vectors(self._bundle.clip_params, text.ids, text.mask)

    def _insert_row(self, row: _Row, assignments: Sequence[SlotAssignment]) -> None:
        rows = [self._rows[a.slot] for a in assignments]
        insertion = make_insertion(assignments, rows, self._num_slots, self._info.image_length)
        self._state = self._programs.insert(self._state, row.cond, row.uncond, row.text_vector, insertion)
        # Rows with the same number of given codes read them together; usually there are none.
        for length in sorted({len(a.image_tokens) for a in assignments} - {0}):
            chosen = np.zeros(self._num_slots, bool)
            chosen[[self._rows[a.slot] for a in assignments if len(a.image_tokens) == length]] = True
            self._state = self._programs.replay(self._bundle.bart_params, self._state, chosen, np.int32(length))

    def _complete(self, slot: int) -> Occupant[_Drawing]:
        occupant = self._slots.at(slot)
        if occupant is None or self._positions[slot] != self._info.image_length:
            raise ValueError(f"Slot {slot} is not complete: it has {self._positions[slot]} image tokens.")
        return occupant

    def _finals(self, occupants: Sequence[Occupant[_Drawing]]) -> Finals:
        params: tuple[Params, Params] = (self._bundle.vqgan_params, self._bundle.clip_params)
        rows = [self._rows[o.slot] for o in occupants]
        padded = rows + rows[-1:] * (self._programs.num_finals - len(rows))
        return self._programs.finish(*params, self._state, np.asarray(padded, np.int32))


def _is_ready(array: Any) -> bool:
    # jax.Array has it, but its type doesn't say so.
    ready: bool = array.is_ready()
    return ready


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
