"""Convolutions and norms written for speed: the same numbers and gradients as Flax's and XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from bot.models.convolution import GroupNorm, Padding, convolve, convolve_enlarged

SAME = ((1, 1), (1, 1))
NONE = ((0, 0), (0, 0))


@pytest.mark.parametrize(
    ("side", "size", "stride", "padding"),
    [(16, 3, 1, SAME), (17, 3, 2, NONE), (12, 1, 1, NONE), (7, 3, 1, SAME), (10, 3, 2, ((0, 1), (0, 1)))],
)
def test_a_convolution_and_its_gradients(side: int, size: int, stride: int, padding: Padding) -> None:
    x = jax.random.normal(jax.random.key(0), (3, side, side + 2, 5))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 5, 7))

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        layout = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=layout)

    np.testing.assert_array_equal(convolve(x, kernel, stride, padding), plain(x, kernel))
    ours = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(convolve(x, kernel, stride, padding))), (0, 1))(x, kernel)
    theirs = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(plain(x, kernel))), (0, 1))(x, kernel)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def test_a_convolution_of_an_enlarged_picture() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 6, 4, 5))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 5, 7))

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolve(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, SAME)

    np.testing.assert_allclose(convolve_enlarged(x, kernel), plain(x, kernel), rtol=1e-5, atol=1e-5)
    ours = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(convolve_enlarged(x, kernel))), (0, 1))(x, kernel)
    theirs = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(plain(x, kernel))), (0, 1))(x, kernel)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def test_a_group_norm_is_that_of_flax() -> None:
    x = 3 + 2 * jax.random.normal(jax.random.key(2), (2, 6, 5, 8))
    scale, bias = jax.random.normal(jax.random.key(3), (2, 8))
    ours = GroupNorm(8, groups=4, epsilon=1e-6)
    theirs = nnx.GroupNorm(8, num_groups=4, epsilon=1e-6, rngs=nnx.Rngs(0))
    for norm in (ours, theirs):
        norm.scale, norm.bias = nnx.Param(scale), nnx.Param(bias)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_a_group_norm_counts_in_float32() -> None:
    ours = GroupNorm(4, groups=2, epsilon=1e-6)
    normalised = ours(jnp.full((1, 2, 2, 4), 7, jnp.bfloat16))
    assert normalised.dtype == jnp.float32
    np.testing.assert_array_equal(normalised, 0)
