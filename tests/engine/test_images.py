"""The end of a picture: what comes out is what the networks say of these codes, wherever they stand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.stages import Wrapped

from bot.checkpoints.bundle import Bundle
from bot.engine.devices import slot_mesh
from bot.engine.images import Finals, images_per_dispatch, make_finish
from bot.engine.precision import kept_dtypes
from bot.engine.state import DecodeState, idle_state
from bot.models.vqgan import to_uint8
from tests.golden.tiny_model import IMAGE_LENGTH, NUM_CODES

CODES = np.random.default_rng(0).integers(0, NUM_CODES, (4, IMAGE_LENGTH)).astype(np.int32)
TEXTS = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 4)))[0].T.astype(np.float32)


@pytest.fixture(scope="module")
def finish(bundle: Bundle) -> Wrapped:
    return make_finish(bundle.vqgan, bundle.clip, bundle.preprocess, slot_mesh())


@pytest.fixture(scope="module")
def state(bundle: Bundle) -> DecodeState:
    """Four slots with complete pictures, the third of which met a number that is not finite."""
    idle = idle_state(
        bundle.bart_config, 4, bundle.clip_config.projection_dim, kept_dtypes(bundle.dtype, "cpu"), slot_mesh()
    )
    changes = {"tokens": CODES, "text_vectors": TEXTS, "finite": np.asarray([True, True, False, True])}
    return DecodeState(**{**vars(idle), **{name: jnp.asarray(value) for name, value in changes.items()}})


def ended(finish: Wrapped, bundle: Bundle, state: DecodeState, slots: list[int], **params: Any) -> Finals:
    both = {"vqgan": bundle.vqgan_params, "clip": bundle.clip_params, **params}
    finals: Finals = jax.device_get(finish(both["vqgan"], both["clip"], state, jnp.asarray(slots)))
    return finals


def test_pixels_and_scores_are_the_networks(finish: Wrapped, bundle: Bundle, state: DecodeState) -> None:
    finals = ended(finish, bundle, state, [3, 0, 1])
    vqgan, clip = bundle.vqgan.bind(bundle.vqgan_params), bundle.clip.bind(bundle.clip_params)
    for i, slot in enumerate([3, 0, 1]):
        pixels = np.asarray(to_uint8(vqgan.decode_codes(jnp.asarray(CODES[slot : slot + 1]))))
        assert np.abs(finals.pixels[i].astype(int) - pixels[0]).max() <= 1
        np.testing.assert_array_equal(finals.tokens[i], CODES[slot])
        vectors = clip.image_vectors(bundle.preprocess(jnp.asarray(finals.pixels[i : i + 1])))
        np.testing.assert_allclose(finals.vectors[i], vectors[0], atol=1e-5)
        score = clip.scores(vectors, jnp.asarray(TEXTS[slot : slot + 1]))
        assert finals.scores[i] == pytest.approx(float(score[0, 0]), abs=1e-4)


def test_a_picture_is_bit_equal_in_every_place(finish: Wrapped, bundle: Bundle, state: DecodeState) -> None:
    seen = [
        (slot, [np.asarray(field[i]).tobytes() for field in finals])
        for slots in ([0, 1, 3], [3, 0, 1], [1, 3, 0], [0, 0, 0], [1, 1, 3])
        for finals in [ended(finish, bundle, state, slots)]
        for i, slot in enumerate(slots)
    ]
    for slot in (0, 1, 3):
        first, *others = [content for other, content in seen if other == slot]
        assert others
        assert all(content == first for content in others)


def test_what_was_not_finite_stays_known(finish: Wrapped, bundle: Bundle, state: DecodeState) -> None:
    assert ended(finish, bundle, state, [1, 2, 3]).finite.tolist() == [True, False, True]


def test_a_code_that_decodes_to_nothing_fails_its_own_picture(
    finish: Wrapped, bundle: Bundle, state: DecodeState
) -> None:
    """Pixels that are not a number would become black ones, which CLIP scores like any other."""
    code = next(code for code in CODES[0] if code not in CODES[1:])
    table = bundle.vqgan_params["quantize"]["embedding"]["embedding"]
    spoilt = {**bundle.vqgan_params, "quantize": {"embedding": {"embedding": table.at[code].set(np.nan)}}}
    finals = ended(finish, bundle, state, [0, 1, 3], vqgan=spoilt)
    assert finals.finite.tolist() == [False, True, True]


def test_a_vector_that_is_not_finite_fails_its_picture(finish: Wrapped, bundle: Bundle, state: DecodeState) -> None:
    spoilt = {**bundle.clip_params, "logit_scale": jnp.asarray(np.inf)}
    assert not np.any(ended(finish, bundle, state, [0, 1, 3], clip=spoilt).finite)


def test_nine_images_fill_their_dispatches() -> None:
    assert 9 % images_per_dispatch("gpu") == 0
