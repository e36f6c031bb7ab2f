"""The end of an image: codes to uint8 pixels, CLIP's score and vector, on the device, in one dispatch of fixed size."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bot.engine.state import DecodeState
from bot.models.clip import Clip
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, to_uint8

IMAGES_PER_DISPATCH = 3
"""Three divide a collage of nine. Always the same number, so that rounding does not depend on the company."""


class Finals(NamedTuple):
    """n = IMAGES_PER_DISPATCH. pixels uint8 [n, height, width, 3]; tokens int32 [n, image_length]; scores float32 [n];
    vectors float32 [n, projection_dim]; finite bool [n]."""

    pixels: jax.Array
    tokens: jax.Array
    scores: jax.Array
    vectors: jax.Array
    finite: jax.Array


Finish = Callable[[Params, Params, DecodeState, jax.Array], Finals]
"""(VQGAN's params, CLIP's params, state, slots int32 [n]) -> Finals."""


def make_finish(vqgan: Network[VQGAN], clip: Network[Clip], preprocess: ClipPreprocessing) -> Finish:
    """The program that ends images."""

    @jax.jit
    def finish(vqgan_params: Params, clip_params: Params, state: DecodeState, slots: jax.Array) -> Finals:
        tokens = state.tokens[slots]
        decoded = vqgan.bind(vqgan_params).decode_codes(tokens)
        pixels = to_uint8(decoded)
        ranker = clip.bind(clip_params)
        vectors = ranker.image_vectors(preprocess(pixels))
        scores = jnp.diagonal(ranker.scores(vectors, state.text_vectors[slots]))
        finite = state.finite[slots] & jnp.all(jnp.isfinite(decoded), axis=(1, 2, 3)) & jnp.isfinite(scores)
        return Finals(pixels, tokens, scores, vectors, finite)

    return finish
