"""CLIP's preprocessing on the device against transformers' CLIPImageProcessor."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints.clip import network
from bot.errors import CheckpointError
from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig
from bot.models.clip_preprocess import CLIP_STD, ClipPreprocessing
from bot.models.network import nest, walk

GOLDEN = Path(__file__).parent.parent / "golden"

Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@pytest.fixture(scope="module", params=["256", "rect"])
def ours_and_theirs(request: pytest.FixtureRequest) -> Pair:
    """Normalised pixels [224, 224, 3] of one golden picture."""
    with np.load(GOLDEN / "clip_preprocess.npz") as golden:
        pixels = jax.jit(ClipPreprocessing(224))(jnp.asarray(golden[f"clip_in_{request.param}"])[None])
        return np.asarray(pixels[0]), golden[f"clip_px_{request.param}"].transpose(1, 2, 0)


def test_golden_pixels(ours_and_theirs: Pair) -> None:
    """Pillow sums in fixed point, so a rare pixel falls on the other side of a rounding: one level at most."""
    ours, theirs = ours_and_theirs
    levels = np.abs(ours - theirs) * np.asarray(CLIP_STD) * 255
    assert levels.max() < 1.01
    assert (levels > 0.01).mean() < 0.01


def test_golden_scores(ours_and_theirs: Pair) -> None:
    """At the released models' scale, exp(logit_scale) = 100."""
    text = ClipTextConfig(12, 16, 32, 1, 2, 6, eos_token_id=11)
    net = network(ClipConfig(text, ClipVisionConfig(64, 128, 1, 4), projection_dim=32))
    draw = np.random.default_rng(0)
    params = nest({path: draw.normal(0, 0.1, leaf.shape).astype(np.float32) for path, leaf in walk(net.shapes)})
    params["logit_scale"] = np.float32(np.log(100.0))

    @jax.jit
    def score(pixels: jax.Array) -> jax.Array:
        clip = net.bind(params)
        texts = clip.text_vectors(jnp.asarray([[1, 2, 11], [3, 4, 11]]), jnp.ones((2, 3), jnp.int32))
        return clip.scores(clip.image_vectors(pixels), texts)

    ours, theirs = (score(jnp.asarray(side)[None]) for side in ours_and_theirs)
    assert np.abs(theirs).max() > 1.0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.05)


def test_right_size_is_only_normalised() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    pixels = ClipPreprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))(jnp.asarray(levels))
    np.testing.assert_allclose(pixels * 255, levels, atol=1e-4)


def test_crops_the_centre() -> None:
    image = np.zeros((1, 4, 8, 3), np.uint8)
    image[:, :, 2:6] = 255
    pixels = ClipPreprocessing(4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))(jnp.asarray(image))
    np.testing.assert_array_equal(pixels, np.ones((1, 4, 4, 3)))


@pytest.mark.parametrize(
    "sizes",
    [
        {"size": 224, "crop_size": 224},
        {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}},
        {},
    ],
)
def test_reads_both_forms(sizes: dict[str, Any]) -> None:
    data = {**sizes, "resample": 3, "do_resize": True, "image_mean": [0.5, 0.5, 0.5]}
    assert ClipPreprocessing.from_json(data, 224) == ClipPreprocessing(224, (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"do_center_crop": False}, "do_center_crop"),
        ({"resample": 2}, "resample"),
        ({"size": 336}, "size"),
        ({"size": {"height": 224, "width": 224}}, "size"),
        ({"crop_size": {"height": 224, "width": 256}}, "crop_size"),
        ({"image_mean": [0.5, 0.5]}, "image_mean"),
        ({"image_std": [0.5, 0.5, 0.0]}, "image_std"),
        ({"image_std": "half"}, "image_std"),
    ],
)
def test_refuses_by_name(data: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named):
        ClipPreprocessing.from_json(data, 224)
