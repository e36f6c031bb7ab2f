"""Third stage: CLIP learns which caption belongs to which picture.

The contrastive loss of Radford et al. (arXiv:2103.00020), made hard on both sides, so that the ranking notices what the
generator gets wrong: two more captions per picture do not describe it (the demo's differ from the right one in a single
word), and some pictures stand there a second time, spoilt, with a patch of another picture's codes. Those have been
through the VQGAN with and without the patch, since that is how the pictures look that CLIP will rank. They are the
costly part, so each is used several times.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from bot.checkpoints.tokenizers import ClipTokenizer
from bot.demo.blocks import Blocks
from bot.demo.loop import Metrics, Stage, spread
from bot.demo.pictures import Pictures
from bot.demo.train_vqgan import GRID
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, to_uint8

MAX_TEXT_LENGTH = 32

PATCHES = 8
NUM_STEPS = 700
BATCH = 96
SPOILT = 16
BLOCK = 128
USES = 6
MIN_PATCH, MAX_PATCH = 2, 8
VISIBLE = 0.2
WRONG_CAPTIONS = 2
PEAK_RATE = 1.5e-3
MAX_LOGIT_SCALE = float(np.log(100.0))


def config_json(vocabulary: int, eos_id: int, size_px: int, width: int = 1) -> dict[str, Any]:
    """CLIP's config.json for pictures of size_px. vocabulary: ids of the tokenizer. eos_id: the text is pooled where it
    first stands. width: multiplies its features and heads."""
    tower = {
        "hidden_size": 96 * width,
        "intermediate_size": 256 * width,
        "num_attention_heads": 4 * width,
        "hidden_act": "quick_gelu",
    }
    text = {"vocab_size": vocabulary, "max_position_embeddings": MAX_TEXT_LENGTH, "eos_token_id": eos_id}
    vision = {"image_size": size_px, "patch_size": size_px // PATCHES}
    return {
        "model_type": "clip",
        "projection_dim": 64,
        "logit_scale_init_value": 2.6592,
        "text_config": {**tower, **text, "num_hidden_layers": 2, "projection_dim": 64},
        "vision_config": {**tower, **vision, "num_hidden_layers": 4, "projection_dim": 64},
    }


class State(NamedTuple):
    params: Params
    optimizer: Any


class _Rebuilt(NamedTuple):
    """captions: of each. rebuilt, spoilt: uint8 [n, size_px, size_px, 3]. shows: bool [n]; a patch of the same colour
    spoils nothing."""

    captions: list[str]
    rebuilt: npt.NDArray[np.uint8]
    spoilt: npt.NDArray[np.uint8]
    shows: npt.NDArray[np.bool_]


def stage(
    network: Network[Clip],
    config: ClipConfig,
    tokenizer: ClipTokenizer,
    vqgan: Network[VQGAN],
    vqgan_params: Params,
    pictures: Pictures,
    *,
    seed: int,
    num_steps: int = NUM_STEPS,
) -> Stage[State]:
    """The stage for run_stage. network: built from config. vqgan_params: of the finished first stage."""
    rate = optax.warmup_cosine_decay_schedule(0.0, PEAK_RATE, num_steps // 20, num_steps, PEAK_RATE / 50)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, b2=0.98, weight_decay=0.02))
    preprocess = ClipPreprocessing(config.vision.image_size)

    def init() -> State:
        params = network.init(seed)
        return State(params, optimizer.init(params))

    @jax.jit
    def with_spoilt(pixels: jax.Array, patches: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The pictures as the VQGAN rebuilds them, those spoilt, and which of these show it."""
        model = vqgan.bind(vqgan_params)
        codes = model.encode(pixels.astype(jnp.float32) / 255.0)
        rebuilt = model.decode_codes(codes)
        spoilt = model.decode_codes(jnp.where(patches, jnp.roll(codes, 1, axis=0), codes))
        shows = jnp.any(jnp.abs(spoilt - rebuilt) > VISIBLE, axis=(1, 2, 3))
        return to_uint8(rebuilt), to_uint8(spoilt), shows

    def rebuilt(block: int) -> _Rebuilt:
        parts = []
        for part in range(BLOCK // SPOILT):
            rng = np.random.default_rng((seed, 3, block, part))
            pixels, captions = pictures.batch(rng, SPOILT)
            seen = with_spoilt(*spread((pixels, _patches(rng, SPOILT))))
            parts.append(_Rebuilt(captions, *map(np.asarray, seen)))
        captions = [caption for part in parts for caption in part.captions]
        return _Rebuilt(captions, *(np.concatenate(arrays) for arrays in zip(*(p[1:] for p in parts), strict=True)))

    blocks = Blocks(rebuilt, USES * BLOCK // SPOILT)

    def batch(step: int) -> tuple[Any, ...]:
        block = blocks.at(step)
        rng = np.random.default_rng((seed, 5, step))
        chosen = rng.choice(BLOCK, SPOILT, replace=False)
        pixels, captions = pictures.batch(rng, BATCH - SPOILT)
        captions = [*(block.captions[i] for i in chosen), *captions]
        texts = list(captions)
        for _ in range(WRONG_CAPTIONS):
            texts += pictures.wrong_captions(captions, rng)
        known: dict[str, int] = {}
        groups = np.asarray([known.setdefault(text, len(known)) for text in texts], np.int32)
        encoded = tokenizer.encode(texts)
        seen = np.concatenate([block.rebuilt[chosen], pixels, block.spoilt[chosen]])
        return seen, block.shows[chosen], encoded.ids, encoded.mask, groups

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: tuple[jax.Array, ...]) -> tuple[State, Metrics]:
        """batch: whole pictures and behind them the spoilt ones, which of those show it, texts, and the same number for
        equal texts."""
        pixels, is_spoilt, ids, mask, groups = batch
        right = jnp.arange(BATCH)
        # The same caption may stand in a batch twice; neither is wrong for the other's picture.
        twin = (groups[:BATCH, None] == groups[None, :]) & (right[:, None] != jnp.arange(groups.shape[0]))
        unchanged = jnp.concatenate([jnp.zeros(BATCH, bool), ~is_spoilt])

        def loss_of(params: Params) -> tuple[jax.Array, jax.Array]:
            model = network.bind(params)
            scores = model.scores(model.image_vectors(preprocess(pixels)), model.text_vectors(ids, mask))
            of_images = jnp.where(twin, -1e9, scores[:BATCH])
            of_texts = jnp.where(unchanged, -1e9, scores[:, :BATCH].T)
            of_texts = of_texts.at[:, :BATCH].set(jnp.where(twin[:, :BATCH], -1e9, of_texts[:, :BATCH]))
            to_text = optax.softmax_cross_entropy_with_integer_labels(of_images, right)
            to_image = optax.softmax_cross_entropy_with_integer_labels(of_texts, right)
            correct = (jnp.argmax(of_images, axis=1) == right) & (jnp.argmax(of_texts, axis=1) == right)
            return jnp.mean(to_text + to_image) / 2, jnp.mean(correct)

        (loss, accuracy), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        params: Params = optax.apply_updates(state.params, updates)
        params["logit_scale"] = jnp.minimum(params["logit_scale"], MAX_LOGIT_SCALE)
        return State(params, moments), {"loss": loss, "accuracy": accuracy}

    return Stage("clip", seed, num_steps, init, batch, step)


def _patches(rng: np.random.Generator, n: int) -> npt.NDArray[np.bool_]:
    """Rectangles anywhere in the grid of codes: bool [n, GRID * GRID]."""
    cells = np.arange(GRID)
    axes = []
    for _ in range(2):
        length = rng.integers(MIN_PATCH, MAX_PATCH + 1, n)
        start = rng.integers(0, GRID - length + 1)
        axes.append((cells >= start[:, None]) & (cells < (start + length)[:, None]))
    rows, columns = axes
    return (rows[:, :, None] & columns[:, None, :]).reshape(n, -1)
