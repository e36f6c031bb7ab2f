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
    """What nnx.Linear without a bias computes: [..., features_in] -> [..., features_out] in `dtype`."""

    def __init__(self, features_in: int, features_out: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.normal(0.02)
        kernel, scale = quantize(init(rngs.params(), (features_in, features_out), jnp.float32))
        self.dtype = dtype
        self.kernel = nnx.Param(kernel)
        self.kernel_scale = nnx.Param(scale)

    def __call__(self, x: jax.Array) -> jax.Array:
        # Every int8 is exact in each dtype of computation. The sum may exceed float16's range before it is scaled.
        # The barrier ties the conversion to x: it depends on the parameters alone otherwise, and XLA would move it out
        # of the decode loop, where the converted matrices of all layers live at once.
        x, kernel = jax.lax.optimization_barrier((x.astype(self.dtype), self.kernel[...]))
        summed = jnp.matmul(x, kernel.astype(self.dtype), preferred_element_type=jnp.float32)
        return (summed * self.kernel_scale[...]).astype(self.dtype)
