"""CLIP: images and texts to vectors of one space (Radford et al., arXiv:2103.00020; transformers' FlaxCLIPModel).

Attribute names follow the checkpoint's, so that `text_model.encoder.layers[1].mlp.fc1` is
`text_model/encoder/layers/1/mlp/fc1` in the file. Used by the engine to rank images, by the demo's training program.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.initializers import normal
from jax.typing import DTypeLike

from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig

_TowerConfig = ClipTextConfig | ClipVisionConfig


class TowerOutput(NamedTuple):
    """last_hidden_state: [n, length, hidden_size]. pooled: [n, hidden_size]."""

    last_hidden_state: jax.Array
    pooled: jax.Array


def _quick_gelu(x: jax.Array) -> jax.Array:
    return x * jax.nn.sigmoid(1.702 * x)


def _gelu(x: jax.Array) -> jax.Array:
    return jax.nn.gelu(x, approximate=False)


_ACTIVATIONS: Final[dict[str, Callable[[jax.Array], jax.Array]]] = {"quick_gelu": _quick_gelu, "gelu": _gelu}


def _norm(config: _TowerConfig, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # No dtype: statistics and result stay in float32 whatever the projections compute in.
    return nnx.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps, rngs=rngs)


class Attention(nnx.Module):
    """Multi-head self-attention: [n, length, hidden_size] -> the same."""

    def __init__(self, config: _TowerConfig, *, causal: bool, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        size = config.hidden_size
        # Standard deviations of OpenAI's CLIP, model.py, initialize_parameters.
        std = size**-0.5
        residual_std = std * (2 * config.num_hidden_layers) ** -0.5

        def projection(stddev: float) -> nnx.Linear:
            return nnx.Linear(size, size, kernel_init=normal(stddev), dtype=dtype, rngs=rngs)

        self.num_heads = config.num_attention_heads
        self.causal = causal
        self.q_proj = projection(std)
        self.k_proj = projection(std)
        self.v_proj = projection(std)
        self.out_proj = projection(residual_std)

    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        n, length, size = x.shape
        q, k, v = (
            layer(x).reshape(n, length, self.num_heads, size // self.num_heads)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=self.causal)
        return self.out_proj(y.reshape(n, length, size))


class MLP(nnx.Module):
    """[n, length, hidden_size] -> the same."""

    def __init__(self, config: _TowerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        size, inner = config.hidden_size, config.intermediate_size
        residual_std = (size * 2 * config.num_hidden_layers) ** -0.5
        self.activation = _ACTIVATIONS[config.hidden_act]
        self.fc1 = nnx.Linear(size, inner, kernel_init=normal((2 * size) ** -0.5), dtype=dtype, rngs=rngs)
        self.fc2 = nnx.Linear(inner, size, kernel_init=normal(residual_std), dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.fc2(self.activation(self.fc1(x)))


class EncoderLayer(nnx.Module):
    """Attention and MLP, each after a LayerNorm and around a residual: [n, length, hidden_size] -> the same."""

    def __init__(self, config: _TowerConfig, *, causal: bool, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        self.layer_norm1 = _norm(config, rngs)
        self.self_attn = Attention(config, causal=causal, dtype=dtype, rngs=rngs)
        self.layer_norm2 = _norm(config, rngs)
        self.mlp = MLP(config, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nnx.Module):
    """The layers of one tower. mask: bool, broadcastable to [n, heads, length, length]; None hides nothing."""

    def __init__(self, config: _TowerConfig, *, causal: bool, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        layers = [EncoderLayer(config, causal=causal, dtype=dtype, rngs=rngs) for _ in range(config.num_hidden_layers)]
        self.layers = nnx.List(layers)

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        for layer in self.layers:
            x = layer(x, mask)
        return x


class TextEmbeddings(nnx.Module):
    """Ids int32 [n, length] -> [n, length, hidden_size]; length at most max_position_embeddings."""

    def __init__(self, config: ClipTextConfig, *, rngs: nnx.Rngs) -> None:
        size = config.hidden_size
        self.token_embedding = nnx.Embed(config.vocab_size, size, embedding_init=normal(0.02), rngs=rngs)
        self.position_embedding = nnx.Embed(
            config.max_position_embeddings, size, embedding_init=normal(0.01), rngs=rngs
        )

    def __call__(self, ids: jax.Array) -> jax.Array:
        positions = jnp.arange(ids.shape[1])
        return self.token_embedding(ids) + self.position_embedding(positions)


class TextModel(nnx.Module):
    """Ids and mask int32 [n, length] (mask: 1 for tokens, 0 for padding) -> TowerOutput, before the projection."""

    def __init__(self, config: ClipTextConfig, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        self.config = config
        self.embeddings = TextEmbeddings(config, rngs=rngs)
        self.encoder = Encoder(config, causal=True, dtype=dtype, rngs=rngs)
        self.final_layer_norm = _norm(config, rngs)

    def __call__(self, ids: jax.Array, mask: jax.Array) -> TowerOutput:
        x = self.encoder(self.embeddings(ids), mask.astype(bool)[:, None, None, :])
        x = self.final_layer_norm(x)
        ends = ids if self.config.pools_at_largest_id else ids == self.config.eos_token_id
        # argmax gives the first of equals, and so the EOS rather than a padding token of the same id.
        return TowerOutput(x, x[jnp.arange(x.shape[0]), jnp.argmax(ends, axis=1)])


class VisionEmbeddings(nnx.Module):
    """Pixels [n, image_size, image_size, 3] -> [n, num_positions, hidden_size]; the class position comes first."""

    def __init__(self, config: ClipVisionConfig, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        size, patch = config.hidden_size, (config.patch_size, config.patch_size)
        std = size**-0.5
        self.class_embedding = nnx.Param(normal(std)(rngs.params(), (size,), jnp.float32))
        self.patch_embedding = nnx.Conv(
            3, size, patch, strides=patch, padding="VALID", use_bias=False, dtype=dtype, rngs=rngs
        )
        self.position_embedding = nnx.Embed(config.num_positions, size, embedding_init=normal(std), rngs=rngs)

    def __call__(self, pixels: jax.Array) -> jax.Array:
        patches = self.patch_embedding(pixels)
        n, _, _, size = patches.shape
        first = jnp.broadcast_to(self.class_embedding[...], (n, 1, size))
        x = jnp.concatenate([first, patches.reshape(n, -1, size)], axis=1)
        return x + self.position_embedding(jnp.arange(x.shape[1]))


class VisionModel(nnx.Module):
    """Normalised pixels [n, image_size, image_size, 3] -> TowerOutput, before the projection."""

    def __init__(self, config: ClipVisionConfig, *, dtype: DTypeLike, rngs: nnx.Rngs) -> None:
        self.embeddings = VisionEmbeddings(config, dtype=dtype, rngs=rngs)
        self.pre_layrnorm = _norm(config, rngs)
        self.encoder = Encoder(config, causal=False, dtype=dtype, rngs=rngs)
        self.post_layernorm = _norm(config, rngs)

    def __call__(self, pixels: jax.Array) -> TowerOutput:
        x = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        return TowerOutput(x, self.post_layernorm(x[:, 0]))


class Clip(nnx.Module):
    """The whole model. dtype: what projections and the patch convolution compute in."""

    def __init__(self, config: ClipConfig, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs) -> None:
        self.config = config
        self.text_model = TextModel(config.text, dtype=dtype, rngs=rngs)
        self.vision_model = VisionModel(config.vision, dtype=dtype, rngs=rngs)
        self.text_projection = self._projection(config.text, dtype, rngs)
        self.visual_projection = self._projection(config.vision, dtype, rngs)
        self.logit_scale = nnx.Param(jnp.asarray(config.logit_scale_init_value, jnp.float32))

    def image_vectors(self, pixels: jax.Array) -> jax.Array:
        """Pixels as ClipPreprocessing leaves them, [n, image_size, image_size, 3] -> float32 [n, projection_dim] of
        unit length."""
        return _unit(self.visual_projection(self.vision_model(pixels).pooled))

    def text_vectors(self, ids: jax.Array, mask: jax.Array) -> jax.Array:
        """Ids and mask int32 [n, length] -> float32 [n, projection_dim] of unit length."""
        return _unit(self.text_projection(self.text_model(ids, mask).pooled))

    def scores(self, image_vectors: jax.Array, text_vectors: jax.Array) -> jax.Array:
        """[images, projection_dim], [texts, projection_dim] -> [images, texts]: cosine times exp(logit_scale), which
        the original calls logits_per_image."""
        cosines = jnp.einsum("id,td->it", image_vectors, text_vectors, precision=jax.lax.Precision.HIGHEST)
        return jnp.exp(self.logit_scale[...]) * cosines

    def _projection(self, tower: _TowerConfig, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Linear:
        size = tower.hidden_size
        return nnx.Linear(
            size, self.config.projection_dim, use_bias=False, kernel_init=normal(size**-0.5), dtype=dtype, rngs=rngs
        )


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True))
