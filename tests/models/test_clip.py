"""CLIP against the golden outputs of transformers, and whether it can learn."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from jax.typing import DTypeLike

from bot.checkpoints.clip import load_clip, network
from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig
from bot.models.network import Params, walk

GOLDEN = Path(__file__).parent.parent / "golden"

SMALL = ClipConfig(
    ClipTextConfig(12, 16, 32, 1, 2, 6, eos_token_id=11), ClipVisionConfig(16, 32, 1, 2, 8, 4), projection_dim=8
)

Outputs = dict[str, npt.NDArray[np.float32]]


@cache
def golden() -> Outputs:
    with np.load(GOLDEN / "clip_tiny.npz") as file:
        return dict(file)


@cache
def computed(dtype: DTypeLike) -> Outputs:
    net, _, params = load_clip(GOLDEN / "clip_tiny", dtype=dtype)

    @jax.jit
    def run(params: Params, pixels: jax.Array, ids: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
        clip = net.bind(params)
        text, vision = clip.text_model(ids, mask), clip.vision_model(pixels)
        images, texts = clip.image_vectors(pixels), clip.text_vectors(ids, mask)
        return {
            "text_last_hidden_state": text.last_hidden_state,
            "text_pooler_output": text.pooled,
            "vision_last_hidden_state": vision.last_hidden_state,
            "vision_pooler_output": vision.pooled,
            "get_text_features": clip.text_projection(text.pooled),
            "get_image_features": clip.visual_projection(vision.pooled),
            "text_embeds": texts,
            "image_embeds": images,
            "logits_per_image": clip.scores(images, texts),
            "logits_per_text": clip.scores(images, texts).T,
            "logits_per_image_no_attention_mask": clip.scores(images, clip.text_vectors(ids, jnp.ones_like(mask))),
        }

    data = golden()
    pixels = jnp.asarray(data["pixel_values"].transpose(0, 2, 3, 1))
    out = run(params, pixels, jnp.asarray(data["input_ids"]), jnp.asarray(data["attention_mask"]))
    return {name: np.asarray(value, np.float32) for name, value in out.items()}


NAMES = [name for name in golden() if name not in ("input_ids", "attention_mask", "pixel_values")]


@pytest.mark.parametrize("name", NAMES)
def test_golden_float32(name: str) -> None:
    ours = computed(jnp.float32)[name.removeprefix("torch_")]
    np.testing.assert_allclose(ours, golden()[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["text_embeds", "image_embeds", "logits_per_image"])
def test_golden_bfloat16(name: str) -> None:
    scale = np.abs(golden()[name]).max()
    np.testing.assert_allclose(computed(jnp.bfloat16)[name], golden()[name], rtol=0, atol=0.02 * scale)


def test_vectors_have_unit_length() -> None:
    out = computed(jnp.float32)
    for name in ("text_embeds", "image_embeds"):
        np.testing.assert_allclose(np.linalg.norm(out[name], axis=-1), 1.0, rtol=1e-5)


@cache
def fresh() -> Params:
    return network(SMALL).init(0)


def pooled(eos_token_id: int, ids: list[int]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The pooled state, and all states, of one text."""
    net = network(replace(SMALL, text=replace(SMALL.text, eos_token_id=eos_token_id)))
    run = jax.jit(lambda params, ids: net.bind(params).text_model(ids, jnp.ones_like(ids)))
    out = run(fresh(), jnp.asarray([ids]))
    return np.asarray(out.pooled[0]), np.asarray(out.last_hidden_state[0])


@pytest.mark.parametrize(
    ("eos_token_id", "position"),
    [(7, 3), (11, 2), (2, 2)],
    ids=["first EOS", "EOS is padding too", "old configuration"],
)
def test_pooling_position(eos_token_id: int, position: int) -> None:
    vector, states = pooled(eos_token_id, [10, 4, 11, 7, 11, 7])
    np.testing.assert_array_equal(vector, states[position])


def test_text_does_not_see_what_follows() -> None:
    _, one = pooled(11, [10, 4, 5, 11, 0, 0])
    _, other = pooled(11, [10, 4, 5, 6, 11, 1])
    np.testing.assert_allclose(one[:3], other[:3], atol=1e-6)
    assert np.abs(one[3] - other[3]).max() > 1e-3


@pytest.mark.parametrize(("name", "at_one"), [("quick_gelu", 0.845795), ("gelu", 0.841345)])
def test_activations(name: str, at_one: float) -> None:
    """x * sigmoid(1.702 x), and x * Phi(x)."""
    net = network(replace(SMALL, vision=replace(SMALL.vision, hidden_act=name)))
    mlp = net.bind(fresh()).vision_model.encoder.layers[0].mlp
    np.testing.assert_allclose(mlp.activation(jnp.asarray(1.0)), at_one, atol=1e-5)


def contrastive_loss(params: Params, pixels: jax.Array, ids: jax.Array) -> jax.Array:
    clip = network(SMALL).bind(params)
    logits = clip.scores(clip.image_vectors(pixels), clip.text_vectors(ids, jnp.ones_like(ids)))
    matches = jnp.diag(jax.nn.log_softmax(logits, 0)) + jnp.diag(jax.nn.log_softmax(logits, 1))
    return -jnp.mean(matches)


def test_learns_pairs() -> None:
    pixels = jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
    ids = jnp.asarray([[10, i, i + 4, 11, 11, 11] for i in range(4)])
    gradient = jax.jit(jax.value_and_grad(contrastive_loss))
    params = fresh()
    first, slopes = gradient(params, pixels, ids)
    # Softmax does not feel what is added to every key alike.
    still = [path for path, leaf in walk(slopes) if not np.any(leaf) and path[-2:] != ("k_proj", "bias")]
    assert still == []
    for _ in range(30):
        _, slopes = gradient(params, pixels, ids)
        params = jax.tree.map(lambda p, g: p - 0.05 * g, params, slopes)
    last, _ = gradient(params, pixels, ids)
    assert last < 0.5 * first


def test_fresh_parameters_have_openais_deviations() -> None:
    params = fresh()
    layer = params["text_model"]["encoder"]["layers"][0]
    assert np.std(layer["self_attn"]["q_proj"]["kernel"]) == pytest.approx(16**-0.5, rel=0.15)
    assert np.std(layer["self_attn"]["out_proj"]["kernel"]) == pytest.approx((16 * 2) ** -0.5, rel=0.15)
    assert np.std(layer["mlp"]["fc2"]["kernel"]) == pytest.approx((16 * 2) ** -0.5, rel=0.15)
    np.testing.assert_allclose(params["logit_scale"], SMALL.logit_scale_init_value)
