"""Our side of the comparisons: whole networks by teacher forcing, and pictures by the engine that the bot runs."""

from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from bot.checkpoints.bundle import Bundle
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.engine.sampling import guide
from bot.requests import GeneratedImage, Sampling
from tests.parity.outputs import SCALE, Ints, Outputs, Texts, as_floats

CHUNK_TOKENS: Final = 16


def outputs(bundle: Bundle, texts: Texts, pictures: Ints) -> Outputs:
    """Teacher forcing in the bundle's dtype; pictures int32 [n, image_length]."""
    start = bundle.bart_config.decoder_start_token_id
    tokens = np.concatenate([np.full((len(pictures), 1), start), pictures[:, :-1]], axis=1)

    @jax.jit
    def compute(params: Any, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        bart = bundle.bart.bind(params)
        return bart.encoder(ids, mask), bart.logits(jnp.asarray(tokens), bart.memory(ids, mask))

    encoder, cond = map(as_floats, compute(bundle.bart_params, texts.ids, texts.mask))
    uncond_encoder, uncond = map(as_floats, compute(bundle.bart_params, texts.uncond_ids, texts.uncond_mask))
    cond_rows, uncond_rows = (jnp.asarray(logits.reshape(-1, logits.shape[-1])) for logits in (cond, uncond))
    guided = as_floats(guide(cond_rows, uncond_rows, jnp.full(len(cond_rows), SCALE)))
    return Outputs(encoder, uncond_encoder, cond, uncond, guided.reshape(cond.shape))


def greedy(bundle: Bundle, prompts: Sequence[str], scales: Sequence[float]) -> list[Ints]:
    """For each scale the codes int32 [prompts, image_length] that the engine draws at top_k 1, all pictures at once."""
    engine = JaxEngine(bundle, num_slots=len(prompts) * len(scales))
    prefix = engine.prefill([PromptText(prompt) for prompt in prompts])
    slots = np.arange(engine.num_slots).reshape(len(scales), len(prompts))
    for scale, row_slots in zip(scales, slots, strict=True):
        sampling = Sampling(condition_scale=scale, top_k=1, top_p=1.0, temperature=1.0)
        engine.insert(prefix, [SlotAssignment(int(slot), row, 0, 0, sampling) for row, slot in enumerate(row_slots)])
    for _ in range(engine.info.image_length // CHUNK_TOKENS):
        engine.step(CHUNK_TOKENS).wait()
    return [np.stack([_codes(image) for image in engine.collect(row_slots.tolist()).wait()]) for row_slots in slots]


def _codes(image: object) -> Ints:
    assert isinstance(image, GeneratedImage), image
    return image.image_tokens
