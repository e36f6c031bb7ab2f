"""Third stage: CLIP learns which caption belongs to which picture.

The contrastive loss of Radford et al. (arXiv:2103.00020), with two more captions per picture that do not describe it;
the demo's differ from the right one in a single word, so that the ranking notices what the generator gets wrong.
Half of the pictures have been through the VQGAN, since that is how those look that it will rank.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bot.checkpoints.tokenizers import ClipTokenizer
from bot.demo.loop import Metrics, Stage
from bot.demo.pictures import Pictures
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, to_uint8

MAX_TEXT_LENGTH = 32

PATCHES = 8
NUM_STEPS = 700
BATCH = 96
WRONG_CAPTIONS = 2
PEAK_RATE = 1.5e-3
MAX_LOGIT_SCALE = float(np.log(100.0))


def config_json(vocabulary: int, eos_id: int, size_px: int) -> dict[str, Any]:
    """CLIP's config.json for pictures of size_px. vocabulary: ids of the tokenizer. eos_id: the text is pooled where it
    first stands."""
    tower = {"hidden_size": 96, "intermediate_size": 256, "num_attention_heads": 4, "hidden_act": "quick_gelu"}
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

    def batch(step: int) -> tuple[Any, ...]:
        rng = np.random.default_rng((seed, 3, step))
        pixels, captions = pictures.batch(rng, BATCH)
        texts = list(captions)
        for _ in range(WRONG_CAPTIONS):
            texts += pictures.wrong_captions(captions, rng)
        known: dict[str, int] = {}
        groups = np.asarray([known.setdefault(text, len(known)) for text in texts], np.int32)
        encoded = tokenizer.encode(texts)
        return pixels, encoded.ids, encoded.mask, groups

    @jax.jit
    def through_vqgan(pixels: jax.Array) -> jax.Array:
        model = vqgan.bind(vqgan_params)
        half = pixels[: BATCH // 2].astype(jnp.float32) / 255.0
        return jnp.concatenate([to_uint8(model.decode_codes(model.encode(half))), pixels[BATCH // 2 :]])

    @partial(jax.jit, donate_argnums=0)
    def learn(
        state: State, pixels: jax.Array, ids: jax.Array, mask: jax.Array, groups: jax.Array
    ) -> tuple[State, Metrics]:
        right = jnp.arange(BATCH)
        # The same caption may stand in a batch twice; neither is wrong for the other's picture.
        twin = (groups[:BATCH, None] == groups[None, :]) & (right[:, None] != jnp.arange(groups.shape[0]))

        def loss_of(params: Params) -> tuple[jax.Array, jax.Array]:
            model = network.bind(params)
            scores = model.scores(model.image_vectors(preprocess(pixels)), model.text_vectors(ids, mask))
            scores = jnp.where(twin, -1e9, scores)
            to_text = optax.softmax_cross_entropy_with_integer_labels(scores, right)
            to_image = optax.softmax_cross_entropy_with_integer_labels(scores[:, :BATCH].T, right)
            return jnp.mean(to_text + to_image) / 2, jnp.mean(jnp.argmax(scores, axis=1) == right)

        (loss, accuracy), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        params: Params = optax.apply_updates(state.params, updates)
        params["logit_scale"] = jnp.minimum(params["logit_scale"], MAX_LOGIT_SCALE)
        return State(params, moments), {"loss": loss, "accuracy": accuracy}

    def step(state: State, batch: tuple[Any, ...]) -> tuple[State, Metrics]:
        pixels, ids, mask, groups = batch
        learnt: tuple[State, Metrics] = learn(state, through_vqgan(pixels), ids, mask, groups)
        return learnt

    return Stage("clip", seed, num_steps, init, batch, step)
