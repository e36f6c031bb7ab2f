"""What a device can do at best: reading memory, and large matrix products. The floor that measured steps are held to.

Measured in the run that it is compared with, since machines are shared and clocks change. Called by `bench decode`.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.typing import DTypeLike

READ_BYTES: Final = 2**30
"""More than a processor's cache holds for one of its tenants."""

Product = tuple[int, int, int]
"""m, k, n of [m, k] times [n, k] transposed."""
PRODUCTS: Final[Sequence[Product]] = ((1024, 1024, 1024), (2048, 2048, 2048), (512, 4096, 4096))
GPU_PRODUCTS: Final[Sequence[Product]] = ((4096, 4096, 4096), (8192, 8192, 8192))

_ROUNDS: Final = 5
_GPU_CALLS: Final = 4
"""In a row, so that the time to dispatch one hides behind the one before."""


@dataclass(frozen=True, slots=True)
class Floor:
    """bandwidth: bytes a second. rate: floating point operations a second in the dtype of the products."""

    bandwidth: float
    rate: float

    def or_better(self, other: "Floor") -> "Floor":
        """The best of both."""
        return Floor(max(self.bandwidth, other.bandwidth), max(self.rate, other.rate))

    def seconds(self, num_bytes: float, flops: float) -> float:
        """The least time in which so much can be read and multiplied, both at once."""
        return max(num_bytes / self.bandwidth, flops / self.rate)


def measure_floor(
    device: jax.Device, dtype: DTypeLike, *, read_bytes: int = READ_BYTES, products: Sequence[Product] | None = None
) -> Floor:
    """The best of several ways to read `read_bytes` bytes and of `products`, each tried several times; about a second.

    dtype: of what is multiplied; sums are float32. products: None for those that suit the device. On a CPU memory is
    read with all cores; elsewhere it is copied too, where what is read and what is written both count.
    """
    on_cpu = device.platform == "cpu"
    calls = 1 if on_cpu else _GPU_CALLS
    if products is None:
        products = PRODUCTS if on_cpu else GPU_PRODUCTS
    with jax.default_device(device):
        memory = jnp.ones((read_bytes // 2**14, 2**12), jnp.float32)
        bandwidth = max(_read_bandwidths(memory, calls, on_cpu=on_cpu))
        del memory
        # Otherwise a graphics card multiplies float32 as TF32, which the engine does not let it do.
        with jax.default_matmul_precision("float32" if jnp.dtype(dtype) == jnp.float32 else None):
            return Floor(bandwidth, max(_rate(product, dtype, calls) for product in products))


def _read_bandwidths(memory: jax.Array, calls: int, *, on_cpu: bool) -> Iterator[float]:
    vector = jnp.ones(memory.shape[1], memory.dtype)
    multiply = jax.jit(jnp.dot)
    yield memory.nbytes / _seconds(lambda: multiply(memory, vector).block_until_ready, calls)
    if on_cpu:
        yield memory.nbytes / _seconds_of_threads(np.asarray(memory).reshape(-1).view(np.uint64))
    else:
        copy = jax.jit(jnp.negative)
        yield 2 * memory.nbytes / _seconds(lambda: copy(memory).block_until_ready, calls)


def _rate(product: Product, dtype: DTypeLike, calls: int) -> float:
    m, k, n = product
    left, right = jnp.ones((m, k), dtype), jnp.ones((n, k), dtype)

    @jax.jit
    def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
        return jax.lax.dot_general(left, right, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)

    return 2 * m * k * n / _seconds(lambda: multiply(left, right).block_until_ready, calls)


def _seconds(dispatch: Callable[[], Callable[[], object]], calls: int) -> float:
    """The least time of one call of `calls` in a row. dispatch: begins one and returns what waits for it and all before
    it."""
    dispatch()()
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            wait = dispatch()
        wait()
        best = min(best, (time.perf_counter() - began) / calls)
    return best


def _seconds_of_threads(words: npt.NDArray[np.uint64]) -> float:
    """The least time in which numpy, on all cores that this process may use, looks at every word."""
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = np.array_split(words, num_cores)
    with ThreadPoolExecutor(num_cores) as pool:

        def read() -> Callable[[], object]:
            futures = [pool.submit(np.bitwise_or.reduce, part) for part in parts]
            return lambda: [future.result() for future in futures]

        return _seconds(read, 1)
