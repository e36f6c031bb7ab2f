"""Codes by pixels alone: plain ground has one name each, what differs is told apart, one seed names alike."""

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from bot.demo.codebook import learn_codebook, patches

GRID = 4
SIDE = 4
FEATURES = 6


@pytest.fixture(scope="module")
def pictures() -> npt.NDArray[np.uint8]:
    """Twelve pictures in three plain colours, with a stripe of another somewhere."""
    rng = np.random.default_rng(0)
    pixels = np.empty((12, GRID * SIDE, GRID * SIDE, 3), np.uint8)
    for i, picture in enumerate(pixels):
        picture[:] = (100 * (i % 3), 50, 100)
        start = int(rng.integers(1, SIDE))
        picture[:, start : start + 7] = (30, 250, 40 * (i % 5))
    return pixels


def test_patches_are_the_pixels_that_a_code_names(pictures: npt.NDArray[np.uint8]) -> None:
    found = patches(pictures, GRID)
    assert found.shape == (12, GRID**2, SIDE * SIDE * 3)
    corner = pictures[3, SIDE : 2 * SIDE, 2 * SIDE : 3 * SIDE]
    np.testing.assert_array_equal(found[3, 1 * GRID + 2], corner.ravel())


def test_plain_ground_has_one_name_and_no_other_patch_has_it(pictures: npt.NDArray[np.uint8]) -> None:
    names = learn_codebook(pictures, GRID, 40, FEATURES, seed=1).name(pictures)
    assert names.shape == (12, GRID**2)
    assert names.dtype == np.int32
    found = patches(pictures, GRID).reshape(names.size, SIDE * SIDE, 3)
    plain = (found == found[:, :1]).all(axis=(1, 2))
    colours = {tuple(colour) for colour in found[plain, 0].tolist()}
    assert len(colours) > 3
    for colour in colours:
        its = plain & (found[:, 0] == np.array(colour)).all(axis=1)
        assert len(set(names.ravel()[its])) == 1
        assert not set(names.ravel()[its]) & set(names.ravel()[~its])


def test_more_codes_say_more(pictures: npt.NDArray[np.uint8]) -> None:
    errors = []
    for n_embed in (4, 40):
        codebook = learn_codebook(pictures, GRID, n_embed, FEATURES, seed=1)
        latents = np.asarray(codebook.latents(jnp.asarray(pictures / np.float32(255))))
        named = np.asarray(codebook.codes)[codebook.name(pictures)].reshape(latents.shape)
        errors.append(np.mean((latents - named) ** 2))
    assert errors[1] < 0.05 * errors[0]


def test_latents_have_a_mean_square_of_one_over_what_differs(pictures: npt.NDArray[np.uint8]) -> None:
    latents = np.asarray(
        learn_codebook(pictures, GRID, 8, FEATURES, seed=1).latents(jnp.asarray(pictures / np.float32(255)))
    )
    assert latents.shape == (12, GRID, GRID, FEATURES)
    different = np.unique(latents.reshape(-1, FEATURES).round(3), axis=0)
    np.testing.assert_allclose(np.mean(different**2), 1, rtol=0.05)


def test_one_seed_one_codebook(pictures: npt.NDArray[np.uint8]) -> None:
    one, two, other = (np.asarray(learn_codebook(pictures, GRID, 8, FEATURES, seed).codes) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_fewer_different_patches_than_codes_still_give_a_codebook() -> None:
    plain = np.full((2, GRID * SIDE, GRID * SIDE, 3), 90, np.uint8)
    codebook = learn_codebook(plain, GRID, 8, FEATURES, seed=0)
    assert codebook.codes.shape == (8, FEATURES)
    assert np.isfinite(np.asarray(codebook.codes)).all()
    assert len(set(codebook.name(plain).ravel())) == 1
