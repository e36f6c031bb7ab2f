"""Attention of DalleBart (dalle-mini 0.1.5, model/modeling.py): multi-head, no biases, scores over sqrt(head_dim).

Two ways: over whole sequences, and for one token per row over a cache whose layout suits it: the positions of keys lie
side by side, so that the scores of many positions are made at once.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.models.layers import Parts


class KeyValues(NamedTuple):
    """keys [n, heads, head_dim, length], values [n, heads, length, head_dim]."""

    keys: jax.Array
    values: jax.Array

    @classmethod
    def zeros(cls, leading: tuple[int, ...], head_dim: int, length: int, dtype: DTypeLike) -> "KeyValues":
        """leading: the axes up to the heads."""
        return cls(jnp.zeros((*leading, head_dim, length), dtype), jnp.zeros((*leading, length, head_dim), dtype))

    def first(self, length: int) -> "KeyValues":
        """Those of the first positions alone. Further axes may come before the heads."""
        return KeyValues(self.keys[..., :length], self.values[..., :length, :])


class SelfAttention(nnx.Module):
    """qkv_proj: the matrices of queries, keys and values, in this order."""

    def __init__(self, num_heads: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.num_heads = num_heads
        self.qkv_proj = parts.linear(width, 3 * width)
        self.out_proj = parts.linear(width, width)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """x [n, length, d_model] where mask, bool [n or 1, length or 1, length], is true."""
        queries, keys, values = (_heads(part, self.num_heads) for part in jnp.split(self.qkv_proj(x), 3, axis=-1))
        return self.out_proj(_attend(queries, KeyValues(keys.swapaxes(2, 3), values), mask))

    def step(self, x: jax.Array, cache: KeyValues, positions: jax.Array, length: int) -> tuple[jax.Array, KeyValues]:
        """One token per row: x [n, d_model] at positions int32 [n] -> [n, d_model], and the cache with it.

        cache: of n rows or more, of which the first n are used, up to `length`, beyond which no position is. Rows whose
        position is the length of the cache leave it as it is.
        """
        n, width = x.shape
        heads = (n, self.num_heads, width // self.num_heads)
        query, key, value = (part.reshape(heads) for part in jnp.split(self.qkv_proj(x), 3, axis=-1))
        rows = jnp.arange(n)
        keys = cache.keys.at[rows, :, :, positions].set(key.astype(cache.keys.dtype), mode="drop")
        values = cache.values.at[rows, :, positions].set(value.astype(cache.values.dtype), mode="drop")
        seen = jnp.arange(length) <= positions[:, None]
        mixed = attend_once(query, KeyValues(keys[:n], values[:n]).first(length), seen)
        return self.out_proj(mixed), KeyValues(keys, values)


class CrossAttention(nnx.Module):
    """kv_proj: the matrices of keys and values, in this order; they read the text, once."""

    def __init__(self, num_heads: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.num_heads = num_heads
        self.q_proj = parts.linear(width, width)
        self.kv_proj = parts.linear(width, 2 * width)
        self.out_proj = parts.linear(width, width)

    def key_values(self, text: jax.Array) -> KeyValues:
        """[n, length, d_model] -> keys and values of every place, float32."""
        keys, values = (_heads(part, self.num_heads) for part in jnp.split(self.kv_proj(text), 2, axis=-1))
        return KeyValues(keys.swapaxes(2, 3), values)

    def __call__(self, x: jax.Array, text: KeyValues, mask: jax.Array) -> jax.Array:
        """x [n, t, d_model] attends to texts where mask, bool [n, length], is true."""
        return self.out_proj(_attend(_heads(self.q_proj(x), self.num_heads), text, mask[:, None, :]))

    def step(self, x: jax.Array, text: KeyValues, mask: jax.Array) -> jax.Array:
        """One token per row: x [n, d_model], mask bool [n, length] -> [n, d_model]."""
        n, width = x.shape
        return self.out_proj(
            attend_once(self.q_proj(x).reshape(n, self.num_heads, width // self.num_heads), text, mask)
        )


def attend_once(query: jax.Array, key_values: KeyValues, seen: jax.Array) -> jax.Array:
    """One query per row: float32 [n, heads, head_dim], seen bool [n, length] -> float32 [n, d_model].

    Keys and values may be of any dtype; they are multiplied and summed in float32.
    """
    mixed: jax.Array = jax.lax.platform_dependent(
        query * query.shape[-1] ** -0.5, *key_values, seen, cpu=_attend_once_unrolled, default=_attend_once
    )
    return mixed.reshape(query.shape[0], -1)


def _attend_once(query: jax.Array, keys: jax.Array, values: jax.Array, seen: jax.Array) -> jax.Array:
    query = query.astype(keys.dtype)
    scores = jnp.einsum("nhd,nhdl->nhl", query, keys, preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf)).astype(values.dtype)
    return jnp.einsum("nhl,nhld->nhd", weights, values, preferred_element_type=jnp.float32)


def _attend_once_unrolled(query: jax.Array, keys: jax.Array, values: jax.Array, seen: jax.Array) -> jax.Array:
    """XLA gives the products of queries with their own keys to one core of a CPU, and copies the part of a cache that
    it reads. Scores written as a sum it makes with all cores, reading the cache where it lies."""
    scores = sum(keys[:, :, i].astype(jnp.float32) * query[:, :, i, None] for i in range(keys.shape[2]))
    weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf))
    return jnp.einsum("nhl,nhld->nhd", weights, values.astype(jnp.float32))


def _attend(queries: jax.Array, key_values: KeyValues, mask: jax.Array) -> jax.Array:
    """queries float32 [n, heads, t, head_dim], mask bool [n or 1, t or 1, length] -> float32 [n, t, d_model]."""
    keys, values = key_values
    scores = jnp.einsum("nhtd,nhdl->nhtl", queries, keys.astype(jnp.float32))
    scores = jnp.where(mask[:, None], scores * queries.shape[-1] ** -0.5, -jnp.inf)
    mixed = jnp.einsum("nhtl,nhld->nthd", jax.nn.softmax(scores), values.astype(jnp.float32))
    return mixed.reshape(*mixed.shape[:2], -1)


def _heads(x: jax.Array, num_heads: int) -> jax.Array:
    """[n, length, d_model] -> [n, heads, length, head_dim]."""
    n, length, width = x.shape
    return x.reshape(n, length, num_heads, width // num_heads).swapaxes(1, 2)
