import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bot.models import attention
from bot.models.attention import CrossAttention, KeyValues, SelfAttention
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.layers import Parts

PARTS = Parts(DalleBartConfig(d_model=8), jnp.float32, nnx.Rngs(0))


def test_attention_takes_the_mean_of_what_it_sees_when_all_keys_are_alike() -> None:
    cross = CrossAttention(2, PARTS)
    cross.out_proj.kernel[...] = jnp.eye(8)
    text = KeyValues(jnp.ones((1, 2, 4, 4)), jnp.arange(32.0).reshape(1, 2, 4, 4))
    mask = jnp.asarray([[True, False, True, False]])
    expected = [4, 5, 6, 7, 20, 21, 22, 23]
    np.testing.assert_allclose(cross(jnp.ones((1, 1, 8)), text, mask)[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(cross.step(jnp.ones((1, 8)), text, mask)[0], expected, rtol=1e-6)


def test_attention_scores_are_divided_by_the_root_of_the_head_size() -> None:
    cross = CrossAttention(1, PARTS)
    cross.q_proj.kernel[...] = cross.out_proj.kernel[...] = jnp.eye(8)
    keys = jnp.stack([jnp.full(8, 0.5), jnp.zeros(8)], axis=1)[None, None]
    values = jnp.stack([jnp.ones(8), jnp.zeros(8)])[None, None]
    # A score of 8 * 0.5 / sqrt(8), against one of 0.
    expected = 1 / (1 + np.exp(-(2**0.5)))
    mask = jnp.ones((1, 2), bool)
    np.testing.assert_allclose(cross(jnp.ones((1, 1, 8)), KeyValues(keys, values), mask), expected, rtol=1e-6)
    np.testing.assert_allclose(cross.step(jnp.ones((1, 8)), KeyValues(keys, values), mask), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("length", [6, 8])
def test_both_ways_to_attend_once_give_the_same(dtype: str, length: int) -> None:
    """Graphics cards take the second, which no CPU would reach otherwise."""
    query, keys, values = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate([(3, 2, 4), (3, 2, 4, length), (3, 2, length, 4)])
    )
    seen = jnp.arange(length) <= jnp.asarray([0, 3, length - 1])[:, None]
    rounded = KeyValues(keys.astype(dtype), values.astype(dtype))
    one = attention._attend_once(query, *rounded, seen)
    other = attention._attend_once_unrolled(query, *rounded, seen)
    np.testing.assert_allclose(one, other, atol=1e-5 if dtype == "float32" else 5e-3)
    # A row that sees one position takes what is there.
    np.testing.assert_allclose(other[0], rounded.values[0, :, 0].astype(jnp.float32), rtol=1e-6)


def test_a_step_looks_at_the_first_rows_and_positions_alone() -> None:
    own = SelfAttention(2, PARTS)
    key = jax.random.key(1)
    cache = KeyValues(jax.random.normal(key, (5, 2, 4, 16)), jax.random.normal(key, (5, 2, 16, 4)))
    x, positions = jax.random.normal(jax.random.key(2), (2, 8)), jnp.asarray([3, 6])
    spoilt = KeyValues(
        cache.keys.at[2:].set(jnp.nan).at[:, :, :, 8:].set(jnp.nan),
        cache.values.at[2:].set(jnp.nan).at[:, :, 8:].set(jnp.nan),
    )
    expected, _ = own.step(x, cache, positions, 16)
    mixed, after = own.step(x, spoilt, positions, 8)
    np.testing.assert_allclose(mixed, expected, atol=1e-6)
    assert after.keys.shape == cache.keys.shape
    changed = np.any(np.asarray(after.values != spoilt.values) & ~np.isnan(spoilt.values), axis=(1, 3))
    assert np.argwhere(changed).tolist() == [[0, 3], [1, 6]]
