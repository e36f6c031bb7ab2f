"""The jitted programs of the loop: prefill, insert, move, replay, decode chunk. Each is one dispatch of fixed shape.

Prefill takes one prompt at a time whatever the load: were prompts batched as they arrive, their rounding would depend
on their neighbours, and so would the pictures. Insert, replay and chunk run on every device of a mesh at once, each on
its own slots (shard_map): there is nothing to exchange between devices.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from jax.stages import Wrapped
from jax.typing import DTypeLike

from bot.engine.insertion import Insertion
from bot.engine.rows import Moves
from bot.engine.sampling import draw, guide, image_keys
from bot.engine.shapes import ChunkShape
from bot.engine.state import NUM_BRANCHES, SLOTS, DecodeState
from bot.models.attention import KeyValues
from bot.models.dalle_bart import DalleBart, Memory
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import Network, Params


@dataclass(frozen=True)
class Steps:
    """The jitted programs of one model on one mesh. Parameters and all else but the state lie on every device.

    encode(params, ids int32 [1, text_length], mask int32 [1, text_length]) -> Memory of one row.
    insert(state, cond, uncond, text_vector float32 [1, projection_dim], insertion) -> state; donates state.
    move(state, moves) -> state; donates state.
    replay(params, state, chosen bool [rows], num_tokens int32 []) -> state in which the chosen rows have read their
    first num_tokens tokens and stand behind them; donates state.
    chunk(params, state, num_tokens, shape) -> (state, positions int32 [rows]); donates state, the others are static.
    """

    encode: Wrapped
    insert: Wrapped
    move: Wrapped
    replay: Wrapped
    chunk: Wrapped


def make_steps(
    network: Network[DalleBart], config: DalleBartConfig, num_codes: int, text_dtype: DTypeLike, mesh: Mesh
) -> Steps:
    """num_codes: size of the VQGAN's codebook. text_dtype: of keys and values of prompts. mesh: of one axis, SLOTS."""

    def on_own_slots(function: Callable[..., Any], in_specs: tuple[Spec, ...], out_specs: Any) -> Callable[..., Any]:
        sharded: Callable[..., Any] = jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs)
        return sharded

    @partial(jax.jit, out_shardings=NamedSharding(mesh, Spec()))
    def encode(params: Params, ids: jax.Array, mask: jax.Array) -> Memory:
        memory = network.bind(params).memory(ids, mask)
        return memory._replace(layers=jax.tree.map(lambda table: table.astype(text_dtype), memory.layers))

    def replay(params: Params, state: DecodeState, chosen: jax.Array, num_tokens: jax.Array) -> DecodeState:
        bart = network.bind(params)
        everything = ChunkShape(chosen.shape[0], config.image_length, config.max_text_length, None)

        def read(position: jax.Array, state: DecodeState) -> DecodeState:
            positions = jnp.where(chosen, position, config.image_length)
            reading = replace(state, positions=positions)
            _, caches = _forward(bart, config, reading, everything)
            return replace(state, caches=caches)

        state = jax.lax.fori_loop(0, num_tokens, read, state)
        return replace(state, positions=jnp.where(chosen, num_tokens, state.positions))

    @partial(jax.jit, donate_argnums=1, static_argnums=(2, 3))
    def chunk(params: Params, state: DecodeState, num_tokens: int, shape: ChunkShape) -> tuple[DecodeState, jax.Array]:
        def advance(params: Params, state: DecodeState) -> tuple[DecodeState, jax.Array]:
            bart = network.bind(params)
            state = jax.lax.fori_loop(0, num_tokens, lambda _, s: _advance(bart, config, num_codes, shape, s), state)
            return state, state.positions

        done: tuple[DecodeState, jax.Array] = on_own_slots(advance, (Spec(), Spec(SLOTS)), Spec(SLOTS))(params, state)
        return done

    slots, everywhere = Spec(SLOTS), Spec()
    return Steps(
        encode,
        jax.jit(on_own_slots(_insert, (slots, *[everywhere] * 4), slots), donate_argnums=0),
        jax.jit(on_own_slots(_move, (slots, everywhere), slots), donate_argnums=0),
        jax.jit(on_own_slots(replay, (everywhere, slots, slots, everywhere), slots), donate_argnums=1),
        chunk,
    )


