"""What draws latents of equal pixels together; the stage itself is trained in test_train.py."""

import jax.numpy as jnp
import numpy as np

from bot.demo.train_vqgan import _equal_pixels, _spread_within, _twins


def test_equal_pixels_share_a_number_across_pictures() -> None:
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    pixels[1, :4, 4:] = 7
    pixels[1, 7, 0, 2] = 1
    numbers = _equal_pixels(pixels, grid=2)
    assert numbers.shape == (2, 2, 2)
    plain = numbers[0, 0, 0]
    assert (numbers == plain).sum() == 6
    assert len({plain, numbers[1, 0, 1], numbers[1, 1, 0]}) == 3
    assert numbers.max() < 8


def test_spread_counts_within_groups_only() -> None:
    latents = jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    apart = _spread_within(latents, jnp.array([0, 1, 2]))
    np.testing.assert_allclose(apart, 0, atol=1e-7)
    together = _spread_within(latents, jnp.array([1, 1, 0]))
    np.testing.assert_allclose(together, (2 / 6) / (14 / 6), rtol=1e-6)


def test_of_two_codes_that_say_the_same_the_one_used_less_is_superfluous() -> None:
    codebook = jnp.array([[0.0, 0.0], [0.1, 0.0], [0.0, 3.0], [0.1, 3.0]])
    twins = _twins(codebook, jnp.array([1.0, 2.0, 5.0, 5.0]), jnp.float32(0.05))
    np.testing.assert_array_equal(twins, [True, False, False, False])
    assert not _twins(codebook, jnp.arange(4.0), jnp.float32(0.001)).any()
