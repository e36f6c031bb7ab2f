"""What a finished stage can do, as one picture to look at. Called by train.py after each stage."""

from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo.pictures import Pictures
from bot.models.clip import Clip
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.dalle_bart import DalleBart
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, to_uint8

COUNT: Final = 8
_CELL_PX: Final = 32

Pixels = npt.NDArray[np.uint8]


def vqgan_samples(network: Network[VQGAN], params: Params, pictures: Pictures, seed: int) -> Pixels:
    """Pictures over what the VQGAN makes of them: uint8 [2 * size_px, COUNT * size_px, 3]."""
    pixels, _ = _examples(pictures, seed)
    rebuilt = jax.jit(lambda p, x: _rebuild(network.bind(p), x))(params, pixels)
    return _rows(pixels, np.asarray(rebuilt))


def dalle_bart_samples(
    network: Network[DalleBart],
    params: Params,
    tokenizer: PromptTokenizer,
    vqgan: Network[VQGAN],
    vqgan_params: Params,
    pictures: Pictures,
    seed: int,
) -> Pixels:
    """Pictures as the VQGAN rebuilds them, over those of the code that DalleBart finds likeliest at each place, given
    the caption and all codes before it: uint8 [2 * size_px, COUNT * size_px, 3]."""
    pixels, captions = _examples(pictures, seed)
    text = tokenizer.encode(captions)

    @jax.jit
    def draw(params: Params, vqgan_params: Params, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        bart, model = network.bind(params), vqgan.bind(vqgan_params)
        codes = model.encode(_unit(pixels))
        start = jnp.full((COUNT, 1), bart.config.decoder_start_token_id, codes.dtype)
        logits = bart.logits(
            jnp.concatenate([start, codes[:, :-1]], axis=1), bart.memory(jnp.asarray(text.ids), jnp.asarray(text.mask))
        )
        likeliest = jnp.argmax(logits[:, :, : bart.config.image_vocab_size], axis=-1)
        return to_uint8(model.decode_codes(codes)), to_uint8(model.decode_codes(likeliest))

    rebuilt, likeliest = draw(params, vqgan_params, jnp.asarray(pixels))
    return _rows(np.asarray(rebuilt), np.asarray(likeliest))


def clip_samples(
    network: Network[Clip],
    params: Params,
    tokenizer: ClipTokenizer,
    preprocess: ClipPreprocessing,
    pictures: Pictures,
    seed: int,
) -> Pixels:
    """Pictures over how well each caption (a row) fits each of them (a column), black to white: bright where both
    belong together. uint8 [size_px + COUNT * 32, COUNT * size_px, 3]."""
    pixels, captions = _examples(pictures, seed)
    text = tokenizer.encode(captions)

    @jax.jit
    def score(params: Params, pixels: jax.Array) -> jax.Array:
        model = network.bind(params)
        words = model.text_vectors(jnp.asarray(text.ids), jnp.asarray(text.mask))
        return model.scores(model.image_vectors(preprocess(pixels)), words)

    probabilities = jax.nn.softmax(score(params, jnp.asarray(pixels)), axis=1)
    grey = (np.asarray(probabilities).T * 255).round().astype(np.uint8)
    cells = grey.repeat(_CELL_PX, axis=0).repeat(pictures.size_px, axis=1)
    return np.concatenate([_side_by_side(pixels), np.repeat(cells[:, :, None], 3, axis=2)])


def _examples(pictures: Pictures, seed: int) -> tuple[Pixels, list[str]]:
    """Pictures that no step of the training draws."""
    return pictures.batch(np.random.default_rng((seed, 4)), COUNT)


def _rebuild(model: VQGAN, pixels: jax.Array) -> jax.Array:
    return to_uint8(model.decode_codes(model.encode(_unit(pixels))))


def _unit(pixels: jax.Array) -> jax.Array:
    return pixels.astype(jnp.float32) / 255.0


def _rows(*rows: Pixels) -> Pixels:
    return np.concatenate([_side_by_side(row) for row in rows])


def _side_by_side(pictures: Pixels) -> Pixels:
    """[n, height, width, 3] -> [height, n * width, 3]."""
    return np.concatenate(list(pictures), axis=1)
