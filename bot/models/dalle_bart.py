"""DalleBart: a BART that reads words and writes image codes (dalle-mini 0.1.5, model/modeling.py).

The decoder has two ways through the same layers: `__call__` over whole sequences (training, parity) and `step`, one
token for every row, over a cache. Layers are separate modules in a Python loop: scanning over stacked ones copies
weights and caches at every step.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.models.attention import CrossAttention, KeyValues, SelfAttention
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.layers import GLU, Embeddings, Parts


class Memory(NamedTuple):
    """What the decoder needs of encoded texts.

    layers: for each decoder layer its cross-attention KeyValues, of length text_length.
    mask: bool [n, text_length], false at padding.
    """

    layers: tuple[KeyValues, ...]
    mask: jax.Array

    def first(self, text_length: int) -> "Memory":
        """What the first tokens of the texts left. Further axes may come before the heads, and before text_length."""
        return Memory(tuple(layer.first(text_length) for layer in self.layers), self.mask[..., :text_length])


class EncoderLayer(nnx.Module):
    def __init__(self, parts: Parts) -> None:
        config = parts.config
        self.self_norm = parts.norm_before_projection(config.d_model)
        self.self_attention = SelfAttention(config.encoder_attention_heads, parts)
        self.self_norm_out = parts.norm(config.d_model, scale=True)
        self.glu = GLU(config.encoder_ffn_dim, parts)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """x [n, length, d_model], mask bool [n, 1, length] -> like x."""
        x = x + self.self_norm_out(self.self_attention(self.self_norm(x), mask))
        return x + self.glu(x)


class Encoder(nnx.Module):
    def __init__(self, parts: Parts) -> None:
        config = parts.config
        self.embeddings = Embeddings(config.encoder_vocab_size, config.max_text_length, parts)
        self.layers = nnx.List([EncoderLayer(parts) for _ in range(config.encoder_layers)])
        self.final_ln = parts.norm_before_projection(config.d_model)

    def __call__(self, ids: jax.Array, mask: jax.Array) -> jax.Array:
        """ids int32 [n, length], mask (true or 1 at words) [n, length] -> [n, length, d_model]."""
        x = self.embeddings(ids, jnp.arange(ids.shape[1]))
        for layer in self.layers:
            x = layer(x, mask[:, None, :] > 0)
        hidden: jax.Array = self.final_ln(x)
        return hidden


class DecoderLayer(nnx.Module):
    def __init__(self, parts: Parts) -> None:
        config = parts.config
        self.self_norm = parts.norm_before_projection(config.d_model)
        self.self_attention = SelfAttention(config.decoder_attention_heads, parts)
        self.self_norm_out = parts.norm(config.d_model, scale=True)
        self.cross_norm = parts.norm_before_projection(config.d_model)
        self.cross_attention = CrossAttention(config.decoder_attention_heads, parts)
        self.cross_norm_out = parts.norm(config.d_model, scale=True)
        self.glu = GLU(config.decoder_ffn_dim, parts)

    def __call__(self, x: jax.Array, mask: jax.Array, text: KeyValues, text_mask: jax.Array) -> jax.Array:
        """x [n, t, d_model], mask bool [1, t, t], text of length [n], text_mask bool [n, length]."""
        x = x + self.self_norm_out(self.self_attention(self.self_norm(x), mask))
        x = x + self.cross_norm_out(self.cross_attention(self.cross_norm(x), text, text_mask))
        return x + self.glu(x)

    def step(
        self, x: jax.Array, cache: KeyValues, positions: jax.Array, length: int, text: KeyValues, text_mask: jax.Array
    ) -> tuple[jax.Array, KeyValues]:
        """One token per row: x [n, d_model] -> x and the cache with that token in it; see SelfAttention.step."""
        attended, cache = self.self_attention.step(self.self_norm(x), cache, positions, length)
        x = x + self.self_norm_out(attended)
        x = x + self.cross_norm_out(self.cross_attention.step(self.cross_norm(x), text, text_mask))
        return x + self.glu(x), cache


class Decoder(nnx.Module):
    def __init__(self, parts: Parts) -> None:
        config = parts.config
        self.embeddings = Embeddings(config.image_vocab_size + 1, config.image_length, parts)
        self.layers = nnx.List([DecoderLayer(parts) for _ in range(config.decoder_layers)])
        self.final_ln = parts.norm_before_projection(config.d_model)

    def __call__(self, tokens: jax.Array, memory: Memory, positions: jax.Array | None = None) -> jax.Array:
        """tokens int32 [n, t], the start token first -> [n, t, d_model].

        positions: int32 [n, t], rising along t, of tokens between which others are left out; None for 0 to t - 1.
        """
        length = tokens.shape[1]
        causal = jnp.tril(jnp.ones((1, length, length), bool))
        x = self.embeddings(tokens, jnp.arange(length) if positions is None else positions)
        for layer, text in zip(self.layers, memory.layers, strict=True):
            x = layer(x, causal, text, memory.mask)
        hidden: jax.Array = self.final_ln(x)
        return hidden

    def step(
        self, tokens: jax.Array, positions: jax.Array, caches: tuple[KeyValues, ...], length: int, memory: Memory
    ) -> tuple[jax.Array, tuple[KeyValues, ...]]:
        """The next hidden state of every row: tokens, positions int32 [n] -> float32 [n, d_model] and the new caches.

        `tokens[i]` stands at `positions[i]`; at position 0 that is the start token. caches: one per layer; they may
        have more than n rows, and more positions than `length`, which is static: neither is then looked at.
        """
        x = self.embeddings(tokens, positions)
        updated = []
        for layer, cache, text in zip(self.layers, caches, memory.layers, strict=True):
            x, cache = layer.step(x, cache, positions, length, text, memory.mask)
            updated.append(cache)
        return self.final_ln(x), tuple(updated)


class DalleBart(nnx.Module):
    """The whole model. dtype: what its products are made in. Vocabulary of the logits: image_vocab_size + 1.

    weights: how the matrices of encoder and decoder are kept; embeddings and lm_head are not quantised.
    """

    def __init__(
        self,
        config: DalleBartConfig,
        *,
        dtype: DTypeLike = jnp.float32,
        weights: WeightsKind = "same",
        rngs: nnx.Rngs,
    ) -> None:
        parts = Parts(config, dtype, rngs, weights)
        self.config = config
        self.encoder = Encoder(parts)
        self.decoder = Decoder(parts)
        self.lm_head = replace(parts, weights="same").linear(config.d_model, config.image_vocab_size + 1)

    def memory(self, ids: jax.Array, mask: jax.Array) -> Memory:
        """Encodes texts, int32 [n, max_text_length], and projects them for every decoder layer; float32."""
        hidden = self.encoder(ids, mask)
        layers = tuple(layer.cross_attention.key_values(hidden) for layer in self.decoder.layers)
        return Memory(layers, mask > 0)

    def logits(self, tokens: jax.Array, memory: Memory, positions: jax.Array | None = None) -> jax.Array:
        """Teacher forcing: tokens int32 [n, t], the start token first -> float32 [n, t, image_vocab_size + 1].

        positions: as for the decoder."""
        return self.lm_head(self.decoder(tokens, memory, positions))

    def step(
        self, tokens: jax.Array, positions: jax.Array, caches: tuple[KeyValues, ...], length: int, memory: Memory
    ) -> tuple[jax.Array, tuple[KeyValues, ...]]:
        """One token per row -> float32 logits [n, image_vocab_size + 1] and the new caches; see Decoder.step."""
        hidden, caches = self.decoder.step(tokens, positions, caches, length, memory)
        return self.lm_head(hidden), caches
