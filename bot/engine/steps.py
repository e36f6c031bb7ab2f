"""The jitted programs of the loop: prefill, insert, replay, decode chunk. Each is one dispatch of fixed shape.

Prefill takes one prompt at a time whatever the load: were prompts batched as they arrive, their rounding would depend
on their neighbours, and so would the pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp

from bot.engine.sampling import draw, guide, image_keys
from bot.engine.state import DecodeState, SlotSampling
from bot.models.dalle_bart import DalleBart, Memory
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.layers import KeyValues
from bot.models.network import Network, Params


@dataclass(frozen=True)
class Insertion:
    """Which slots an insert fills, padded to num_slots entries; the padding names slot num_slots, which is dropped.

    slots, indices int32, seeds uint32: [num_slots]. tokens int32 [num_slots, image_length]. sampling: [num_slots].
    """

    slots: jax.Array
    seeds: jax.Array
    indices: jax.Array
    tokens: jax.Array
    sampling: SlotSampling


jax.tree_util.register_dataclass(Insertion, ["slots", "seeds", "indices", "tokens", "sampling"], [])


@dataclass(frozen=True)
class Steps:
    """The compiled programs of one model and number of slots.

    encode(params, ids int32 [1, text_length], mask int32 [1, text_length]) -> Memory of one row.
    insert(state, cond, uncond, text_vector float32 [projection_dim], insertion) -> state; donates state.
    replay(params, state, chosen bool [slots], num_tokens) -> state in which the chosen slots have read their first
    num_tokens tokens and stand behind them; donates state.
    chunk(params, state, num_tokens) -> (state, positions int32 [slots]); donates state, num_tokens is static.
    """

    encode: Callable[[Params, jax.Array, jax.Array], Memory]
    insert: Callable[[DecodeState, Memory, Memory, jax.Array, Insertion], DecodeState]
    replay: Callable[[Params, DecodeState, jax.Array, jax.Array], DecodeState]
    chunk: Callable[[Params, DecodeState, int], tuple[DecodeState, jax.Array]]


def make_steps(network: Network[DalleBart], config: DalleBartConfig, num_codes: int) -> Steps:
    """num_codes: size of the VQGAN's codebook."""

    @jax.jit
    def encode(params: Params, ids: jax.Array, mask: jax.Array) -> Memory:
        return network.bind(params).memory(ids, mask)

    @partial(jax.jit, donate_argnums=1)
    def replay(params: Params, state: DecodeState, chosen: jax.Array, num_tokens: jax.Array) -> DecodeState:
        bart = network.bind(params)

        def read(position: jax.Array, state: DecodeState) -> DecodeState:
            positions = jnp.where(chosen, position, config.image_length)
            _, caches = _forward(bart, config, replace(state, positions=positions))
            return replace(state, caches=caches)

        state = jax.lax.fori_loop(0, num_tokens, read, state)
        return replace(state, positions=jnp.where(chosen, num_tokens, state.positions))

    @partial(jax.jit, donate_argnums=1, static_argnums=2)
    def chunk(params: Params, state: DecodeState, num_tokens: int) -> tuple[DecodeState, jax.Array]:
        bart = network.bind(params)
        state = jax.lax.fori_loop(0, num_tokens, lambda _, s: _advance(bart, config, num_codes, s), state)
        return state, state.positions

    return Steps(encode, _insert, replay, chunk)


@partial(jax.jit, donate_argnums=0)
def _insert(
    state: DecodeState, cond: Memory, uncond: Memory, text_vector: jax.Array, insertion: Insertion
) -> DecodeState:
    num_slots = state.positions.shape[0]
    slots = insertion.slots
    # Padding must stay outside the table in both halves of the rows.
    lower = jnp.where(slots < num_slots, slots + num_slots, 2 * num_slots)
    upper = jnp.where(slots < num_slots, slots, 2 * num_slots)

    def place(table: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
        table = table.at[upper].set(first.astype(table.dtype), mode="drop")
        return table.at[lower].set(second.astype(table.dtype), mode="drop")

    def fill(table: jax.Array, values: jax.Array) -> jax.Array:
        return table.at[slots].set(values.astype(table.dtype), mode="drop")

    def clear(table: jax.Array) -> jax.Array:
        # Attention gives what lies ahead no weight, but nothing times NaN is NaN: one failed picture would fail all
        # that come after it in its slot.
        nothing = jnp.zeros((), table.dtype)
        return table.at[upper].set(nothing, mode="drop").at[lower].set(nothing, mode="drop")

    return replace(
        state,
        caches=jax.tree.map(clear, state.caches),
        memory=jax.tree.map(place, state.memory, cond, uncond),
        tokens=fill(state.tokens, insertion.tokens),
        positions=fill(state.positions, jnp.zeros_like(slots)),
        keys=fill(state.keys, image_keys(insertion.seeds, insertion.indices)),
        sampling=jax.tree.map(fill, state.sampling, insertion.sampling),
        finite=fill(state.finite, jnp.ones_like(slots, bool)),
        text_vectors=fill(state.text_vectors, jnp.broadcast_to(text_vector, (num_slots, *text_vector.shape))),
    )


def _forward(bart: DalleBart, config: DalleBartConfig, state: DecodeState) -> tuple[jax.Array, tuple[KeyValues, ...]]:
    """One token through both branches -> logits [2 * slots, vocabulary] and the caches with that token in them."""
    last = jnp.take_along_axis(state.tokens, jnp.maximum(state.positions - 1, 0)[:, None], axis=1)[:, 0]
    tokens = jnp.where(state.positions == 0, config.decoder_start_token_id, last)
    # An idle slot has no next position: it reads the last embedding, and writes nothing.
    positions = jnp.concatenate([state.positions, state.positions])
    return bart.step(jnp.concatenate([tokens, tokens]), positions, state.caches, state.memory)


def _advance(bart: DalleBart, config: DalleBartConfig, num_codes: int, state: DecodeState) -> DecodeState:
    """Draws one token for every slot that is not complete."""
    num_slots = state.positions.shape[0]
    logits, caches = _forward(bart, config, state)
    logits = logits.astype(jnp.float32)
    guided = guide(logits[:num_slots], logits[num_slots:], state.sampling.condition_scale)
    # What lies beyond the codebook (start, EOS, padding, Mega's surplus ids) is never drawn. The original can draw it:
    # an EOS pads the rest of the picture, and one code outside the codebook turns it into NaN.
    codes = guided[:, :num_codes]
    finite = jnp.all(jnp.isfinite(codes), axis=-1)
    drawn = draw(codes, state.keys, state.positions, state.sampling)
    busy = state.positions < config.image_length
    return replace(
        state,
        caches=caches,
        tokens=state.tokens.at[jnp.arange(num_slots), state.positions].set(drawn, mode="drop"),
        positions=jnp.minimum(state.positions + 1, config.image_length),
        finite=state.finite & (finite | ~busy),
    )
