"""VQGAN: pixels to codes and codes to pixels (vqgan-jax, modeling_flax_vqgan.py; Esser et al., arXiv:2012.09841).

Everything is NHWC. Attribute names follow the checkpoint's, so that `up[1].block[0]` is `up_1/block_0` in the file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from bot.errors import CheckpointError
from bot.models.config_json import pick, refuse_options, require_positive
from bot.models.convolution import Convolution, GroupNorm


@dataclass(frozen=True)
class VQGANConfig:
    """Options of vqgan-jax, with its defaults (configuration_vqgan.py)."""

    ch: int = 128
    in_channels: int = 3
    num_res_blocks: int = 2
    resolution: int = 256
    z_channels: int = 256
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    attn_resolutions: tuple[int, ...] = (16,)
    n_embed: int = 1024
    embed_dim: int = 256
    double_z: bool = False
    resamp_with_conv: bool = True

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str = "config.json") -> "VQGANConfig":
        """Reads the original's config. Raises CheckpointError naming an option that is wrong or not supported."""
        refuse_options(data, {"give_pre_end": False, "out_ch": 3, "in_channels": 3}, source)
        config = pick(cls, data, source)
        require_positive(config, ("ch", "resolution", "z_channels", "ch_mult", "n_embed", "embed_dim"), source)
        if config.num_res_blocks < 0:
            raise CheckpointError(f"{source}: option num_res_blocks must be at least 0, not {config.num_res_blocks}.")
        if config.ch % 32:
            raise CheckpointError(
                f"{source}: option ch must be a multiple of 32 (GroupNorm's groups), not {config.ch}."
            )
        if config.resolution % 2 ** (len(config.ch_mult) - 1):
            raise CheckpointError(
                f"{source}: option resolution = {config.resolution} can't be halved as often as needed."
            )
        return config

    @property
    def grid(self) -> int:
        """Codes along one side of a picture."""
        return int(self.resolution // 2 ** (len(self.ch_mult) - 1))


@dataclass(frozen=True)
class _Parts:
    """Makes the layers of one dtype."""

    dtype: DTypeLike
    rngs: nnx.Rngs

    def conv(
        self, features_in: int, features_out: int, kernel: int = 3, *, stride: int = 1, pad: int = 1
    ) -> Convolution:
        return Convolution(features_in, features_out, kernel, stride=stride, pad=pad, dtype=self.dtype, rngs=self.rngs)

    def pointwise(self, features_in: int, features_out: int) -> Convolution:
        return self.conv(features_in, features_out, 1, pad=0)

    def norm(self, features: int) -> GroupNorm:
        # Statistics and result stay in float32 whatever the convolutions compute in, as in the original.
        return GroupNorm(features, groups=32, epsilon=1e-6)


class ResnetBlock(nnx.Module):
    """[n, h, w, features_in] -> [n, h, w, features_out]."""

    def __init__(self, features_in: int, features_out: int, parts: _Parts) -> None:
        self.norm1 = parts.norm(features_in)
        self.conv1 = parts.conv(features_in, features_out)
        self.norm2 = parts.norm(features_out)
        self.conv2 = parts.conv(features_out, features_out)
        if features_in != features_out:
            self.nin_shortcut = parts.pointwise(features_in, features_out)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.conv1(nnx.swish(self.norm1(x)))
        y = self.conv2(nnx.swish(self.norm2(y)))
        return y + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nnx.Module):
    """Single-head self-attention over all places: [n, h, w, features] -> the same."""

    def __init__(self, features: int, parts: _Parts) -> None:
        self.norm = parts.norm(features)
        self.q = parts.pointwise(features, features)
        self.k = parts.pointwise(features, features)
        self.v = parts.pointwise(features, features)
        self.proj_out = parts.pointwise(features, features)

    def __call__(self, x: jax.Array) -> jax.Array:
        n, h, w, features = x.shape
        y = self.norm(x)
        q, k, v = (layer(y).reshape(n, h * w, features) for layer in (self.q, self.k, self.v))
        weights = nnx.softmax(jnp.einsum("nqc,nkc->nqk", q, k) * features**-0.5, axis=2)
        y = jnp.einsum("nqk,nkc->nqc", weights, v).reshape(n, h, w, features)
        return x + self.proj_out(y)


