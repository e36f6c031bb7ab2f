"""What one decode step has to read and to multiply, counted from parameters and positions: the floor's side of a bench.

Pure arithmetic. A decode step draws one token for every image, in both branches of condition_scale.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import jax.numpy as jnp

from bot.engine.precision import KeptDtypes
from bot.engine.state import NUM_BRANCHES
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import Params, Path, walk

_TEXT_PROJECTION: Final = "kv_proj"
"""Of cross-attention: it reads the text, when a prompt is prefilled."""


def step_parameters(params: Params) -> Iterator[tuple[Path, Any]]:
    """The arrays of DalleBart that a step reads whole: the output head, and of the decoder all but embeddings, of which
    it reads two rows for each image, and but what projects the text."""
    for path, leaf in walk(params):
        is_layer = path[:2] == ("decoder", "layers") and _TEXT_PROJECTION not in path
        if is_layer or path[:2] == ("decoder", "final_ln") or path[0] == "lm_head":
            yield path, leaf


def weight_bytes(params: Params) -> int:
    """Of what a step reads whole, in the dtypes that it is kept in."""
    return sum(int(leaf.size) * leaf.dtype.itemsize for _, leaf in step_parameters(params))


def matmul_flops(params: Params, num_images: int) -> int:
    """Operations of a step's products with its matrices; attention's own, which are few, don't count."""
    numbers = sum(int(leaf.size) for path, leaf in step_parameters(params) if path[-1] == "kernel")
    return 2 * NUM_BRANCHES * num_images * numbers


def cache_bytes(
    config: DalleBartConfig, num_images: int, num_tokens: int, text_lengths: Sequence[int], kept: KeptDtypes
) -> float:
    """Keys and values that a step reads, on average over the steps that draw tokens 0 to num_tokens - 1.

    Of each image and branch those of the tokens before, and once those of each distinct text. text_lengths: tokens of
    each, padding not counted.
    """
    images = NUM_BRANCHES * num_images * (num_tokens - 1) / 2 * jnp.dtype(kept.image).itemsize
    texts = sum(text_lengths) * jnp.dtype(kept.text).itemsize
    return 2 * config.decoder_layers * config.d_model * (images + texts)
