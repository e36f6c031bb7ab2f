"""From two branches of logits to one token per slot, each slot with its own parameters and its own random numbers.

The order is the original's: condition_scale, temperature, top_k, top_p, categorical (dalle-mini 0.1.5, generate;
transformers, generation/flax_logits_process.py). Called inside the decode programs' traces; `candidates_for` on the
engine thread.

Nothing sorts the vocabulary. Where every top_k is small, only that many ids are looked at. Otherwise what may be drawn
is found by bisection. Both ways draw the same ids: an id's noise is its own, and sums of probabilities are sums of
integers, which come out the same in any order.
"""

from collections.abc import Callable, Iterable
from typing import Final

import jax
import jax.numpy as jnp

from bot.engine.state import SlotSampling
from bot.requests import Sampling

CANDIDATES: Final = 64
"""How many of the likeliest ids are looked at where that is enough; the released models' top_k is 50."""

_LIMB_BITS: Final = 15


def candidates_for(samplings: Iterable[Sampling]) -> int | None:
    """What `draw` needs as `candidates` for slots with these parameters: CANDIDATES, or None for the whole vocabulary.

    Only two values, because each is a program to compile.
    """
    return CANDIDATES if all(1 <= sampling.top_k <= CANDIDATES for sampling in samplings) else None


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


def draw(
    logits: jax.Array, keys: jax.Array, positions: jax.Array, sampling: SlotSampling, *, candidates: int | None = None
) -> jax.Array:
    """Draws one id per slot: logits float32 [slots, vocabulary], keys uint32 [slots, 2], positions int32 [slots] ->
    int32 [slots].

    candidates: None for any parameters. A number promises that 1 <= top_k <= candidates in every slot that matters; the
    others draw anything. Logits that are not finite give an id too. The vocabulary has at most 2**16 ids.
    Gumbel's trick: the likeliest id, once each has its noise.
    """
    num_ids = logits.shape[-1]
    if candidates is None:
        warped = warp(logits, sampling)
        ids = jnp.broadcast_to(jnp.arange(num_ids), logits.shape)
    else:
        warped, ids = warp_likeliest(logits, sampling, min(candidates, num_ids))
    scores = warped + gumbel(keys, positions, ids)
    is_best = scores == jnp.max(scores, axis=-1, keepdims=True)
    # Of equals the smallest id: the candidates don't come in the order of their ids.
    return jnp.min(jnp.where(is_best, ids, num_ids - 1), axis=-1).astype(jnp.int32)


def gumbel(keys: jax.Array, positions: jax.Array, ids: jax.Array) -> jax.Array:
    """Gumbel noise: keys uint32 [n, 2], positions int32 [n], ids int32 [n, m] -> float32 [n, m], between -2.9 and 16.7.

    Each depends on the key, the position and the id alone.
    """

    def noise(key: jax.Array, position: jax.Array, ids: jax.Array) -> jax.Array:
        at_position = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), position)
        words = jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(at_position, ids))
        # The 23 bits of a float32's mantissa and a half: symmetric, and never 0 or 1, whose noise would be infinite.
        uniform = (((words[:, 0] ^ words[:, 1]) >> 9).astype(jnp.float32) + 0.5) * 2.0**-23
        return -jnp.log(-jnp.log(uniform))

    return jax.vmap(noise)(keys, positions, ids)


def warp(logits: jax.Array, sampling: SlotSampling) -> jax.Array:
    """Temperature, top_k and top_p: [slots, vocabulary] -> the same with -inf for what may not be drawn.

    Equals count in the order of their ids. top_p keeps the smallest set of likeliest ids whose probability reaches p,
    computed after top_k.
    """
    tempered = _temper(logits, sampling)
    kept = jax.vmap(_kept)(tempered, sampling.top_k, sampling.top_p)
    return jnp.where(kept, tempered, -jnp.inf)


def warp_likeliest(logits: jax.Array, sampling: SlotSampling, num_likeliest: int) -> tuple[jax.Array, jax.Array]:
    """`warp` where 1 <= top_k <= num_likeliest -> (what it gives for the likeliest ids, those ids int32), both
    [slots, num_likeliest], likeliest first, equals in the order of their ids."""
    tempered, ids = jax.lax.top_k(_temper(logits, sampling), num_likeliest)
    kept = jax.vmap(_kept_of_ordered)(tempered, sampling.top_k, sampling.top_p)
    return jnp.where(kept, tempered, -jnp.inf), ids


