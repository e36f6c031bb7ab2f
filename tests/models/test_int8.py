"""The quantiser's promises, and that a model of int8 matrices computes what their products with the scales say."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as Spec

from bot.models import int8
from bot.models.attention import KeyValues
from bot.models.dalle_bart import DalleBart, Memory
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import Int8Linear, quantize
from bot.models.network import Network, Params, walk

CONFIG = DalleBartConfig(
    encoder_vocab_size=8,
    image_vocab_size=8,
    image_length=4,
    max_text_length=4,
    d_model=16,
    encoder_layers=1,
    encoder_ffn_dim=24,
    encoder_attention_heads=2,
    decoder_layers=1,
    decoder_ffn_dim=24,
    decoder_attention_heads=2,
)


def test_an_output_channel_is_off_by_half_of_its_own_scale_at_most() -> None:
    # Channels of very different size: one scale for all of them, or for each input, would lose the small ones.
    sizes = np.asarray([1e-4, 0.02, 1.0, 300.0], np.float32)
    kernel = np.random.default_rng(0).standard_normal((4, 64), np.float32) * sizes[:, None]
    quantised, scale = jax.jit(quantize)(jnp.asarray(kernel))
    assert (quantised.dtype, quantised.shape) == (jnp.int8, (4, 64))
    assert (scale.dtype, scale.shape) == (jnp.float32, (4,))
    np.testing.assert_allclose(scale, np.abs(kernel).max(axis=1) / 127, rtol=1e-6)
    scales = np.asarray(scale)[:, None]
    error = np.abs(np.asarray(quantised, np.float32) * scales - kernel)
    assert np.all(error <= scales * 0.5001)
    np.testing.assert_array_equal(np.abs(np.asarray(quantised, np.int32)).max(axis=1), 127)


def test_negating_a_kernel_negates_its_int8() -> None:
    kernel = jax.random.normal(jax.random.key(0), (32, 8))
    np.testing.assert_array_equal(quantize(kernel)[0], -quantize(-kernel)[0])


@pytest.mark.parametrize("value", [0.0, 1e-45])
def test_a_channel_of_nothing_stays_nothing(value: float) -> None:
    quantised, scale = quantize(jnp.full((2, 3), value, jnp.float32))
    np.testing.assert_array_equal(quantised, 0)
    np.testing.assert_array_equal(scale, 1.0)


@pytest.mark.parametrize("features_in", [64, 546, 1024])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_layer_multiplies_by_int8_times_scale(dtype: str, features_in: int) -> None:
    layer = Int8Linear(features_in, 16, dtype=dtype, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (2, 3, features_in)).astype(dtype)
    kernel = np.asarray(layer.kernel[...], np.float64).T * np.asarray(layer.kernel_scale[...], np.float64)
    y = layer(x)
    assert y.dtype == jnp.float32
    # Float32's rounding, however wrong the sum would be in the dtype itself.
    np.testing.assert_allclose(np.asarray(y, np.float64), np.asarray(x, np.float64) @ kernel, rtol=2**-20, atol=1e-5)


def test_both_ways_to_multiply_give_the_same() -> None:
    """Graphics cards take the second, which no CPU would reach otherwise."""
    x = jax.random.normal(jax.random.key(0), (3, 2730))
    kernel, _ = quantize(jax.random.normal(jax.random.key(1), (546, 2730)))
    blocks, at_once = jax.jit(int8._in_blocks)(x, kernel), jax.jit(int8._at_once)(x, kernel)
    # Sums of 2730 terms of about 40 each, in float32.
    np.testing.assert_allclose(blocks, at_once, atol=0.02)


def test_no_program_holds_all_matrices_in_another_form() -> None:
    """Twelve layers in a loop; the bound is three of its matrices in float32."""
    config = replace(CONFIG, d_model=512, decoder_layers=12, decoder_ffn_dim=512, decoder_attention_heads=32)
    net = Network(lambda rngs: DalleBart(config, weights="int8", rngs=rngs))
    layer = text = KeyValues.zeros((1, 32), 16, 4, jnp.float32)
    memory = Memory((text,) * 12, jnp.ones((1, 4), bool))

    @jax.jit
    def run(params: Params) -> jax.Array:
        bart = net.bind(params)

        def step(i: jax.Array, token: jax.Array) -> jax.Array:
            logits, _ = bart.step(token, jnp.full(1, i), (layer,) * 12, 4, memory)
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)

        last: jax.Array = jax.lax.fori_loop(0, 4, step, jnp.zeros(1, jnp.int32))
        return last

    analysis = run.lower(net.shapes).compile().memory_analysis()
    assert analysis is not None
    assert analysis.temp_size_in_bytes < 3 * 512 * 512 * 4


def test_a_layer_works_on_each_device_of_a_mesh() -> None:
    layer = Int8Linear(512, 8, dtype=jnp.float32, rngs=nnx.Rngs(0))
    mesh = jax.make_mesh((1,), ("slots",), (jax.sharding.AxisType.Auto,))
    spread = jax.shard_map(layer, mesh=mesh, in_specs=Spec("slots"), out_specs=Spec("slots"))
    x = jax.random.normal(jax.random.key(0), (3, 512))
    np.testing.assert_array_equal(jax.jit(spread)(x), jax.jit(layer)(x))


def test_a_sum_beyond_the_range_of_float16_is_scaled_before_it_is_stored() -> None:
    layer = Int8Linear(1024, 1, dtype=jnp.float16, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.full((1, 1024), 127, jnp.int8)
    layer.kernel_scale[...] = jnp.full(1, 1e-3)
    # 1024 * 127 = 130048, and float16 ends at 65504.
    np.testing.assert_allclose(layer(jnp.ones((1, 1024), jnp.float16)), 130.048, rtol=1e-3)


def test_every_matrix_of_the_layers_is_int8_and_nothing_else() -> None:
    shapes = dict(walk(Network(lambda rngs: DalleBart(CONFIG, weights="int8", rngs=rngs)).shapes))
    plain = dict(walk(Network(lambda rngs: DalleBart(CONFIG, rngs=rngs)).shapes))
    matrices = {path for path in plain if path[-1] == "kernel" and path != ("lm_head", "kernel")}
    assert {path for path, leaf in shapes.items() if leaf.dtype == jnp.int8} == matrices
    assert set(shapes) == set(plain) | {(*path[:-1], "kernel_scale") for path in matrices}
    for path in matrices:
        assert shapes[path].shape == plain[path].shape
        scale = shapes[*path[:-1], "kernel_scale"]
        assert (scale.shape, scale.dtype) == (plain[path].shape[:1], jnp.float32)
