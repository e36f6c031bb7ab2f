"""The whole training at one step a stage, small: what it writes is a model that the engine can draw with."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.numpy import save_file

from bot.checkpoints.bundle import load_bundle
from bot.checkpoints.folders import ModelFolders
from bot.demo import train, train_clip, train_dalle_bart, train_vqgan
from bot.demo.folder import MIN_PICTURES
from bot.demo.stage_name import StageName
from bot.demo.train import DEMO_SAMPLING, train_demo
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig
from bot.requests import GeneratedImage

SIZE_PX = 32
ONE_STEP = 1e6
QUIET = Console(file=StringIO())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few gray pictures with captions that say which."""
    folder = tmp_path / "gray"
    folder.mkdir()
    for i in range(MIN_PICTURES):
        Image.new("L", (40, 40), 10 * i).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"gray number {i}", "utf-8")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and batches that compile and run fast."""

    def small_config(vocabulary: int, vqgan_config: VQGANConfig, width: int) -> DalleBartConfig:
        return replace(full_config(vocabulary, vqgan_config, width), encoder_layers=1, decoder_layers=1)

    def small_config_json(vocabulary: int, eos_id: int, size_px: int, width: int) -> dict[str, Any]:
        options = full_config_json(vocabulary, eos_id, size_px, width)
        for tower in ("text_config", "vision_config"):
            options[tower]["num_hidden_layers"] = 1
        return options

    full_config, full_config_json = train_dalle_bart.config, train_clip.config_json
    monkeypatch.setattr(train_dalle_bart, "config", small_config)
    monkeypatch.setattr(train_clip, "config_json", small_config_json)
    monkeypatch.setattr(train, "SIZE_PX", SIZE_PX)
    for module in (train_vqgan, train_dalle_bart, train_clip):
        monkeypatch.setattr(module, "BATCH", 4)
    for name in ("PICTURES", "SPARSE_BATCH"):
        monkeypatch.setattr(train_dalle_bart, name, 4)
    monkeypatch.setattr(train_clip, "SPOILT", 2)
    monkeypatch.setattr(train_clip, "BLOCK", 4)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("small", "unoptimised")
def test_what_is_trained_on_a_folder_can_be_drawn_with(data: Path, tmp_path: Path) -> None:
    # Too late, then, to give the other tests of this process more devices.
    jax.devices()
    out, work = tmp_path / "mine", tmp_path / "work"
    train_demo(out, work, seed=0, console=QUIET, data=data, speed=ONE_STEP)
    names = ("vqgan", "dalle_bart", "clip")
    expected = {"data.json", *(f"{name}.{kind}" for name in names for kind in ("safetensors", "jsonl"))}
    assert {file.name for file in work.iterdir()} >= expected

    bundle = load_bundle(ModelFolders("mine", out / "dalle_bart", out / "vqgan", out / "clip"), dtype=jnp.float32)
    engine = JaxEngine(bundle, num_slots=1)
    assert (engine.info.name, engine.info.sampling) == ("mine", DEMO_SAMPLING)
    prefix = engine.prefill([PromptText("gray number 3"), PromptText("a gray dragon")])
    assert [list(map(str, row)) for row in prefix.notices] == [
        [],
        ["I don't know “a” and “dragon”, and drew the rest."],
    ]
    engine.insert(prefix, [SlotAssignment(0, 0, 0, 7, DEMO_SAMPLING)])
    engine.step(engine.info.image_length)
    [image] = engine.collect([0]).wait()
    assert isinstance(image, GeneratedImage)
    assert image.pixels.shape == (SIZE_PX, SIZE_PX, 3)
    assert np.isfinite(image.score)


@pytest.mark.parametrize(
    ("only", "written"),
    [
        (None, ["vqgan", "dalle-bart", "clip"]),
        ("vqgan", ["vqgan"]),
        ("dalle-bart", ["dalle-bart"]),
        ("clip", ["clip"]),
    ],
)
def test_one_stage_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: StageName | None, written: list[str]
) -> None:
    done: list[str] = []

    def train_vqgan(run: object, *, write: bool) -> None:
        done.extend(["vqgan"] if write else [])

    for name in ("use_every_core", "keep_freed_memory"):
        monkeypatch.setattr(train, name, lambda: None)
    monkeypatch.setattr(train, "_train_vqgan", train_vqgan)
    monkeypatch.setattr(train, "_train_dalle_bart", lambda run, codec: done.append("dalle-bart"))
    monkeypatch.setattr(train, "_train_clip", lambda run, codec: done.append("clip"))
    save_file({}, tmp_path / "vqgan.safetensors", {"step": "5", "num_steps": "5"})
    train_demo(tmp_path, tmp_path, seed=0, console=QUIET, only=only)
    assert done == written


def test_an_unfinished_vqgan_teaches_nothing(tmp_path: Path) -> None:
    save_file({}, tmp_path / "vqgan.safetensors", {"step": "4", "num_steps": "5"})
    with pytest.raises(ConfigError, match=r"^--stage clip: it learns from a finished VQGAN, and .* has none"):
        train_demo(tmp_path, tmp_path, seed=0, console=QUIET, only="clip")


def test_wider_networks_are_wider_throughout() -> None:
    narrow, wide = (train_vqgan.config(128, width) for width in (1, 2))
    assert (wide.ch, wide.z_channels, wide.grid) == (2 * narrow.ch, 2 * narrow.z_channels, narrow.grid)
    narrow_bart, wide_bart = (train_dalle_bart.config(50, narrow, width) for width in (1, 2))
    assert wide_bart.d_model == 2 * narrow_bart.d_model
    assert wide_bart.decoder_ffn_dim == 2 * narrow_bart.decoder_ffn_dim
    assert wide_bart.d_model // wide_bart.decoder_attention_heads == narrow_bart.d_model // (
        narrow_bart.decoder_attention_heads
    )
    narrow_clip, wide_clip = (ClipConfig.from_json(train_clip.config_json(50, 3, 128, width)) for width in (1, 2))
    assert wide_clip.vision.hidden_size == 2 * narrow_clip.vision.hidden_size
    assert wide_clip.text.hidden_size == 2 * narrow_clip.text.hidden_size
