"""What DalleBart's encoder and decoder are made of (dalle-mini 0.1.5, model/modeling.py). attention.py has the rest.

Products are made in the dtype of computation with float32 sums; all that lies between them is float32.
NormFormer's places for LayerNorm (Shleifer et al., arXiv:2110.09456), GLU feed-forward (Shazeer, arXiv:2002.05202).
Norms that come before a projection have a bias and no scale, unless the config forces one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import Int8Linear, WeightsKind
from bot.models.linear import Linear

ACTIVATION: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
}


@dataclass(frozen=True)
class Parts:
    """Makes the layers of one config. dtype: what their products are made in. weights: how their matrices are kept."""

    config: DalleBartConfig
    dtype: DTypeLike
    rngs: nnx.Rngs
    weights: WeightsKind = "same"

    def norm(self, features: int, *, scale: bool) -> nnx.LayerNorm:
        return nnx.LayerNorm(features, epsilon=1e-5, use_scale=scale, dtype=jnp.float32, rngs=self.rngs)

    def norm_before_projection(self, features: int) -> nnx.LayerNorm:
        return self.norm(features, scale=self.config.force_ln_scale)

    def linear(self, features_in: int, features_out: int) -> Linear | Int8Linear:
        kind = Int8Linear if self.weights == "int8" else Linear
        return kind(features_in, features_out, dtype=self.dtype, rngs=self.rngs)

    def embedding(self, count: int) -> nnx.Embed:
        init = nnx.initializers.normal(0.02)
        return nnx.Embed(count, self.config.d_model, embedding_init=init, rngs=self.rngs)


class GLU(nnx.Module):
    """Gated feed-forward block with a norm before it and one inside. gate_up: the gate's matrix, then the other one."""

    def __init__(self, ffn_dim: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.activation = parts.config.activation_function
        self.norm_in = parts.norm_before_projection(width)
        self.gate_up = parts.linear(width, 2 * ffn_dim)
        self.norm_mid = parts.norm_before_projection(ffn_dim)
        self.down = parts.linear(ffn_dim, width)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., d_model] -> [..., d_model], residual not added."""
        gate, up = jnp.split(self.gate_up(self.norm_in(x)), 2, axis=-1)
        return self.down(self.norm_mid(ACTIVATION[self.activation](gate) * up))


class Embeddings(nnx.Module):
    """Tokens and learned positions, summed in the dtype that they are stored in, then normalised."""

    def __init__(self, vocabulary: int, length: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.scale = width**0.5 if parts.config.scale_embedding else 1.0
        self.embed_tokens = parts.embedding(vocabulary)
        self.embed_positions = parts.embedding(length)
        self.layernorm_embedding = parts.norm(width, scale=True)

    def __call__(self, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        """tokens, positions int32 [...] -> float32 [..., d_model]."""
        # Indexed directly: nnx.Embed would convert to the dtype that it was declared with.
        words = self.embed_tokens.embedding[...][tokens] * self.scale
        normalised: jax.Array = self.layernorm_embedding(words + self.embed_positions.embedding[...][positions])
        return normalised
