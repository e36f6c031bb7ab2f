"""The end of an image: codes to uint8 pixels, CLIP's score and vector, on the device, in one dispatch of fixed size."""

from typing import Final, NamedTuple

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


def images_per_dispatch(platform: str) -> int:
    """How many images each device ends in one dispatch: always the same number, so that rounding does not depend on the
    company. A CPU takes as long for three as three times for one; a graphics card does not, and three divide nine."""
    return 1 if platform == "cpu" else 3


PREVIEW_GREY: Final = 128
"""Of each colour, where a preview has nothing to show yet."""


class Finals(NamedTuple):
    """n images: pixels uint8 [n, height, width, 3]; tokens int32 [n, image_length]; scores float32 [n]; vectors
    float32 [n, projection_dim]; finite bool [n]."""

    pixels: jax.Array
    tokens: jax.Array
    scores: jax.Array
    vectors: jax.Array
    finite: jax.Array


def make_finish(vqgan: Network[VQGAN], clip: Network[Clip], preprocess: ClipPreprocessing, mesh: Mesh) -> Wrapped:
    """The program that ends images: finish(VQGAN's params, CLIP's params, state, rows int32 [n]) -> Finals.

    n is images_per_dispatch for each device of `mesh`. Rows may lie on any device: their tokens are few, so they are
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
    def finish(vqgan_params: Params, clip_params: Params, state: DecodeState, rows: jax.Array) -> Finals:
        gathered = (state.tokens[rows], state.text_vectors[rows], state.finite[rows])
        spread_out = jax.lax.with_sharding_constraint(gathered, NamedSharding(mesh, spread))
        finals: Finals = end_own(vqgan_params, clip_params, *spread_out)
        return finals

    return finish


def make_preview(vqgan: Network[VQGAN], grid: int, mesh: Mesh) -> Wrapped:
    """The program that shows unfinished images: preview(VQGAN's params, state, rows int32 [n], done int32 [n]) ->
    uint8 [n, height, width, 3].

    grid: rows of codes of a picture. done: how many of them each has; below is PREVIEW_GREY. The codes that are not
    there yet count as 0; they show in what is just above, until the next row is done.
    """
    everywhere, spread = Spec(), Spec(SLOTS)

    def decode(params: Params, tokens: jax.Array, done: jax.Array) -> jax.Array:
        known = jnp.arange(tokens.shape[1]) < done[:, None] * grid
        pixels = to_uint8(vqgan.bind(params).decode_codes(jnp.where(known, tokens, 0)))
        height = pixels.shape[1]
        is_done = jnp.arange(height) < done[:, None] * (height // grid)
        return jnp.where(is_done[:, :, None, None], pixels, PREVIEW_GREY)

    decode_own = jax.shard_map(decode, mesh=mesh, in_specs=(everywhere, spread, spread), out_specs=spread)

    @jax.jit
    def preview(params: Params, state: DecodeState, rows: jax.Array, done: jax.Array) -> jax.Array:
        gathered = (state.tokens[rows], done)
        shown: jax.Array = decode_own(params, *jax.lax.with_sharding_constraint(gathered, NamedSharding(mesh, spread)))
        return shown

    return preview
