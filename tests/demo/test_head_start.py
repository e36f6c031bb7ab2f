"""What DalleBart is told of codes and places: alike where they are alike, and gone once it is written out."""

import jax.numpy as jnp
import numpy as np
import pytest

from bot.demo.codebook import learn_codebook
from bot.demo.head_start import Known, known, shared, written_out
from bot.demo.pictures import DrawnPictures
from bot.models.network import Params, walk

GRID = 4
CODES = 10


@pytest.fixture(scope="module")
def facts() -> Known:
    pictures = DrawnPictures(16)
    pixels = pictures.rich_batch(np.random.default_rng(0), 8)
    return known(learn_codebook(pixels, GRID, CODES, 3, seed=0), pictures, GRID, seed=0)


def _model(vocabulary: int, length: int, width: int) -> Params:
    embeddings = {
        "embed_tokens": {"embedding": jnp.ones((vocabulary, width))},
        "embed_positions": {"embedding": jnp.ones((length, width))},
        "layernorm_embedding": {"scale": jnp.ones(width)},
    }
    return {
        "encoder": {"final_ln": {"bias": jnp.ones(2)}},
        "decoder": {"embeddings": embeddings, "layers": {0: {}}},
        "lm_head": {"kernel": jnp.ones((vocabulary, width))},
    }


def test_rows_have_a_length_of_about_one_and_the_start_token_none(facts: Known) -> None:
    # Two colours, a mask of 4 x 4 pixels, whether it is plain, and the squared length of each.
    assert facts.codes.shape == (CODES + 1, 2 * (24 + 1) + (4 * 4 + 1) + (1 + 1))
    np.testing.assert_allclose(jnp.mean(jnp.sum(facts.codes[:-1] ** 2, axis=1)), 1, rtol=1e-3)
    np.testing.assert_array_equal(facts.codes[-1], 0)
    assert facts.places.shape == (GRID**2, 4 * GRID)
    np.testing.assert_allclose(jnp.sum(facts.places**2, axis=1), 1, rtol=1e-5)


def test_places_are_told_apart_and_neighbours_are_more_alike(facts: Known) -> None:
    places = np.asarray(facts.places)
    alike = places @ places.T
    np.fill_diagonal(alike, -1)
    assert alike.max() < 0.99
    first = alike[0].reshape(GRID, GRID)
    assert first[0, 1] > first[0, 2] > first[0, 3]
    np.testing.assert_allclose(first, first.T, atol=1e-6)


def test_written_out_rows_are_their_own_and_the_shared_part(facts: Known) -> None:
    model = _model(CODES + 1, GRID**2, 6)
    matrices = shared(facts, 6, seed=3)
    out = written_out(model, matrices, facts)
    embeddings = out["decoder"]["embeddings"]
    np.testing.assert_allclose(
        embeddings["embed_tokens"]["embedding"], 1 + facts.codes @ matrices["codes_in"], rtol=1e-6
    )
    np.testing.assert_allclose(
        embeddings["embed_positions"]["embedding"], 1 + facts.places @ matrices["places"], rtol=1e-6
    )
    np.testing.assert_allclose(out["lm_head"]["kernel"], 1 + facts.codes @ matrices["codes_out"], rtol=1e-6)
    assert [path for path, _ in walk(out)] == [path for path, _ in walk(model)]
    assert out["encoder"] is model["encoder"]
