"""Second stage: DalleBart learns which codes follow a caption.

Cross-entropy of the VQGAN's codes under teacher forcing. One caption in ten is dropped for the unconditional prompt, so
that condition_scale has two branches to compare (Ho and Salimans, arXiv:2207.12598). One in ten gets a word that the
tokenizer doesn't know, so that such a word does no harm. No picture is shown twice where they can be drawn. What codes
look like and where places lie it is told (head_start.py).

Most codes of a picture name plain ground. So for the larger part of the training only some places of each picture are
looked at, those with the rarest codes first (as in Yao et al., arXiv:2211.11586, where places are dropped at random),
of more pictures.
"""

import math
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from optax.contrib import MuonDimensionNumbers

from bot.checkpoints.tokenizers import PromptTokenizer
from bot.demo.codebook import Codebook
from bot.demo.head_start import Known, known, shared, written_out
from bot.demo.loop import Metrics, Stage
from bot.demo.optimizer import muon
from bot.demo.pictures import Pictures
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import Network, Params
from bot.models.vqgan import VQGANConfig

MAX_TEXT_LENGTH = 32

NUM_STEPS = 3000
SPARSE_BATCH, SPARSE_LENGTH = 64, 80
SPARSE_UNTIL = 0.75
BATCH = 24
# Pictures that tell which codes are rare.
PICTURES = 960
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
    codebook: Codebook,
    pictures: Pictures,
    *,
    seed: int,
    num_steps: int = NUM_STEPS,
) -> Stage[State]:
    """The stage for run_stage. network: built from config. codebook: of the first stage."""
    optimizer = muon(
        num_steps,
        warmup_steps=num_steps // 30,
        peak_rate=PEAK_RATE,
        adam_rate=ADAM_RATE,
        as_matrix=_layer_kernel,
    )
    unconditional = tokenizer.encode_unconditional()

    @cache
    def surprise() -> npt.NDArray[np.float64]:
        return _surprise(codebook, pictures, seed)

    def init() -> State:
        facts = known(codebook, pictures, math.isqrt(config.image_length), seed)
        learnt = {"model": network.init(seed), "shared": shared(facts, config.d_model, seed)}
        return State(learnt, facts, optimizer.init(learnt))

    def batch(step: int) -> tuple[Any, ...]:
        rng = np.random.default_rng((seed, 4, step))
        is_sparse = step < SPARSE_UNTIL * num_steps
        count = SPARSE_BATCH if is_sparse else BATCH
        pixels, captions = pictures.batch(rng, count)
        captions = [_with_unknown_word(c, rng) if rng.random() < UNKNOWN_WORD else c for c in captions]
        text = tokenizer.encode(captions)
        dropped = (rng.random(count) < DROP_CAPTION)[:, None]
        ids = np.where(dropped, unconditional.ids, text.ids)
        codes = codebook.name(pixels)
        length = min(SPARSE_LENGTH, config.image_length) if is_sparse else config.image_length
        positions = _rarest_first(surprise()[codes], length, rng)
        inputs = np.concatenate(
            [np.full((count, 1), config.decoder_start_token_id, codes.dtype), codes[:, :-1]], axis=1
        )
        seen, targets = (np.take_along_axis(tokens, positions, axis=1) for tokens in (inputs, codes))
        return seen, targets, positions, ids, np.where(dropped, unconditional.mask, text.mask)

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: tuple[jax.Array, ...]) -> tuple[State, Metrics]:
        seen, targets, positions, ids, mask = batch

        def loss_of(learnt: Params) -> jax.Array:
            model = network.bind(_params(learnt, state.known))
            logits = model.logits(seen, model.memory(ids, mask), positions)
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, targets))

        loss, gradients = jax.value_and_grad(loss_of)(state.learnt)
        updates, moments = optimizer.update(gradients, state.optimizer, state.learnt)
        return State(optax.apply_updates(state.learnt, updates), state.known, moments), {"loss": loss}

    return Stage("dalle_bart", seed, num_steps, init, batch, step)


def _surprise(codebook: Codebook, pictures: Pictures, seed: int) -> npt.NDArray[np.float64]:
    """How rare each code is: minus the logarithm of its share, [n_embed]."""
    counts = np.ones(len(codebook.codes))
    for part in range(PICTURES // BATCH):
        pixels, _ = pictures.batch(np.random.default_rng((seed, 2, part)), BATCH)
        counts += np.bincount(codebook.name(pixels).ravel(), minlength=len(counts))
    surprise: npt.NDArray[np.float64] = -np.log(counts / counts.sum())
    return surprise


def _rarest_first(surprise: npt.NDArray[np.float64], length: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Which `length` places of each picture to look at, in their order: int32 [n, length].

    surprise: of the code at each place, [n, places]. A place has the code that is to be told and the one before it,
    which is told to whoever comes later; the rarer one of them counts. Gumbel noise makes a draw without replacement.
    """
    rarer = np.maximum(surprise[:, 1:], surprise[:, :-1])
    weights = np.concatenate([surprise[:, :1], rarer], axis=1)
    order = np.argsort(weights + rng.gumbel(size=weights.shape), axis=1)[:, -length:]
    return np.sort(order, axis=1).astype(np.int32)


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
