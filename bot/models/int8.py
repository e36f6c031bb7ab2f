"""Matrices of one byte a number, with one scale for each output channel, for weights that must fit a small device.

DalleBart's layers are made of these where its weights are int8; the loader quantises the matrices of a file with
`quantize` on its way to the device. Called inside traces only.
"""

from typing import Final, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.models.linear import product

WeightsKind = Literal["same", "int8"]
"""How matrices are kept on the device: in the dtype that they are multiplied in, or as int8."""

_LARGEST: Final = 127
MAX_BLOCK: Final = 256
"""Output channels that are converted at a time on CPUs, at most."""


def quantize(kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Float [out, in] -> int8 [out, in] and float32 [out], whose product is the kernel to within half a scale.

    Symmetric: the largest magnitude of an output channel becomes 127 and nothing becomes -128. The kernel must be
    finite. Computes in float32.
    """
    kernel = kernel.astype(jnp.float32)
    scale = jnp.max(jnp.abs(kernel), axis=1) / _LARGEST
    # A channel of zeros, or of numbers so small that their 127th part is zero.
    scale = jnp.where(scale > 0.0, scale, 1.0)
    return jnp.round(kernel / scale[:, None]).astype(jnp.int8), scale


class Int8Linear(nnx.Module):
    """What Linear computes: [..., features_in] -> float32 [..., features_out].

    No program holds more than a few matrices in
    another form than int8 at a time; XLA would convert all of them before the decode loop if it were let.
    """

    def __init__(self, features_in: int, features_out: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.normal(0.02)
        kernel, scale = quantize(init(rngs.params(), (features_out, features_in), jnp.float32))
        self.dtype = dtype
        self.kernel = nnx.Param(kernel)
        self.kernel_scale = nnx.Param(scale)

    def __call__(self, x: jax.Array) -> jax.Array:
        x, kernel = x.astype(self.dtype), self.kernel[...]
        summed: jax.Array = jax.lax.platform_dependent(x, kernel, cpu=_in_blocks, default=_at_once)
        return summed * self.kernel_scale[...]


def _at_once(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [..., in], kernel int8 [out, in] -> float32 [..., out]. Every int8 is exact in each dtype of computation."""
    # Without the barrier the conversion depends on the parameters alone, and so may move out of the decode loop.
    x, kernel = jax.lax.optimization_barrier((x, kernel))
    return product(x, kernel.astype(x.dtype))


def _in_blocks(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same for some output channels after the other. On CPUs XLA ignores barriers and converts as early as it can,
    but not what a loop picks; the blocks stay in the processor's cache, too."""
    features_out, features_in = kernel.shape
    size = block_size(features_out)
    rows = x.reshape(-1, features_in)

    def put(i: jax.Array, out: jax.Array) -> jax.Array:
        block = jax.lax.dynamic_slice_in_dim(kernel, i * size, size, axis=0).astype(x.dtype)
        filled: jax.Array = jax.lax.dynamic_update_slice_in_dim(out, product(rows, block), i * size, axis=1)
        return filled

    # Made like x, because within shard_map a loop must start with what differs between devices as its results will.
    start = jnp.zeros_like(x, jnp.float32, (rows.shape[0], features_out))
    filled: jax.Array = jax.lax.fori_loop(0, features_out // size, put, start)
    return filled.reshape(*x.shape[:-1], features_out)


def block_size(features_out: int) -> int:
    """How many output channels CPUs convert at a time: the most that divide them, at most MAX_BLOCK."""
    return next(size for size in range(MAX_BLOCK, 0, -1) if features_out % size == 0)
