"""DecodeState: everything that the loop changes, as one donated pytree. No module holds state.

Every array's first axis is the slots, which are spread over the devices of a mesh. The two branches of condition_scale
lie side by side in each slot: branch 0 has the slot's prompt, branch 1 the unconditional (or negative) one, so that
both are one batch and a slot's work stays on its device.
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from jax.typing import DTypeLike

from bot.engine.precision import KeptDtypes
from bot.models.attention import KeyValues
from bot.models.dalle_bart import Memory
from bot.models.dalle_bart_config import DalleBartConfig

SLOTS: Final = "slots"
"""The axis of the mesh that slots are spread over."""

NUM_BRANCHES: Final = 2


@dataclass(frozen=True)
class SlotSampling:
    """How each slot draws. float32 [slots]; top_k int32 [slots], 0 keeps all; top_p 1 keeps all."""

    condition_scale: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    temperature: jax.Array


@dataclass(frozen=True)
class DecodeState:
    """caches: per layer, keys [slots, 2, heads, head_dim, image_length] and values [slots, 2, heads, image_length,
    head_dim] of the image tokens so far. memory: the same of the text, of text_length; mask bool [slots, 2,
    text_length].
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


def idle_state(
    config: DalleBartConfig, num_slots: int, projection_dim: int, kept: KeptDtypes, mesh: Mesh
) -> DecodeState:
    """A state in which no slot is occupied, spread over `mesh`.

    num_slots: of all devices together, a multiple of their number.
    """
    state: DecodeState = _idle_state(config, num_slots, projection_dim, kept, NamedSharding(mesh, Spec(SLOTS)))
    return state


def state_shapes(
    config: DalleBartConfig, num_slots: int, projection_dim: int, kept: KeptDtypes, mesh: Mesh
) -> DecodeState:
    """What idle_state returns, without its numbers: leaves are jax.ShapeDtypeStructs with their shardings."""
    sharding = NamedSharding(mesh, Spec(SLOTS))
    shapes = jax.eval_shape(lambda: _zeros(config, num_slots, projection_dim, kept))
    state: DecodeState = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )
    return state


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _idle_state(
    config: DalleBartConfig, num_slots: int, projection_dim: int, kept: KeptDtypes, sharding: NamedSharding
) -> DecodeState:
    state = _zeros(config, num_slots, projection_dim, kept)
    spread: DecodeState = jax.lax.with_sharding_constraint(state, sharding)
    return spread


def _zeros(config: DalleBartConfig, num_slots: int, projection_dim: int, kept: KeptDtypes) -> DecodeState:
    heads = config.decoder_attention_heads
    head_dim = config.d_model // heads

    def key_values(length: int, dtype: DTypeLike) -> tuple[KeyValues, ...]:
        leading = (num_slots, NUM_BRANCHES, heads)
        return tuple(KeyValues.zeros(leading, head_dim, length, dtype) for _ in range(config.decoder_layers))

    mask = jnp.ones((num_slots, NUM_BRANCHES, config.max_text_length), bool)
    return DecodeState(
        caches=key_values(config.image_length, kept.image),
        memory=Memory(key_values(config.max_text_length, kept.text), mask),
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