class Upsample(nnx.Module):
    """[n, h, w, features] -> [n, 2h, 2w, features]: nearest, then a convolution where the config has learned ones."""

    def __init__(self, features: int, learned: bool, parts: _Parts) -> None:
        if learned:
            self.conv = parts.conv(features, features)

    def __call__(self, x: jax.Array) -> jax.Array:
        if hasattr(self, "conv"):
            return self.conv.of_enlarged(x)
        return x.repeat(2, axis=1).repeat(2, axis=2)


class Downsample(nnx.Module):
    """[n, h, w, features] -> [n, h/2, w/2, features]: strided convolution, padded at the far ends only, or the mean."""

    def __init__(self, features: int, learned: bool, parts: _Parts) -> None:
        if learned:
            self.conv = parts.conv(features, features, stride=2, pad=0)

    def __call__(self, x: jax.Array) -> jax.Array:
        if hasattr(self, "conv"):
            return self.conv(jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))))
        n, h, w, features = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, features).mean((2, 4))


class Stage(nnx.Module):
    """Residual blocks of one resolution, attention after each where the config asks for it, then a resampling."""

    def __init__(
        self,
        widths: list[int],
        attention: bool,
        parts: _Parts,
        *,
        downsample: Downsample | None = None,
        upsample: Upsample | None = None,
    ) -> None:
        pairs = list(pairwise(widths))
        self.block = nnx.List([ResnetBlock(a, b, parts) for a, b in pairs])
        self.attn = nnx.List([AttnBlock(b, parts) for _, b in pairs] if attention else [])
        self.downsample = downsample
        self.upsample = upsample

    def __call__(self, x: jax.Array) -> jax.Array:
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for resample in (self.downsample, self.upsample):
            if resample is not None:
                x = resample(x)
        return x


class MidBlock(nnx.Module):
    """Residual block, attention, residual block at the lowest resolution."""

    def __init__(self, features: int, parts: _Parts) -> None:
        self.block_1 = ResnetBlock(features, features, parts)
        self.attn_1 = AttnBlock(features, parts)
        self.block_2 = ResnetBlock(features, features, parts)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.block_2(self.attn_1(self.block_1(x)))


class Encoder(nnx.Module):
    """Pixels [n, resolution, resolution, 3] in 0..1 -> [n, grid, grid, z_channels (twice that with double_z)]."""

    def __init__(self, config: VQGANConfig, parts: _Parts) -> None:
        widths = [config.ch, *(config.ch * m for m in config.ch_mult)]
        last = len(config.ch_mult) - 1
        self.conv_in = parts.conv(config.in_channels, config.ch)
        stages = []
        for i in range(last + 1):
            blocks = [widths[i]] + [widths[i + 1]] * config.num_res_blocks
            attention = config.resolution // 2**i in config.attn_resolutions
            downsample = Downsample(widths[i + 1], config.resamp_with_conv, parts) if i != last else None
            stages.append(Stage(blocks, attention, parts, downsample=downsample))
        self.down = nnx.List(stages)
        self.mid = MidBlock(widths[-1], parts)
        self.norm_out = parts.norm(widths[-1])
        self.conv_out = parts.conv(widths[-1], config.z_channels * (2 if config.double_z else 1))

    def __call__(self, pixels: jax.Array) -> jax.Array:
        x = self.conv_in(pixels)
        for stage in self.down:
            x = stage(x)
        return self.conv_out(nnx.swish(self.norm_out(self.mid(x))))


