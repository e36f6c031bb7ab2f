"""Models of random weights that are made on the device, without files: what `dalle-bot bench decode` draws with.

DalleBart has the size that is asked for. Nothing is decoded to pixels or scored there, so VQGAN is tiny, and CLIP is as
large as the demo's. Tokenizers are the demo's.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.typing import DTypeLike

from bot.bench.model_options import DALLE_BART, TINY_VQGAN, VQGAN
from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.bundle import RELEASED_SAMPLING, Bundle
from bot.checkpoints.clip import load_preprocessing
from bot.checkpoints.json_file import read_json
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.fetch.locate import DEMO_FOLDER
from bot.models.clip_config import ClipConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Params, Path, nest, walk
from bot.models.vqgan import VQGANConfig

_BOUND: Final = 0.02 * 3**0.5
"""Of uniform numbers whose deviation is 0.02, as in matrices that are initialised."""
_LARGEST_INT8: Final = 127
_MIN_DEVICE_NUMBERS: Final = 2**20
"""Fewer are drawn by numpy: compiling a program for one more shape would take longer."""
_CONSTANTS: Final[Mapping[Any, float]] = {
    "bias": 0.0,
    "scale": 1.0,
    "logit_scale": 1.0,
    "kernel_scale": _BOUND / _LARGEST_INT8,
}


def dalle_bart_options(name: str) -> Mapping[str, Any]:
    """DalleBart's config.json of the demo, or of a size that DALLE_BART knows."""
    if name == "demo":
        return read_json(DEMO_FOLDER / "dalle_bart" / "config.json")
    return {"model_type": "dallebart", **DALLE_BART[name]}


def random_bundle(
    name: str, options: Mapping[str, Any], *, dtype: DTypeLike, weights: WeightsKind, sharding: jax.sharding.Sharding
) -> Bundle:
    """A whole model. options: DalleBart's config.json. sharding: where every parameter goes.

    Its largest array is all that is needed beside the parameters. DalleBart's matrices and embeddings are kept in
    `dtype` (or int8), norms in float32.
    """
    bart_config = DalleBartConfig.from_json(options)
    codes = {
        "n_embed": min(VQGAN["n_embed"], bart_config.image_vocab_size),
        "resolution": 2 * math.isqrt(bart_config.image_length),
    }
    vqgan_config = VQGANConfig.from_json({**TINY_VQGAN, **codes})
    clip_folder = DEMO_FOLDER / "clip"
    clip_config = ClipConfig.from_json(read_json(clip_folder / "config.json"))
    bart = dalle_bart.network(bart_config, dtype=dtype, weights=weights)
    pixels, ranking = vqgan.network(vqgan_config), clip.network(clip_config)
    return Bundle(
        name=name,
        dtype=dtype,
        bart=bart,
        bart_config=bart_config,
        bart_params=random_params(bart.shapes, dtype, sharding),
        vqgan=pixels,
        vqgan_config=vqgan_config,
        vqgan_params=random_params(pixels.shapes, jnp.float32, sharding),
        clip=ranking,
        clip_config=clip_config,
        clip_params=random_params(ranking.shapes, jnp.float32, sharding),
        preprocess=load_preprocessing(clip_folder, clip_config),
        prompt_tokenizer=PromptTokenizer.load(
            DEMO_FOLDER / "dalle_bart", max_length=bart_config.max_text_length, normalize=False
        ),
        clip_tokenizer=ClipTokenizer.load(clip_folder, clip_config.text.max_position_embeddings),
        sampling=RELEASED_SAMPLING,
    )


def random_params(shapes: Params, dtype: DTypeLike, sharding: jax.sharding.Sharding) -> Params:
    """A tree like `shapes` on `sharding`, one array after the other; the same each time."""
    generate = jax.jit(_uniform, static_argnums=(1, 2), out_shardings=sharding)
    # XLA fuses this generator with what follows: only the array itself takes memory.
    key = jax.random.key(0, impl="rbg")
    leaves: dict[Path, jax.Array] = {}
    for i, (path, leaf) in enumerate(walk(shapes)):
        kept = leaf.dtype if leaf.dtype == jnp.int8 else dtype if path[-1] in ("kernel", "embedding") else jnp.float32
        if path[-1] in _CONSTANTS:
            made = jax.device_put(np.full(leaf.shape, _CONSTANTS[path[-1]], kept), sharding)
        elif leaf.size < _MIN_DEVICE_NUMBERS:
            made = jax.device_put(_uniform_on_host(i, leaf.shape, jnp.dtype(kept)), sharding)
        else:
            made = generate(jax.random.fold_in(key, i), leaf.shape, jnp.dtype(kept))
        leaves[path] = made.block_until_ready()
    return nest(leaves)


def _uniform(key: jax.Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> jax.Array:
    """Numbers between -_BOUND and _BOUND, or all that int8 has but the least."""
    if dtype == jnp.int8:
        return jax.random.randint(key, shape, -_LARGEST_INT8, _LARGEST_INT8 + 1, jnp.int8)
    return jax.random.uniform(key, shape, jnp.float32, -_BOUND, _BOUND).astype(dtype)


def _uniform_on_host(seed: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    rng = np.random.default_rng(seed)
    if dtype == jnp.int8:
        return rng.integers(-_LARGEST_INT8, _LARGEST_INT8, shape, np.int8, endpoint=True)
    return rng.uniform(-_BOUND, _BOUND, shape).astype(dtype)
