"""What codes look like in parts: patches of other colours have the same mask, and the same colours are found again."""

import numpy as np
import numpy.typing as npt

from bot.demo.looks import mean_patches, parts

RED, BLUE, WHITE = (0.8, 0.1, 0.1), (0.1, 0.2, 0.6), (1.0, 1.0, 1.0)
EDGE = np.array([1, 1, 1, 1, 0.5, 0, 0, 0], np.float32)


def _patch(inner: tuple[float, ...], outer: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """float32 [8, 3]: `inner` on one side of the edge."""
    edge = EDGE[:, None]
    patch: npt.NDArray[np.float32] = edge * np.array(inner, np.float32) + (1 - edge) * np.array(outer, np.float32)
    return patch


def test_the_mean_of_what_each_code_names() -> None:
    patches = np.array([[0, 0, 0], [255, 255, 255], [51, 102, 153]], np.uint8)
    looks = mean_patches(patches, np.array([1, 1, 0], np.int32), 3)
    np.testing.assert_allclose(looks[:, 0], [[0.2, 0.4, 0.6], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], rtol=1e-6)


def test_one_edge_in_other_colours_has_one_mask() -> None:
    looks = np.stack([_patch(RED, BLUE), _patch(WHITE, BLUE), _patch(BLUE, WHITE)])
    dark, bright, mask, plain = parts(looks)
    np.testing.assert_allclose(mask[0], EDGE - 0.5, atol=0.05)
    np.testing.assert_allclose(mask[1], mask[0], atol=0.05)
    np.testing.assert_allclose(mask[2], -mask[0], atol=0.05)  # the brighter colour is outside
    np.testing.assert_allclose(dark[0], dark[1], atol=0.05)
    np.testing.assert_allclose(bright[1], bright[2], atol=0.05)
    assert np.abs(bright[0] - bright[1]).max() > 0.5
    np.testing.assert_array_equal(plain, 0)


def test_a_plain_patch_is_of_one_colour_and_has_no_mask() -> None:
    looks = np.stack([_patch(RED, RED), _patch(RED, BLUE)])
    dark, bright, mask, plain = parts(looks)
    np.testing.assert_array_equal(plain, [[1], [0]])
    np.testing.assert_array_equal(mask[0], 0)
    np.testing.assert_allclose(dark[0], bright[0], atol=1e-6)
    np.testing.assert_allclose(bright[0], bright[1], atol=0.05)


def test_shares_of_colours_sum_to_one() -> None:
    looks = np.random.default_rng(0).random((40, 16, 3), np.float32)
    for shares in parts(looks)[:2]:
        assert shares.shape == (40, 24)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
