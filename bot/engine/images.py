"""The end of an image: codes to uint8 pixels, CLIP's score and vector, on the device, in one dispatch of fixed size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from jax.stages import Wrapped

from bot.engine.state import SLOTS, DecodeState
from bot.models.clip import Clip
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, to_uint8

IMAGES_PER_DISPATCH = 3
"""On each device. Three divide a collage of nine. Always the same number, so that rounding does not depend on the
company."""


class Finals(NamedTuple):
    """n images: pixels uint8 [n, height, width, 3]; tokens int32 [n, image_length]; scores float32 [n]; vectors
    float32 [n, projection_dim]; finite bool [n]."""

    pixels: jax.Array
    tokens: jax.Array
    scores: jax.Array
    vectors: jax.Array
    finite: jax.Array


def make_finish(vqgan: Network[VQGAN], clip: Network[Clip], preprocess: ClipPreprocessing, mesh: Mesh) -> Wrapped:
    """The program that ends images: finish(VQGAN's params, CLIP's params, state, slots int32 [n]) -> Finals.

    n is IMAGES_PER_DISPATCH for each device of `mesh`. Slots may lie on any device: their tokens are few, so they are
    gathered first, and every device ends the same number of images.
    """

    def end(
        vqgan_params: Params, clip_params: Params, tokens: jax.Array, text_vectors: jax.Array, finite: jax.Array
    ) -> Finals:
        decoded = vqgan.bind(vqgan_params).decode_codes(tokens)
        pixels = to_uint8(decoded)
        ranker = clip.bind(clip_params)
        # NVIDIA's TF32, the default for float32 there, has 10 bits of mantissa: too coarse to rank by.
        with jax.default_matmul_precision("float32"):
            vectors = ranker.image_vectors(preprocess(pixels))
            scores = jnp.diagonal(ranker.scores(vectors, text_vectors))
        finite &= jnp.all(jnp.isfinite(decoded), axis=(1, 2, 3)) & jnp.isfinite(scores)
        return Finals(pixels, tokens, scores, vectors, finite)

    everywhere, spread = Spec(), Spec(SLOTS)
    in_specs = (everywhere, everywhere, spread, spread, spread)
    end_own = jax.shard_map(end, mesh=mesh, in_specs=in_specs, out_specs=spread)

    @jax.jit
    def finish(vqgan_params: Params, clip_params: Params, state: DecodeState, slots: jax.Array) -> Finals:
        gathered = (state.tokens[slots], state.text_vectors[slots], state.finite[slots])
        spread_out = jax.lax.with_sharding_constraint(gathered, NamedSharding(mesh, spread))
        finals: Finals = end_own(vqgan_params, clip_params, *spread_out)
        return finals

    return finish
