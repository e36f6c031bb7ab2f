"""Models without arrays: what the memory plan and the compiler need to know of one, and nothing that takes memory."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.bundle import Bundle
from bot.engine.memory_sizes import ModelSizes
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Params, nest, walk
from bot.models.vqgan import VQGANConfig
from bot.requests import Sampling


class ShapesOnly:
    """One model whose parameters are jax.ShapeDtypeStructs, stored as float32, on JAX's default device."""

    def __init__(
        self,
        bart: DalleBartConfig,
        vqgan_config: VQGANConfig,
        clip_config: ClipConfig,
        *,
        dtype: DTypeLike = jnp.float32,
        weights: WeightsKind = "same",
    ) -> None:
        networks = (
            dalle_bart.network(bart, dtype=dtype, weights=weights),
            vqgan.network(vqgan_config),
            clip.network(clip_config),
        )
        params = [_cast(networks[0].shapes, dtype), networks[1].shapes, networks[2].shapes]
        nothing: Any = None
        self.bundle = Bundle(
            name="shapes",
            dtype=dtype,
            bart=networks[0],
            bart_config=bart,
            bart_params=params[0],
            vqgan=networks[1],
            vqgan_config=vqgan_config,
            vqgan_params=params[1],
            clip=networks[2],
            clip_config=clip_config,
            clip_params=params[2],
            preprocess=ClipPreprocessing(clip_config.vision.image_size),
            prompt_tokenizer=nothing,
            clip_tokenizer=nothing,
            sampling=Sampling(1.0, 0, 1.0, 1.0),
        )
        files = [SimpleNamespace(num_bytes=num_bytes(tree), largest_bytes=_largest(tree)) for tree in params]
        checkpoint: Any = SimpleNamespace(
            **vars(self.bundle), bart_weights=files[0], vqgan_weights=files[1], clip_weights=files[2]
        )
        self.sizes = ModelSizes.of(checkpoint, "cpu")


def num_bytes(tree: Any) -> int:
    """Of all leaves together."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _cast(shapes: Params, dtype: DTypeLike) -> Params:
    leaves = {}
    for path, leaf in walk(shapes):
        is_multiplied = path[-1] == "kernel" and leaf.dtype != jnp.int8
        leaves[path] = jax.ShapeDtypeStruct(leaf.shape, dtype if is_multiplied else leaf.dtype)
    return nest(leaves)


def _largest(tree: Params) -> int:
    return max(4 * int(leaf.size) for leaf in jax.tree.leaves(tree))