def _insert(
    state: DecodeState, cond: Memory, uncond: Memory, text_vector: jax.Array, insertion: Insertion
) -> DecodeState:
    """On one device: state has its own rows, insertion those of all devices.

    One row after the other: scattered all at once, they would first be spread out over as many rows as there are.
    """
    num_rows = state.positions.shape[0]
    own = insertion.rows - jax.lax.axis_index(SLOTS) * num_rows
    is_here = (own >= 0) & (own < num_rows)
    # What belongs to other devices, and the padding, comes last and is not reached.
    order = jnp.argsort(~is_here, stable=True)
    keys = image_keys(insertion.seeds, insertion.indices)

    def put(i: jax.Array, state: DecodeState) -> DecodeState:
        entry = order[i]
        target = own[entry]

        def write(table: jax.Array, row: jax.Array) -> jax.Array:
            written: jax.Array = jax.lax.dynamic_update_index_in_dim(table, row.astype(table.dtype), target, 0)
            return written

        def pick(table: jax.Array, values: jax.Array) -> jax.Array:
            return write(table, values[entry])

        def place(table: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
            return write(table, jnp.concatenate([first, second]))

        def clear(table: jax.Array) -> jax.Array:
            # Attention gives what lies ahead no weight, but nothing times NaN is NaN: one failed picture would fail
            # all that come after it in its row.
            return write(table, jnp.zeros(table.shape[1:], table.dtype))

        return replace(
            state,
            caches=jax.tree.map(clear, state.caches),
            memory=jax.tree.map(place, state.memory, cond, uncond),
            tokens=pick(state.tokens, insertion.tokens),
            positions=write(state.positions, jnp.int32(0)),
            keys=pick(state.keys, keys),
            sampling=jax.tree.map(pick, state.sampling, insertion.sampling),
            finite=write(state.finite, jnp.bool(True)),
            text_vectors=write(state.text_vectors, text_vector[0]),
        )

    placed: DecodeState = jax.lax.fori_loop(0, is_here.sum(), put, state)
    return placed


def _move(state: DecodeState, moves: Moves) -> DecodeState:
    """On one device: state has its own rows, moves those of all devices. Sources are idle afterwards."""
    num_rows, image_length = state.tokens.shape
    first = jax.lax.axis_index(SLOTS) * num_rows
    is_here = (moves.sources >= first) & (moves.sources < first + num_rows)
    order = jnp.argsort(~is_here, stable=True)

    def put(i: jax.Array, state: DecodeState) -> DecodeState:
        source, target = (rows[order[i]] - first for rows in (moves.sources, moves.targets))

        def copy(table: jax.Array) -> jax.Array:
            row = jax.lax.dynamic_index_in_dim(table, source, 0)
            copied: jax.Array = jax.lax.dynamic_update_slice_in_dim(table, row, target, 0)
            return copied

        copied: DecodeState = jax.tree.map(copy, state)
        return replace(copied, positions=copied.positions.at[source].set(image_length))

    moved: DecodeState = jax.lax.fori_loop(0, is_here.sum(), put, state)
    return moved


def _forward(
    bart: DalleBart, config: DalleBartConfig, state: DecodeState, shape: ChunkShape
) -> tuple[jax.Array, tuple[KeyValues, ...]]:
    """One token through both branches of the first rows -> logits [num_rows, 2, vocabulary] and the caches with it."""
    num_rows = shape.num_rows
    positions = state.positions[:num_rows]
    last = jnp.take_along_axis(state.tokens[:num_rows], jnp.maximum(positions - 1, 0)[:, None], axis=1)[:, 0]
    tokens = jnp.where(positions == 0, config.decoder_start_token_id, last)
    # An idle row has no next position: it reads the last embedding, and writes nothing.
    logits, caches = bart.step(
        jnp.repeat(tokens, NUM_BRANCHES),
        jnp.repeat(positions, NUM_BRANCHES),
        jax.tree.map(_join_branches, state.caches),
        shape.length,
        jax.tree.map(lambda table: _join_branches(table[:num_rows]), state.memory.first(shape.text_length)),
    )
    return _part_branches(logits), jax.tree.map(_part_branches, caches)


def _join_branches(table: jax.Array) -> jax.Array:
    """[rows, 2, ...] -> [2 * rows, ...]"""
    return table.reshape(-1, *table.shape[2:])


def _part_branches(table: jax.Array) -> jax.Array:
    """[2 * rows, ...] -> [rows, 2, ...]"""
    return table.reshape(-1, NUM_BRANCHES, *table.shape[1:])


def _advance(
    bart: DalleBart, config: DalleBartConfig, num_codes: int, shape: ChunkShape, state: DecodeState
) -> DecodeState:
    """Draws one token for each of the first rows that is not complete."""
    num_rows = shape.num_rows
    logits, caches = _forward(bart, config, state, shape)
    sampling = jax.tree.map(lambda table: table[:num_rows], state.sampling)
    positions = state.positions[:num_rows]
    guided = guide(logits[:, 0], logits[:, 1], sampling.condition_scale)
    # What lies beyond the codebook (start, EOS, padding, Mega's surplus ids) is never drawn. The original can draw it:
    # an EOS pads the rest of the picture, and one code outside the codebook turns it into NaN.
    codes = guided[:, :num_codes]
    finite = jnp.all(jnp.isfinite(codes), axis=-1)
    drawn = draw(codes, state.keys[:num_rows], positions, sampling, candidates=shape.candidates)
    busy = positions < config.image_length
    return replace(
        state,
        caches=caches,
        tokens=state.tokens.at[jnp.arange(num_rows), positions].set(drawn, mode="drop"),
        positions=state.positions.at[:num_rows].set(jnp.minimum(positions + 1, config.image_length)),
        finite=state.finite.at[:num_rows].set(state.finite[:num_rows] & (finite | ~busy)),
    )
