"""From two branches of logits to one token per slot, each slot with its own parameters and its own random numbers.

The order is the original's: condition_scale, temperature, top_k, top_p, categorical (dalle-mini 0.1.5, generate;
transformers, generation/flax_logits_process.py).
"""

import jax
import jax.numpy as jnp

from bot.engine.state import SlotSampling


def image_keys(seeds: jax.Array, indices: jax.Array) -> jax.Array:
    """One key per image: seeds uint32 [n], indices int32 [n] -> uint32 [n, 2]."""

    def key(seed: jax.Array, index: jax.Array) -> jax.Array:
        return jax.random.key_data(jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), index))

    return jax.vmap(key)(seeds, indices)


def guide(cond: jax.Array, uncond: jax.Array, condition_scale: jax.Array) -> jax.Array:
    """`uncond + s * (cond - uncond)`: [slots, vocabulary] twice and [slots] -> [slots, vocabulary].

    At exactly 1 that is `cond`, and the unconditional branch, whatever it holds, does not take part.
    """
    scale = condition_scale[:, None]
    return jnp.where(scale == 1.0, cond, uncond + scale * (cond - uncond))


def warp(logits: jax.Array, sampling: SlotSampling) -> tuple[jax.Array, jax.Array]:
    """Temperature, top_k and top_p: [slots, vocabulary] -> the same, sorted and with -inf for what may not be drawn.

    Returns (sorted logits, the ids that they belong to), both [slots, vocabulary], likeliest first; equals in the order
    of their ids. top_p keeps the smallest set of likeliest ids whose probability reaches p, computed after top_k.
    """
    logits = logits / sampling.temperature[:, None]
    ids = jnp.argsort(-logits, axis=-1, stable=True)
    ordered = jnp.take_along_axis(logits, ids, axis=-1)
    rank = jnp.arange(logits.shape[-1])
    top_k = sampling.top_k[:, None]
    ordered = jnp.where((top_k == 0) | (rank < top_k), ordered, -jnp.inf)
    before = jnp.cumsum(jax.nn.softmax(ordered), axis=-1) - jax.nn.softmax(ordered)
    top_p = sampling.top_p[:, None]
    ordered = jnp.where((top_p == 1.0) | (rank == 0) | (before < top_p), ordered, -jnp.inf)
    return ordered, ids


def draw(logits: jax.Array, keys: jax.Array, positions: jax.Array, sampling: SlotSampling) -> jax.Array:
    """Draws one id per slot: logits float32 [slots, vocabulary], keys uint32 [slots, 2], positions int32 [slots] ->
    int32 [slots].

    Gumbel's trick. The noise of an id depends on the image's key, the position and the id alone, so a slot draws the
    same whatever its neighbours do.
    """

    def gumbel(key: jax.Array, position: jax.Array) -> jax.Array:
        at_position = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), position)
        return jax.random.gumbel(at_position, logits.shape[-1:])

    ordered, ids = warp(logits, sampling)
    noise = jnp.take_along_axis(jax.vmap(gumbel)(keys, positions), ids, axis=-1)
    chosen = jnp.argmax(ordered + noise, axis=-1)
    return jnp.take_along_axis(ids, chosen[:, None], axis=-1)[:, 0].astype(jnp.int32)
