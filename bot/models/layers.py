"""What DalleBart's encoder and decoder are made of (dalle-mini 0.1.5, model/modeling.py).

NormFormer's places for LayerNorm (Shleifer et al., arXiv:2110.09456), GLU feed-forward (Shazeer, arXiv:2002.05202).
Norms that come before a projection have a bias and no scale, unless the config forces one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import Int8Linear, WeightsKind

ACTIVATION: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
}


@dataclass(frozen=True)
class Parts:
    """Makes the layers of one config and dtype. weights: how their matrices are kept."""

    config: DalleBartConfig
    dtype: DTypeLike
    rngs: nnx.Rngs
    weights: WeightsKind = "same"

    def norm(self, features: int, *, scale: bool) -> nnx.LayerNorm:
        return nnx.LayerNorm(features, epsilon=1e-5, use_scale=scale, dtype=self.dtype, rngs=self.rngs)

    def norm_before_projection(self, features: int) -> nnx.LayerNorm:
        return self.norm(features, scale=self.config.force_ln_scale)

    def linear(self, features_in: int, features_out: int) -> nnx.Linear | Int8Linear:
        if self.weights == "int8":
            return Int8Linear(features_in, features_out, dtype=self.dtype, rngs=self.rngs)
        init = nnx.initializers.normal(0.02)
        return nnx.Linear(features_in, features_out, use_bias=False, dtype=self.dtype, kernel_init=init, rngs=self.rngs)

    def embedding(self, count: int) -> nnx.Embed:
        init = nnx.initializers.normal(0.02)
        return nnx.Embed(count, self.config.d_model, embedding_init=init, rngs=self.rngs)


class KeyValues(NamedTuple):
    """Both [n, heads, length, head_dim]."""

    keys: jax.Array
    values: jax.Array


class Attention(nnx.Module):
    """Multi-head attention without biases, scores divided by sqrt(head_dim)."""

    def __init__(self, num_heads: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.num_heads = num_heads
        self.q_proj = parts.linear(width, width)
        self.k_proj = parts.linear(width, width)
        self.v_proj = parts.linear(width, width)
        self.out_proj = parts.linear(width, width)

    def key_values(self, x: jax.Array) -> KeyValues:
        """[n, length, d_model] -> keys and values of every place."""
        return KeyValues(self._heads(self.k_proj(x)), self._heads(self.v_proj(x)))

    def __call__(self, x: jax.Array, key_values: KeyValues, mask: jax.Array) -> jax.Array:
        """x [n, t, d_model] attends to key_values where mask, bool [n or 1, t or 1, length], is true."""
        queries = self._heads(self.q_proj(x))
        keys, values = key_values
        scores = jnp.einsum("nhtd,nhld->nhtl", queries, keys, preferred_element_type=jnp.float32)
        scores = jnp.where(mask[:, None], scores * queries.shape[-1] ** -0.5, -jnp.inf)
        weights = jax.nn.softmax(scores).astype(values.dtype)
        mixed = jnp.einsum("nhtl,nhld->nthd", weights, values)
        return self.out_proj(mixed.reshape(x.shape))

    def _heads(self, x: jax.Array) -> jax.Array:
        n, length, width = x.shape
        return x.reshape(n, length, self.num_heads, width // self.num_heads).swapaxes(1, 2)


class GLU(nnx.Module):
    """Gated feed-forward block with a norm before it and one inside."""

    def __init__(self, ffn_dim: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.activation = parts.config.activation_function
        self.norm_in = parts.norm_before_projection(width)
        self.gate = parts.linear(width, ffn_dim)
        self.up = parts.linear(width, ffn_dim)
        self.norm_mid = parts.norm_before_projection(ffn_dim)
        self.down = parts.linear(ffn_dim, width)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., d_model] -> [..., d_model], residual not added."""
        x = self.norm_in(x)
        return self.down(self.norm_mid(ACTIVATION[self.activation](self.gate(x)) * self.up(x)))


class Embeddings(nnx.Module):
    """Tokens and learned positions, summed in the dtype that they are stored in, then normalised."""

    def __init__(self, vocabulary: int, length: int, parts: Parts) -> None:
        width = parts.config.d_model
        self.scale = width**0.5 if parts.config.scale_embedding else 1.0
        self.embed_tokens = parts.embedding(vocabulary)
        self.embed_positions = parts.embedding(length)
        self.layernorm_embedding = parts.norm(width, scale=True)

    def __call__(self, tokens: jax.Array, positions: jax.Array) -> jax.Array:
        """tokens, positions int32 [...] -> [..., d_model] in the dtype of computation."""
        # Indexed directly: nnx.Embed would convert to the dtype that it was declared with.
        words = self.embed_tokens.embedding[...][tokens] * self.scale
        normalised: jax.Array = self.layernorm_embedding(words + self.embed_positions.embedding[...][positions])
        return normalised
