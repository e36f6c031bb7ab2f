"""Second stage: DalleBart learns which codes follow a caption.

Cross-entropy of the VQGAN's codes under teacher forcing. One caption in ten is dropped for the unconditional prompt, so
that condition_scale has two branches to compare (Ho and Salimans, arXiv:2207.12598). One in ten gets a word that the
tokenizer doesn't know, so that such a word does no harm. To encode a picture costs almost as much as to learn from it,
so each is used several times (Choi et al., arXiv:1907.05550). What codes look like and where places lie it is told
(head_start.py).
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from optax.contrib import MuonDimensionNumbers

from bot.checkpoints.tokenizers import PromptTokenizer
from bot.demo.blocks import Blocks
from bot.demo.head_start import Known, known, shared, written_out
from bot.demo.loop import Metrics, Stage, spread
from bot.demo.optimizer import muon
from bot.demo.pictures import Pictures
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, VQGANConfig

MAX_TEXT_LENGTH = 32

NUM_STEPS = 1700
BATCH = 24
BLOCK = 960
USES = 3
PEAK_RATE = 2e-2
ADAM_RATE = 3e-3
DROP_CAPTION = 0.1
UNKNOWN_WORD = 0.1


def config(vocabulary: int, vqgan_config: VQGANConfig, width: int = 1) -> DalleBartConfig:
    """vocabulary: ids of the tokenizer. width: multiplies its features and heads.

    The start token is the one id behind the codes, as in the released models.
    """
    codes = vqgan_config.n_embed
    return DalleBartConfig(
        encoder_vocab_size=vocabulary,
        image_vocab_size=codes,
        image_length=vqgan_config.grid**2,
        max_text_length=MAX_TEXT_LENGTH,
        d_model=192 * width,
        encoder_layers=2,
        encoder_ffn_dim=384 * width,
        encoder_attention_heads=6 * width,
        decoder_layers=4,
        decoder_ffn_dim=384 * width,
        decoder_attention_heads=6 * width,
        normalize_text=True,
        decoder_start_token_id=codes,
    )


class State(NamedTuple):
    """learnt: "model" and "shared" (head_start.py), which `known` does not change."""

    learnt: Params
    known: Known
    optimizer: Any

    @property
    def params(self) -> Params:
        """Of the model as it is used."""
        return _params(self.learnt, self.known)


def stage(
    network: Network[DalleBart],
    config: DalleBartConfig,
    tokenizer: PromptTokenizer,
    vqgan: Network[VQGAN],
    vqgan_params: Params,
    pictures: Pictures,
    *,
    seed: int,
    num_steps: int = NUM_STEPS,
) -> Stage[State]:
    """The stage for run_stage. network: built from config. vqgan_params: of the finished first stage."""
    optimizer = muon(
        num_steps,
        warmup_steps=num_steps // 30,
        peak_rate=PEAK_RATE,
        adam_rate=ADAM_RATE,
        as_matrix=_layer_kernel,
    )
    unconditional = tokenizer.encode_unconditional()

    def init() -> State:
        facts = known(vqgan_params["quantize"]["embedding"]["embedding"], math.isqrt(config.image_length))
        learnt = {"model": network.init(seed), "shared": shared(facts, config.d_model, seed)}
        return State(learnt, facts, optimizer.init(learnt))

    @jax.jit
    def encode(pixels: jax.Array) -> jax.Array:
        return vqgan.bind(vqgan_params).encode(pixels.astype(jnp.float32) / 255.0)

    def encoded(block: int) -> tuple[npt.NDArray[np.int32], list[str]]:
        codes, captions = [], []
        for part in range(BLOCK // BATCH):
            pixels, texts = pictures.batch(np.random.default_rng((seed, 2, block, part)), BATCH)
            codes.append(np.asarray(encode(spread(pixels))))
            captions += texts
        return np.concatenate(codes), captions

    blocks = Blocks(encoded, USES * BLOCK // BATCH)

    def batch(step: int) -> tuple[Any, ...]:
        codes, texts = blocks.at(step)
        rng = np.random.default_rng((seed, 4, step))
        chosen = rng.choice(len(texts), BATCH, replace=False)
        captions = [texts[i] for i in chosen]
        text = tokenizer.encode([_with_unknown_word(c, rng) if rng.random() < UNKNOWN_WORD else c for c in captions])
        dropped = (rng.random(BATCH) < DROP_CAPTION)[:, None]
        ids = np.where(dropped, unconditional.ids, text.ids)
        return codes[chosen], ids, np.where(dropped, unconditional.mask, text.mask)

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: tuple[jax.Array, ...]) -> tuple[State, Metrics]:
        codes, ids, mask = batch
        start = jnp.full((codes.shape[0], 1), config.decoder_start_token_id, codes.dtype)

        def loss_of(learnt: Params) -> jax.Array:
            model = network.bind(_params(learnt, state.known))
            logits = model.logits(jnp.concatenate([start, codes[:, :-1]], axis=1), model.memory(ids, mask))
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, codes))

        loss, gradients = jax.value_and_grad(loss_of)(state.learnt)
        updates, moments = optimizer.update(gradients, state.optimizer, state.learnt)
        return State(optax.apply_updates(state.learnt, updates), state.known, moments), {"loss": loss}

    return Stage("dalle_bart", seed, num_steps, init, batch, step)


def _params(learnt: Params, known: Known) -> Params:
    return written_out(learnt["model"], learnt["shared"], known)


def _with_unknown_word(caption: str, rng: np.random.Generator) -> str:
    """The caption with one word that no tokenizer of ours knows, instead of another word or beside it."""
    words = caption.split()
    place = int(rng.integers(len(words)))
    words[place : place + int(rng.integers(2))] = ["zzz"]
    return " ".join(words)


def _layer_kernel(path: tuple[Any, ...], leaf: jax.Array) -> MuonDimensionNumbers | None:
    """Not the embeddings and the output head, whose rows are words rather than directions."""
    return MuonDimensionNumbers(1, 0) if "layers" in path and path[-1] == "kernel" and leaf.ndim == 2 else None
