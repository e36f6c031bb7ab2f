"""dalle-mini 0.1.5 on today's JAX, Flax and transformers 4: writes checkpoints, reads them, computes with them.

The package names things that JAX no longer has and imports wandb, which it needs for downloads only; both are there
while it is imported. transformers has changed the two methods that make a generation's logits processors; each model
gets its own ones, as they were.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import unfreeze
from jax.typing import DTypeLike

from bot.models.network import nest, walk
from tests.parity.outputs import SCALE, Ints, Outputs, Texts, as_floats
from tests.parity.sizes import IMAGE_LENGTH, NUM_CODES, TEXT_LENGTH, Size, random_weight

WARNINGS: Final = ("ignore:Some non-default generation parameters are set in the model config:UserWarning",)
"""What pytest is to ignore: transformers, about the configuration that dalle-mini writes."""


class DalleMini:
    """The package. Raises ImportError where it, or what it needs, is not installed."""

    def __init__(self) -> None:
        wandb = ModuleType("wandb")
        wandb.__spec__ = ModuleSpec("wandb", None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "wandb", wandb)
            patch.setattr(jnp, "DeviceArray", jax.Array, raising=False)
            patch.setattr(jax.experimental, "PartitionSpec", jax.sharding.PartitionSpec, raising=False)
            self._package: Any = importlib.import_module("dalle_mini.model")
        self._generation: Any = importlib.import_module("transformers.generation.flax_utils")

    def write(self, folder: Path, size: Size, *, stacked: bool = True) -> None:
        """Saves random weights in a new folder: config.json and flax_model.msgpack, in either layout."""
        config = self._package.DalleBartConfig(
            image_vocab_size=NUM_CODES, image_length=IMAGE_LENGTH, max_text_length=TEXT_LENGTH, **size.options
        )
        model = self._package.DalleBart(config, _do_init=False)
        rng = np.random.default_rng(size.seed)
        leaves = sorted(walk(unfreeze(model.params_shape_tree)), key=itemgetter(0))
        params = nest({path: random_weight("/".join(map(str, path)), leaf.shape, rng) for path, leaf in leaves})
        model.save_pretrained(folder, params=params if stacked else model.unscan(params))

    def texts(self, folder: Path, prompts: Sequence[str]) -> Texts:
        """Prompts as its own processor reads them, with the tokenizer in `folder`."""
        read = self._package.DalleBartProcessor.from_pretrained(str(folder))(list(prompts))
        names = ("input_ids", "attention_mask", "input_ids_uncond", "attention_mask_uncond")
        return Texts(*(np.asarray(read[name]) for name in names))

    def outputs(self, folder: Path, texts: Texts, pictures: Ints, *, dtype: DTypeLike = jnp.float32) -> Outputs:
        """Teacher forcing, computing in `dtype`; pictures int32 [n, image_length]."""
        model, params = self._open(folder, dtype)
        decoder_ids = np.concatenate(
            [np.full((len(pictures), 1), model.config.decoder_start_token_id), pictures[:, :-1]], axis=1
        )

        @jax.jit
        def compute(params: Any, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
            encoded = model.encode(ids, mask, params=params)
            logits = model.decode(decoder_ids, encoded, encoder_attention_mask=mask, params=params).logits
            return encoded.last_hidden_state, logits

        encoder, cond = map(as_floats, compute(params, texts.ids, texts.mask))
        uncond_encoder, uncond = map(as_floats, compute(params, texts.uncond_ids, texts.uncond_mask))
        return Outputs(encoder, uncond_encoder, cond, uncond, uncond + SCALE * (cond - uncond))

    def greedy(self, folder: Path, texts: Texts, scale: float) -> Ints:
        """Its own generation loop at top_k 1 and condition_scale `scale` -> codes int32 [n, image_length]."""
        model, params = self._open(folder, jnp.float32)

        @jax.jit
        def generate(params: Any, texts: list[Ints]) -> jax.Array:
            ids, mask, uncond_ids, uncond_mask = texts
            drawn: jax.Array = model.generate(
                ids,
                attention_mask=mask,
                input_ids_uncond=uncond_ids,
                attention_mask_uncond=uncond_mask,
                params=params,
                top_k=1,
                condition_scale=scale,
            ).sequences
            return drawn[:, 1:]

        return np.asarray(generate(params, [texts.ids, texts.mask, texts.uncond_ids, texts.uncond_mask]))

    def _open(self, folder: Path, dtype: DTypeLike) -> tuple[Any, Any]:
        model, params = self._package.DalleBart.from_pretrained(str(folder), dtype=dtype, _do_init=False)
        parts = self._generation

        def warper(top_k: int, top_p: float | None, temperature: float | None) -> Any:
            assert top_p is None
            assert temperature is None
            return parts.FlaxLogitsProcessorList([parts.FlaxTopKLogitsWarper(top_k=top_k, min_tokens_to_keep=1)])

        model._get_logits_warper = warper
        # None of the options that it used to look at is set: pictures have one length, and no EOS is ever drawn.
        model._get_logits_processor = lambda *_: parts.FlaxLogitsProcessorList()
        return model, params