def _temper(logits: jax.Array, sampling: SlotSampling) -> jax.Array:
    """Divided by the temperature; NaN becomes a finite number, too, and -0.0 the 0.0 that it equals."""
    tempered = jnp.nan_to_num(logits / sampling.temperature[:, None])
    # Bits are compared from here on, by XLA's top_k as well.
    return jnp.where(tempered == 0.0, 0.0, tempered)


def _kept_of_ordered(tempered: jax.Array, top_k: jax.Array, top_p: jax.Array) -> jax.Array:
    """For one slot, the likeliest first: float32 [m] -> bool [m]."""
    in_top_k = jnp.arange(len(tempered)) < top_k
    weights = jnp.where(in_top_k, _weights(tempered), 0)
    before = jnp.cumsum(weights, axis=-1) - weights
    return in_top_k & (_mass(before) < _enough(weights.sum(axis=-1), top_p))


def _kept(tempered: jax.Array, top_k: jax.Array, top_p: jax.Array) -> jax.Array:
    """The same in the order of the ids, without sorting them."""
    num_ids = len(tempered)
    top_k = jnp.where(top_k == 0, num_ids, jnp.minimum(top_k, num_ids)).astype(jnp.uint32)
    weights, order = _weights(tempered), _order(tempered)

    def count(mask: jax.Array) -> jax.Array:
        return mask.sum(dtype=jnp.uint32)

    def sum_of(mask: jax.Array) -> jax.Array:
        return jnp.where(mask, weights, 0).sum(axis=-1)

    def one_of(equals: jax.Array) -> jax.Array:
        return jnp.where(equals, weights, 0).max(axis=-1)

    kth = _largest(order, lambda mask: count(mask) >= top_k)
    total = sum_of(order > kth) + (top_k - count(order > kth)) * one_of(order == kth)
    enough = _enough(total, top_p)
    last = jnp.maximum(kth, _largest(order, lambda mask: _mass(sum_of(mask)) >= enough))

    above, equal = order > last, order == last
    # Of those that are equal to the last one, perhaps only the first are kept.
    earlier = jnp.cumsum(equal, dtype=jnp.uint32) - equal
    before = sum_of(above)[:, None] + earlier * one_of(equal)[:, None]
    return above | (equal & (count(above) + earlier < top_k) & (_mass(before) < enough))


def _largest(order: jax.Array, is_enough: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Bisects for the largest number such that the ids whose `order`, uint32 [vocabulary], is at least that are enough:
    uint32. 0 if even all are not."""

    def decide(bit: jax.Array, found: jax.Array) -> jax.Array:
        tried = found | (jnp.uint32(1 << 31) >> bit.astype(jnp.uint32))
        return jnp.where(is_enough(order >= tried), tried, found)

    # Made from the argument, because within shard_map a loop must start with what differs between devices.
    found: jax.Array = jax.lax.fori_loop(0, 32, decide, jnp.zeros_like(order[0]))
    return found


def _order(values: jax.Array) -> jax.Array:
    """float32 -> uint32 in the same order."""
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    sign = jnp.uint32(1 << 31)
    return jnp.where(bits < sign, bits | sign, ~bits)


def _weights(tempered: jax.Array) -> jax.Array:
    """Probabilities as parts of the largest one: float32 [m] -> uint32 [2, m], in units of 2**-15 and of 2**-30.

    Integers, so that sums don't depend on the order of adding. Over 2**16 ids the cut off parts sum to 2**-14 at most.
    """
    units = jnp.exp(tempered - tempered.max()) * 2.0**_LIMB_BITS
    whole = jnp.floor(units)
    return jnp.stack([whole, jnp.floor((units - whole) * 2.0**_LIMB_BITS)]).astype(jnp.uint32)


def _mass(weights: jax.Array) -> jax.Array:
    """Sums of weights as floats: uint32 [2, ...] -> float32 [...]. They grow as the sums do."""
    return weights[0].astype(jnp.float32) + weights[1].astype(jnp.float32) * 2.0**-_LIMB_BITS


def _enough(total: jax.Array, top_p: jax.Array) -> jax.Array:
    """The mass that top_p asks for, of uint32 [2] in all: float32 []; infinite where everything is kept."""
    return jnp.where(top_p == 1.0, jnp.inf, top_p * _mass(total))
