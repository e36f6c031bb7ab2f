"""The VQGAN against what vqgan-jax computes with the same weights, and its options."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints.vqgan import load_vqgan, name_of, network
from bot.errors import CheckpointError
from bot.models.network import Params, walk
from bot.models.vqgan import VQGANConfig, to_uint8
from tests.golden.sets import Folders, config_of, golden, listed

# The largest difference allowed, of values whose standard deviation is about 1. Measured: a tenth of it in float32. The
# original was not run in bfloat16; compared with its float32, this is what the dtype costs.
TOLERANCES = {"float32": 3e-5, "bfloat16": 0.15}

TINY = {
    "ch": 32,
    "ch_mult": [1, 1],
    "num_res_blocks": 0,
    "resolution": 8,
    "attn_resolutions": [],
    "z_channels": 8,
    "embed_dim": 4,
    "n_embed": 10,
}


@cache
def computed(folder: Path, dtype: str) -> dict[str, npt.NDArray[Any]]:
    """What the golden set holds, from its inputs."""
    net, config, params = load_vqgan(folder, dtype=dtype)

    @jax.jit
    def run(params: Params, codes: jax.Array, full: jax.Array, pixels: jax.Array) -> dict[str, jax.Array]:
        vqgan = net.bind(params)
        latents = vqgan.quantize.embedding(codes).reshape(codes.shape[0], 4, 4, config.embed_dim)
        quantised = vqgan.post_quant_conv(latents)
        first = vqgan.decoder.conv_in(quantised)
        image = vqgan.decode_codes(full)
        return {
            "stage_codebook_16": latents,
            "stage_post_quant_16": quantised,
            "stage_conv_in_16": first,
            "stage_mid_16": vqgan.decoder.mid(first),
            "image_16": vqgan.decode_codes(codes),
            "image_full": image,
            "uint8_full": to_uint8(image),
            "encode_indices": vqgan.encode(pixels),
        }

    data = golden("vqgan_tiny_opts")
    pixels = jnp.asarray(data["encode_pixels"], jnp.float32)
    out = run(params, jnp.asarray(data["codes_16"]), jnp.asarray(data["codes_full"]), pixels)
    return {name: np.asarray(value) for name, value in out.items()}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    "name",
    ["stage_codebook_16", "stage_post_quant_16", "stage_conv_in_16", "stage_mid_16", "image_16", "image_full"],
)
def test_golden(folders: Folders, dtype: str, name: str) -> None:
    ours = computed(folders("vqgan"), dtype)[name].astype(np.float32)
    want = golden("vqgan_tiny_opts")[name]
    np.testing.assert_allclose(ours, want, rtol=0, atol=TOLERANCES[dtype] * max(1.0, want.std()))


def test_golden_pixels(folders: Folders) -> None:
    ours, want = computed(folders("vqgan"), "float32")["uint8_full"], golden("vqgan_tiny_opts")["uint8_full"]
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - want).max() <= 1
    assert np.mean(ours != want) < 0.001


def test_golden_codes(folders: Folders) -> None:
    ours = computed(folders("vqgan"), "float32")["encode_indices"]
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, golden("vqgan_tiny_opts")["encode_indices"])


def test_pixels_are_clipped_then_truncated() -> None:
    levels = jnp.asarray([-0.5, 0.0, 0.999 / 255, 1 / 255 + 1e-6, 0.5, 1.0, 7.0])
    np.testing.assert_array_equal(to_uint8(levels), [0, 0, 0, 1, 127, 255, 255])


def test_released_names_and_shapes() -> None:
    """The defaults of vqgan-jax with 16384 codes are the released model; nothing is allocated."""
    net = network(VQGANConfig.from_json({"n_embed": 16384}))
    ours = {name_of(path): tuple(leaf.shape) for path, leaf in walk(net.shapes)}
    assert ours == listed("param_names_vqgan_f16_16384.txt")


@pytest.mark.parametrize("changes", [{}, {"double_z": True}, {"resamp_with_conv": True, "attn_resolutions": [4]}])
def test_every_option_decodes_what_it_encodes(changes: dict[str, Any]) -> None:
    net = network(VQGANConfig.from_json({**TINY, **changes}))
    pixels = jnp.zeros((2, 8, 8, 3))
    codes, image = jax.eval_shape(
        lambda p: ((codes := net.bind(p).encode(pixels)), net.bind(p).decode_codes(codes)), net.shapes
    )
    assert (codes.shape, codes.dtype) == ((2, 16), jnp.int32)
    assert image.shape == (2, 8, 8, 3)


def test_learned_resampling_pads_at_the_far_ends() -> None:
    """Downsampling reads pixels 0 to 2 for place 0, as in the original, rather than -1 to 1."""
    net = network(VQGANConfig.from_json({**TINY, "resamp_with_conv": True}))
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), net.shapes)
    conv = params["encoder"]["down"][0]["downsample"]["conv"]
    conv["kernel"] = jnp.zeros_like(conv["kernel"]).at[2, 2].set(jnp.eye(32))
    x = jnp.arange(64.0).reshape(1, 8, 8, 1) * jnp.ones((1, 1, 1, 32))
    downsample = net.bind(params).encoder.down[0].downsample
    assert downsample is not None
    y = downsample(x)
    np.testing.assert_array_equal(y[0, 0, :, 0], [18.0, 20.0, 22.0, 0.0])
    np.testing.assert_array_equal(y[0, 3, :, 0], [0.0] * 4)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("give_pre_end", True),
        ("out_ch", 1),
        ("in_channels", 4),
        ("ch", 48),
        ("ch", 0),
        ("ch", "128"),
        ("resolution", 62),
        ("resolution", True),
        ("ch_mult", []),
        ("ch_mult", [1, 0]),
        ("ch_mult", ["1"]),
        ("ch_mult", 2),
        ("attn_resolutions", [16.0]),
        ("num_res_blocks", -1),
        ("n_embed", 0),
        ("embed_dim", -4),
        ("z_channels", 0),
        ("double_z", 1),
    ],
)
def test_refuses_by_name(option: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"vqgan/config.json: option {option} .*{re.escape(repr(value))}"):
        VQGANConfig.from_json(config_of("vqgan_tiny_opts", **{option: value}), "vqgan/config.json")
