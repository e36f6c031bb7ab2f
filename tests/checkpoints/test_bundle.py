"""A whole model: what is loaded, and what happens where its three networks do not belong together."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from bot.checkpoints.bundle import RELEASED_SAMPLING, load_bundle, read_sampling
from bot.checkpoints.folders import ModelFolders
from bot.errors import CheckpointError
from bot.models.network import walk
from bot.requests import Sampling
from tests.golden.tiny_model import NUM_CODES, SAMPLING


def folders_of(root: Path) -> ModelFolders:
    return ModelFolders("tiny", root / "dalle_bart", root / "vqgan", root / "clip")


def edit(file: Path, **changes: Any) -> None:
    data = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps(data | changes), "utf-8")


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_only_dalle_bart_computes_in_the_dtype_asked_for(tiny_model: Path) -> None:
    bundle = load_bundle(folders_of(tiny_model), dtype=jnp.bfloat16)
    assert (bundle.name, bundle.vqgan_config.n_embed, bundle.dtype) == ("tiny", NUM_CODES, jnp.bfloat16)
    kernels = {
        name: {str(leaf.dtype) for path, leaf in walk(params) if path[-1] == "kernel"}
        for name, params in (("bart", bundle.bart_params), ("vqgan", bundle.vqgan_params), ("clip", bundle.clip_params))
    }
    assert kernels == {"bart": {"bfloat16"}, "vqgan": {"float32"}, "clip": {"float32"}}
    assert bundle.sampling == Sampling(**SAMPLING)  # type: ignore[arg-type]
    assert bundle.preprocess.image_size == bundle.vqgan_config.resolution


@pytest.mark.parametrize(
    ("network", "changes", "sentence"),
    [
        ("dalle_bart", {"encoder_vocab_size": 99}, r"dalle_bart: \d+ tokenizer ids, but encoder_vocab_size is 99\."),
        (
            "clip",
            {"text_config": {"vocab_size": 9, "eos_token_id": 2}},
            r"clip: \d+ tokenizer ids, but vocab_size is 9\.",
        ),
        ("vqgan", {"n_embed": 200}, r"vqgan: 200 codes \(n_embed\), but DalleBart's image_vocab_size is 128\."),
        (
            "vqgan",
            {"resolution": 32},
            r"vqgan: a picture has 64 codes here, but DalleBart writes 16 \(image_length\)\.",
        ),
    ],
)
def test_networks_that_do_not_belong_together(
    copied: Path, network: str, changes: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arrays are not looked at: each file is right in itself."""
    for module in ("dalle_bart", "vqgan", "clip"):
        monkeypatch.setattr(f"bot.checkpoints.{module}.Weights", lambda *args, **kwargs: None)
    edit(copied / network / "config.json", **changes)
    with pytest.raises(CheckpointError, match=sentence):
        load_bundle(folders_of(copied), dtype=jnp.float32)


def test_sampling_defaults_come_from_the_checkpoint_then_from_the_released_models(tmp_path: Path) -> None:
    edit(tmp_path / "config.json", top_k=7, temperature=0.5, d_model=64)
    assert read_sampling(tmp_path) == Sampling(10.0, 7, 1.0, 0.5)
    edit(tmp_path / "generation_config.json", condition_scale=2, top_k=None, temperature=0.8)
    assert read_sampling(tmp_path) == Sampling(2.0, RELEASED_SAMPLING.top_k, 1.0, 0.8)


@pytest.mark.parametrize(
    "wrong", [{"top_p": 0}, {"temperature": -1}, {"top_k": "many"}, {"condition_scale": [1]}, {"top_p": float("nan")}]
)
def test_impossible_sampling_defaults_are_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    edit(tmp_path / "config.json")
    edit(tmp_path / "generation_config.json", **wrong)
    with pytest.raises(CheckpointError, match=r"the sampling defaults are wrong\. "):
        read_sampling(tmp_path)
