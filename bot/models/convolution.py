"""Convolutions and norms of pictures, in forms that a CPU computes fast. Used by the VQGAN.

On CPUs XLA takes several times as long as its matrix products would for two things: the gradient of a convolution's
kernel, and GroupNorm as Flax writes it. Both are written out here, as is a convolution of a picture enlarged to twice
its size, most of whose products are of equal pixels; what they compute is the same.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.typing import DTypeLike

_ROWS = 8
_LAYOUT = ("NHWC", "HWIO", "NHWC")

Padding = tuple[tuple[int, int], tuple[int, int]]

# For the first and the second of two equal pixels: which of a kernel's three places see the same pixel of the smaller
# picture, and how many zeros that one needs before and behind it.
_EQUAL_SEEN = (np.array([[1, 0, 0], [0, 1, 1]], np.float32), np.array([[1, 1, 0], [0, 0, 1]], np.float32))
_BESIDE = ((1, 0), (0, 1))


class Convolution(nnx.Module):
    """[n, h, w, features_in] -> [n, h', w', features_out], computed in dtype. kernel: [size, size, in, out]."""

    def __init__(
        self, features_in: int, features_out: int, size: int, *, stride: int, pad: int, dtype: DTypeLike, rngs: nnx.Rngs
    ) -> None:
        self.stride, self.padding, self.dtype = stride, ((pad, pad), (pad, pad)), dtype
        shape = (size, size, features_in, features_out)
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(features_out))

    def __call__(self, x: jax.Array) -> jax.Array:
        convolved: jax.Array = convolve(x.astype(self.dtype), self._kernel, self.stride, self.padding)
        return convolved + self.bias[...].astype(self.dtype)

    def of_enlarged(self, x: jax.Array) -> jax.Array:
        """What __call__ gives for `x` with each pixel doubled along both axes. For size 3, stride 1 and pad 1 only."""
        return convolve_enlarged(x.astype(self.dtype), self._kernel) + self.bias[...].astype(self.dtype)

    @property
    def _kernel(self) -> jax.Array:
        return self.kernel[...].astype(self.dtype)


class GroupNorm(nnx.Module):
    """Wu and He, arXiv:1803.08494: [n, h, w, features] -> float32 of the same shape, whatever dtype comes in."""

    def __init__(self, features: int, *, groups: int, epsilon: float) -> None:
        self.groups, self.epsilon = groups, epsilon
        self.scale = nnx.Param(jnp.ones(features))
        self.bias = nnx.Param(jnp.zeros(features))

    def __call__(self, x: jax.Array) -> jax.Array:
        # Sums over places first and over the few features of a group afterwards: XLA's loops for both at once are not
        # vectorised.
        x = x.astype(jnp.float32)
        mean, square = (self._over_group(jnp.mean(values, axis=(1, 2))) for values in (x, x * x))
        factor = lax.rsqrt(jnp.maximum(square - mean * mean, 0.0) + self.epsilon) * self.scale[...]
        return x * factor[:, None, None] + (self.bias[...] - mean * factor)[:, None, None]

    def _over_group(self, of_features: jax.Array) -> jax.Array:
        """[n, features] -> the mean of each group, at each of its features."""
        n, features = of_features.shape
        means = of_features.reshape(n, self.groups, -1).mean(axis=2)
        return jnp.repeat(means, features // self.groups, axis=1)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """x [n, h, w, in], kernel [size, size, in, out] -> [n, h', w', out]. padding: zeros before and behind h and w."""
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int, padding: Padding, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)

    (of_x,) = jax.vjp(lambda x: plain(x, kernel), x)[1](gradient)
    of_kernel: jax.Array = lax.platform_dependent(
        x,
        gradient,
        cpu=partial(_kernel_gradient, size=kernel.shape[0], stride=stride, padding=padding),
        default=lambda x, gradient: jax.vjp(lambda kernel: plain(x, kernel), kernel)[1](gradient)[0],
    )
    return of_x, of_kernel


convolve.defvjp(_forward, _backward)


def convolve_enlarged(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [n, h, w, in] with each pixel doubled along both axes, convolved: [n, 2h, 2w, out].

    kernel: [3, 3, in, out], with one row of zeros around the enlarged picture. Of the three pixels that it sees along
    an axis two are equal, so each of the four pixels that come from one is a convolution of size 2 of `x` itself.
    """
    n, height, width, _ = x.shape
    rows = []
    for down, above in zip(_EQUAL_SEEN, _BESIDE, strict=True):
        row = [
            convolve(
                x,
                jnp.einsum("pi,qj,ijcd->pqcd", down.astype(kernel.dtype), right.astype(kernel.dtype), kernel),
                1,
                (above, left),
            )
            for right, left in zip(_EQUAL_SEEN, _BESIDE, strict=True)
        ]
        rows.append(jnp.stack(row, axis=3))
    return jnp.stack(rows, axis=2).reshape(n, 2 * height, 2 * width, -1)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, *, size: int, stride: int, padding: Padding) -> jax.Array:
    """A matrix product for each place of the kernel, over a few rows of the picture at a time so that they stay in the
    cache: [size, size, in, out]."""
    n, height, width, features = gradient.shape
    rows = max(count for count in range(1, _ROWS + 1) if height % count == 0)
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))

    def add(sums: jax.Array, block: jax.Array) -> tuple[jax.Array, None]:
        seen = lax.dynamic_slice_in_dim(x, block * rows * stride, (rows - 1) * stride + size, axis=1)
        given = lax.dynamic_slice_in_dim(gradient, block * rows, rows, axis=1)
        transposed = given.reshape(n, rows * width, features).swapaxes(1, 2)
        products = [transposed @ _shifted(seen, i, j, rows, width, stride) for i in range(size) for j in range(size)]
        return sums + jnp.stack(products), None

    # The pictures' sums stay apart until the end, so that devices that share a batch speak once.
    nothing = jnp.zeros((size * size, n, features, x.shape[-1]), x.dtype)
    sums: jax.Array = lax.scan(add, nothing, jnp.arange(height // rows))[0]
    return sums.sum(axis=1).swapaxes(1, 2).reshape(size, size, x.shape[-1], features)


def _shifted(x: jax.Array, i: int, j: int, rows: int, width: int, stride: int) -> jax.Array:
    """What place (i, j) of the kernel sees: [n, rows * width, features]."""
    seen = x[:, i : i + (rows - 1) * stride + 1 : stride, j : j + (width - 1) * stride + 1 : stride]
    return seen.reshape(x.shape[0], rows * width, -1)
