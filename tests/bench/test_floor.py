"""The floor of a machine: what it is made of, and that measuring finds something possible."""

import jax
import jax.numpy as jnp
import pytest

from bot.bench.floor import Floor, measure_floor


def test_the_slower_of_reading_and_multiplying_counts() -> None:
    floor = Floor(bandwidth=10.0, rate=1000.0)
    assert floor.seconds(50.0, 100.0) == 5.0
    assert floor.seconds(50.0, 9000.0) == 9.0


def test_the_best_of_two_is_taken_from_both() -> None:
    assert Floor(10.0, 1000.0).or_better(Floor(8.0, 1200.0)) == Floor(10.0, 1200.0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_measuring(dtype: jnp.dtype) -> None:
    floor = measure_floor(jax.local_devices()[0], dtype, read_bytes=2**22, products=[(8, 8, 8), (256, 256, 256)])
    # From a slow disk's to ten times the fastest memory's; from one core without vectors to a hundred GPUs.
    assert 1e8 < floor.bandwidth < 1e14
    assert 1e8 < floor.rate < 1e17


def test_a_larger_product_is_not_beaten_by_a_smaller_one() -> None:
    device = jax.local_devices()[0]
    small, both = (
        measure_floor(device, jnp.float32, read_bytes=2**16, products=products)
        for products in ([(2, 2, 2)], [(2, 2, 2), (512, 512, 512)])
    )
    assert both.rate > 20 * small.rate
