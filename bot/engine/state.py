"""DecodeState: everything that the loop changes, as one donated pytree. No module holds state.

Rows hold the two branches of condition_scale: row s is slot s with its prompt, row num_slots + s the same slot with the
unconditional (or negative) prompt, so that both branches are one batch.
"""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.models.dalle_bart import Memory
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.layers import KeyValues


@dataclass(frozen=True)
class SlotSampling:
    """How each slot draws. float32 [slots]; top_k int32 [slots], 0 keeps all; top_p 1 keeps all."""

    condition_scale: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    temperature: jax.Array


@dataclass(frozen=True)
class DecodeState:
    """rows = 2 * slots.

    caches: per layer, [rows, heads, image_length, head_dim] keys and values of the image tokens so far.
    memory: per layer, [rows, heads, text_length, head_dim] keys and values of the text; mask bool [rows, text_length].
    tokens: int32 [slots, image_length]. positions: int32 [slots], tokens so far; image_length in idle slots.
    keys: uint32 [slots, 2], one per image, from its seed and index. finite: bool [slots], every logit so far was.
    text_vectors: float32 [slots, projection_dim], CLIP's of the prompt.
    """

    caches: tuple[KeyValues, ...]
    memory: Memory
    tokens: jax.Array
    positions: jax.Array
    keys: jax.Array
    sampling: SlotSampling
    finite: jax.Array
    text_vectors: jax.Array


for _class in (SlotSampling, DecodeState):
    jax.tree_util.register_dataclass(_class, [field.name for field in fields(_class)], [])


def idle_state(config: DalleBartConfig, num_slots: int, projection_dim: int, dtype: DTypeLike) -> DecodeState:
    """A state in which no slot is occupied. dtype: of the caches."""
    heads = config.decoder_attention_heads
    head_dim = config.d_model // heads

    def key_values(length: int) -> tuple[KeyValues, ...]:
        shape = (2 * num_slots, heads, length, head_dim)
        return tuple(KeyValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(config.decoder_layers))

    mask = jnp.ones((2 * num_slots, config.max_text_length), bool)
    return DecodeState(
        caches=key_values(config.image_length),
        memory=Memory(key_values(config.max_text_length), mask),
        tokens=jnp.zeros((num_slots, config.image_length), jnp.int32),
        positions=jnp.full(num_slots, config.image_length, jnp.int32),
        keys=jnp.zeros((num_slots, 2), jnp.uint32),
        sampling=SlotSampling(
            condition_scale=jnp.ones(num_slots),
            top_k=jnp.zeros(num_slots, jnp.int32),
            top_p=jnp.ones(num_slots),
            temperature=jnp.ones(num_slots),
        ),
        finite=jnp.ones(num_slots, bool),
        text_vectors=jnp.zeros((num_slots, projection_dim)),
    )
