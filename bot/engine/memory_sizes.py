"""What the parts of an engine take of one device's memory: weights, slots, and what each program needs while it runs.

Pure arithmetic for the memory plan, from shapes alone. What programs need is what XLA's buffer assignment was seen to
give them, rounded up; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from bot.checkpoints.bundle import Checkpoint
from bot.engine.images import images_per_dispatch
from bot.engine.precision import KeptDtypes, kept_dtypes
from bot.engine.state import NUM_BRANCHES
from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind, block_size
from bot.models.network import Params, Path, walk
from bot.models.vqgan import VQGANConfig

_FLOAT: Final = 4
"""Bytes of a float32 or an int32."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """The matrices of some layers. numbers, channels: in all of them, and their outputs. largest: of one of them.
    block: the largest part of one that an int8 layer converts at a time on CPUs. count: how many there are."""

    numbers: int = 0
    channels: int = 0
    largest: int = 0
    block: int = 0
    count: int = 0

    def plus(self, features_out: int, features_in: int) -> "Matrices":
        """With one more."""
        size = features_in * features_out
        return Matrices(
            self.numbers + size,
            self.channels + features_out,
            max(self.largest, size),
            max(self.block, block_size(features_out) * features_in),
            self.count + 1,
        )

    def num_bytes(self, dtype: np.dtype[Any], weights: WeightsKind) -> int:
        """As parameters; int8 ones have a float32 scale for each output channel."""
        if weights == "int8":
            return self.numbers + _FLOAT * self.channels
        return self.numbers * dtype.itemsize


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """All that the plan needs to know of a model on devices of one platform, as JAX names it ("cpu", "gpu").

    encoder, projections, decoder: the matrices of DalleBart's encoder, of its projections of texts for the decoder's
    layers, and of the rest of its decoder. other_bytes: DalleBart's embeddings and norms. largest_bytes: the largest
    array in any of the files.
    """

    platform: str
    bart: DalleBartConfig
    vqgan: VQGANConfig
    clip: ClipConfig
    dtype: np.dtype[Any]
    weights: WeightsKind
    encoder: Matrices
    projections: Matrices
    decoder: Matrices
    other_bytes: int
    vqgan_bytes: int
    clip_bytes: int
    largest_bytes: int

    @classmethod
    def of(cls, checkpoint: Checkpoint, platform: str) -> "ModelSizes":
        """The sizes of what `checkpoint` will be once it is loaded."""
        shapes = checkpoint.bart.shapes
        is_int8 = any(leaf.dtype == jnp.int8 for _, leaf in walk(shapes))
        files = (checkpoint.bart_weights, checkpoint.vqgan_weights, checkpoint.clip_weights)
        sizes = cls(
            platform=platform,
            bart=checkpoint.bart_config,
            vqgan=checkpoint.vqgan_config,
            clip=checkpoint.clip_config,
            dtype=jnp.dtype(checkpoint.dtype),
            weights="int8" if is_int8 else "same",
            **_matrices(shapes),
            other_bytes=0,
            vqgan_bytes=checkpoint.vqgan_weights.num_bytes,
            clip_bytes=checkpoint.clip_weights.num_bytes,
            largest_bytes=max(file.largest_bytes for file in files),
        )
        return replace(sizes, other_bytes=checkpoint.bart_weights.num_bytes - sizes.bart_bytes)

    @property
    def bart_bytes(self) -> int:
        """DalleBart's weights."""
        layers = sum(m.num_bytes(self.dtype, self.weights) for m in (self.encoder, self.projections, self.decoder))
        return layers + self._lm_head * self.dtype.itemsize + self.other_bytes

    @property
    def weights_bytes(self) -> int:
        """All weights."""
        return self.bart_bytes + self.vqgan_bytes + self.clip_bytes

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one slot's image tokens."""
        return NUM_BRANCHES * self._key_values_bytes(self.bart.image_length, self._kept.image)

    @property
    def prompt_bytes(self) -> int:
        """One encoded prompt: keys and values of its tokens for each layer, and their mask."""
        return self._key_values_bytes(self.bart.max_text_length, self._kept.text) + self.bart.max_text_length

    @property
    def text_bytes(self) -> int:
        """One slot's copy of its two prompts."""
        return NUM_BRANCHES * self.prompt_bytes

    @property
    def slot_bytes(self) -> int:
        """The rest of one slot: tokens, position, key, four sampling parameters, finite, CLIP's vector of its text."""
        return _FLOAT * (self.bart.image_length + 1 + 2 + 4 + self.clip.projection_dim) + 1

    def workspaces(self, slots: int, all_slots: int) -> Mapping[str, int]:
        """What each program takes besides weights, slots and prompts, by its name; one runs at a time.

        slots: of this device; all_slots: of all devices.
        """
        return {
            "encoder": max(self._encoder_bytes(), self._clip_text_bytes()),
            "insert": self._insert_bytes(all_slots),
            "decoder": self._decoder_bytes(slots),
            "pictures": self._pictures_bytes(all_slots),
        }

    @property
    def _on_cpu(self) -> bool:
        return self.platform == "cpu"

    @property
    def _is_widened(self) -> bool:
        """XLA's CPU backend multiplies in float32 and bfloat16 alone. What is float16 it copies, all of it at once."""
        return self._on_cpu and self.dtype == np.float16

    @property
    def _lm_head(self) -> int:
        return self.bart.d_model * (self.bart.image_vocab_size + 1)

    @property
    def _kept(self) -> KeptDtypes:
        return kept_dtypes(self.dtype, self.platform)

    def _key_values_bytes(self, length: int, dtype: DTypeLike) -> int:
        """Keys and values of one sequence in all layers of the decoder."""
        return 2 * self.bart.decoder_layers * length * self.bart.d_model * jnp.dtype(dtype).itemsize

    def _encoder_bytes(self) -> int:
        config = self.bart
        length = config.max_text_length
        activations = length * (4 * config.d_model + 3 * config.encoder_ffn_dim)
        scores = 2 * config.encoder_attention_heads * length**2
        # On a CPU all projections, which need nothing of each other, run side by side; each goes through a buffer.
        blocks = max(2 * self.encoder.block, self.projections.count * self.projections.block)
        converted = self._converted_bytes((self.encoder, self.projections), length, blocks)
        return _FLOAT * (activations + scores) + converted + 2 * self.prompt_bytes

    def _decoder_bytes(self, slots: int) -> int:
        config = self.bart
        rows = NUM_BRANCHES * slots
        activations = rows * (4 * config.d_model + 3 * config.decoder_ffn_dim)
        scores = 2 * rows * config.decoder_attention_heads * config.image_length
        logits = rows * (config.image_vocab_size + 1)
        # Guided logits, sorted ones, their order, noise, probabilities, sums, and what sorting needs.
        drawing = 8 * slots * self.vqgan.n_embed
        converted = self._converted_bytes((self.decoder,), rows, 2 * self.decoder.block)
        if self._is_widened:
            converted += _FLOAT * self._lm_head
        # Room for one layer's keys and values in another layout; on CPUs the values as float32.
        converted += (1 if self._on_cpu else 2) * _FLOAT * rows * config.image_length * config.d_model
        return _FLOAT * (activations + scores + logits + drawing) + converted

    def _converted_bytes(self, parts: tuple[Matrices, ...], rows: int, blocks: int) -> int:
        """Matrices in another form than they are kept in, and where their products of `rows` rows are summed.

        blocks: numbers that int8 layers convert at a time on a CPU.
        """
        if self.weights != "int8":
            return _FLOAT * sum(part.numbers for part in parts) if self._is_widened else 0
        if self._on_cpu:
            # Nothing keeps the sums of all layers from being zeroed at once.
            return _FLOAT * (blocks + rows * sum(part.channels for part in parts))
        return 3 * max(part.largest for part in parts) * self.dtype.itemsize

    def _insert_bytes(self, all_slots: int) -> int:
        """The two prompts of one slot side by side, in float32 at most; what is told of every slot; XLA's tables."""
        return self.text_bytes * _FLOAT // jnp.dtype(self._kept.text).itemsize + 64 * all_slots + 2**16

    def _clip_text_bytes(self) -> int:
        return _FLOAT * _tower(self.clip.text, self.clip.text.max_position_embeddings)

    def _pictures_bytes(self, all_slots: int) -> int:
        """VQGAN's largest activations, or CLIP's; and the pixels of all slots, which wait to be fetched."""
        config, n = self.vqgan, images_per_dispatch(self.platform)
        widths = [config.ch * m for m in config.ch_mult]
        # A stage begins at its resolution with the width of the one before it.
        stages = enumerate(pairwise([*widths, widths[-1]]))
        places = [max(pair) * int(config.resolution // 2**i) ** 2 for i, pair in stages]
        side = max(config.grid, *(r for r in config.attn_resolutions if r <= config.resolution), 0)
        # Convolutions on graphics cards ask for scratch memory of about their input.
        copies = 4 if self._on_cpu else 8
        vqgan = n * max(copies * max(places), 2 * side**4 + 4 * max(widths) * side**2)
        vision = self.clip.vision
        clip = n * (_tower(vision, vision.num_positions) + 6 * max(vision.image_size, config.resolution) ** 2)
        return _FLOAT * max(vqgan, clip) + all_slots * 3 * config.resolution**2


def _tower(config: ClipTextConfig | ClipVisionConfig, length: int) -> int:
    """Numbers that CLIP holds at a time for one text or image."""
    widths = 5 * config.hidden_size + 2 * config.intermediate_size
    return length * widths + 2 * config.num_attention_heads * length**2


def _matrices(shapes: Params) -> dict[str, Matrices]:
    parts = {name: Matrices() for name in ("encoder", "projections", "decoder")}
    for path, leaf in walk(shapes):
        if path[-1] == "kernel" and path[0] != "lm_head":
            part = _part(path)
            parts[part] = parts[part].plus(*leaf.shape)
    return parts


def _part(path: Path) -> str:
    if path[0] == "decoder" and path[-3] == "cross_attention" and path[-2] == "kv_proj":
        return "projections"
    return str(path[0])