class Decoder(nnx.Module):
    """[n, grid, grid, z_channels] -> pixels [n, resolution, resolution, 3], not clipped."""

    def __init__(self, config: VQGANConfig, parts: _Parts) -> None:
        widths = [config.ch * m for m in config.ch_mult]
        widths.append(widths[-1])
        self.conv_in = parts.conv(config.z_channels, widths[-1])
        self.mid = MidBlock(widths[-1], parts)
        stages = []
        for i in range(len(config.ch_mult)):
            blocks = [widths[i + 1]] + [widths[i]] * (config.num_res_blocks + 1)
            attention = config.resolution // 2**i in config.attn_resolutions
            upsample = Upsample(widths[i], config.resamp_with_conv, parts) if i else None
            stages.append(Stage(blocks, attention, parts, upsample=upsample))
        self.up = nnx.List(stages)
        self.norm_out = parts.norm(widths[0])
        self.conv_out = parts.conv(widths[0], 3)

    def __call__(self, z: jax.Array) -> jax.Array:
        x = self.mid(self.conv_in(z))
        for stage in reversed(self.up):
            x = stage(x)
        return self.conv_out(nnx.swish(self.norm_out(x)))


class VectorQuantizer(nnx.Module):
    """The codebook: embedding [n_embed, embed_dim]."""

    def __init__(self, config: VQGANConfig, parts: _Parts) -> None:
        self.embedding = nnx.Embed(config.n_embed, config.embed_dim, rngs=parts.rngs)

    def nearest(self, z: jax.Array) -> jax.Array:
        """[..., embed_dim] -> indices of the nearest codes by Euclidean distance, int32 [...]."""
        codes = self.embedding.embedding[...]
        distance = jnp.sum(codes**2, axis=1) - 2 * z @ codes.T
        return jnp.argmin(distance, axis=-1).astype(jnp.int32)


class VQGAN(nnx.Module):
    """The whole model. dtype: what the convolutions compute in."""

    def __init__(self, config: VQGANConfig, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs) -> None:
        parts = _Parts(dtype, rngs)
        self.config = config
        self.encoder = Encoder(config, parts)
        self.decoder = Decoder(config, parts)
        self.quantize = VectorQuantizer(config, parts)
        self.quant_conv = parts.pointwise(config.z_channels * (2 if config.double_z else 1), config.embed_dim)
        self.post_quant_conv = parts.pointwise(config.embed_dim, config.z_channels)

    def latents(self, pixels: jax.Array) -> jax.Array:
        """Pixels [n, resolution, resolution, 3] in 0..1 -> float [n, grid, grid, embed_dim], not yet quantised."""
        return self.quant_conv(self.encoder(pixels))

    def encode(self, pixels: jax.Array) -> jax.Array:
        """Pixels [n, resolution, resolution, 3] in 0..1 -> codes int32 [n, grid * grid], row by row."""
        codes = self.quantize.nearest(self.latents(pixels))
        return codes.reshape(codes.shape[0], -1)

    def decode(self, latents: jax.Array) -> jax.Array:
        """[n, grid, grid, embed_dim] -> pixels float [n, resolution, resolution, 3], not clipped."""
        return self.decoder(self.post_quant_conv(latents))

    def decode_codes(self, codes: jax.Array) -> jax.Array:
        """Codes int32 [n, grid * grid] -> pixels float [n, resolution, resolution, 3], not clipped.

        Codes must lie in [0, n_embed); the original turns a whole picture into NaN for a single one outside.
        """
        grid = math.isqrt(codes.shape[1])
        latents = self.quantize.embedding(codes).reshape(codes.shape[0], grid, grid, -1)
        return self.decode(latents)


def to_uint8(pixels: jax.Array) -> jax.Array:
    """Float pixels, nominally in 0..1 -> uint8: clipped, times 255, truncated, as the original pipeline does."""
    return (jnp.clip(pixels.astype(jnp.float32), 0.0, 1.0) * 255.0).astype(jnp.uint8)
