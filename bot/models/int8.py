"""Matrices of one byte a number, with one scale for each output channel, for weights that must fit a small device.

DalleBart's layers are made of these where its weights are int8; the loader quantises the matrices of a file with
`quantize` on its way to the device. Called inside traces only.
"""

from typing import Final, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

WeightsKind = Literal["same", "int8"]
"""How matrices are kept on the device: in the dtype that they are multiplied in, or as int8."""

_LARGEST: Final = 127
MAX_BLOCK: Final = 256
"""Input channels that are converted at a time on CPUs, at most."""


def quantize(kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Float [in, out] -> int8 [in, out] and float32 [out], whose product is the kernel to within half a scale.

    Symmetric: the largest magnitude of an output channel becomes 127 and nothing becomes -128. The kernel must be
    finite. Computes in float32.
    """
    kernel = kernel.astype(jnp.float32)
    scale = jnp.max(jnp.abs(kernel), axis=0) / _LARGEST
    # A channel of zeros, or of numbers so small that their 127th part is zero.
    scale = jnp.where(scale > 0.0, scale, 1.0)
    return jnp.round(kernel / scale).astype(jnp.int8), scale


class Int8Linear(nnx.Module):
    """What nnx.Linear without a bias computes: [..., features_in] -> [..., features_out] in `dtype`.

    Sums are float32: before it is scaled, one may exceed float16's range. No program holds more than a few matrices in
    another form than int8 at a time; XLA would convert all of them before the decode loop if it were let.
    """

    def __init__(self, features_in: int, features_out: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.normal(0.02)
        kernel, scale = quantize(init(rngs.params(), (features_in, features_out), jnp.float32))
        self.dtype = dtype
        self.kernel = nnx.Param(kernel)
        self.kernel_scale = nnx.Param(scale)

    def __call__(self, x: jax.Array) -> jax.Array:
        x, kernel = x.astype(self.dtype), self.kernel[...]
        summed: jax.Array = jax.lax.platform_dependent(x, kernel, cpu=_in_blocks, default=_at_once)
        return (summed * self.kernel_scale[...]).astype(self.dtype)


def _at_once(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [..., in], kernel int8 [in, out] -> float32 [..., out]. Every int8 is exact in each dtype of computation."""
    # Without the barrier the conversion depends on the parameters alone, and so may move out of the decode loop.
    x, kernel = jax.lax.optimization_barrier((x, kernel))
    return jnp.matmul(x, kernel.astype(x.dtype), preferred_element_type=jnp.float32)


def _in_blocks(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same over blocks of input channels. On CPUs XLA ignores barriers and converts as early as it can, but not
    what a loop picks; the blocks stay in the processor's cache, too."""
    features_in, features_out = kernel.shape
    size = next(size for size in range(MAX_BLOCK, 0, -1) if features_in % size == 0)

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        part = jax.lax.dynamic_slice_in_dim(kernel, i * size, size, axis=0).astype(x.dtype)
        channels = jax.lax.dynamic_slice_in_dim(x, i * size, size, axis=-1)
        return total + jnp.matmul(channels, part, preferred_element_type=jnp.float32)

    # Made like x, because within shard_map a loop must start with what differs between devices as its sums will.
    start = jnp.zeros_like(x, jnp.float32, (*x.shape[:-1], features_out))
    summed: jax.Array = jax.lax.fori_loop(0, features_in // size, add, start)
    return summed
