"""The whole training at one step a stage: what it writes is a model that the engine can draw with."""

from io import StringIO
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from bot.checkpoints.bundle import load_bundle
from bot.checkpoints.folders import ModelFolders
from bot.demo import train
from bot.demo.folder import MIN_PICTURES
from bot.demo.stage_name import StageName
from bot.demo.train import DEMO_SAMPLING, train_demo
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.requests import GeneratedImage

SIZE_PX = 32
ONE_STEP = 1e6
STAGES: dict[StageName, str] = {"vqgan": "vqgan", "dalle-bart": "dalle_bart", "clip": "clip"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few gray pictures with captions that say which."""
    folder = tmp_path / "gray"
    folder.mkdir()
    for i in range(MIN_PICTURES):
        Image.new("L", (40, 40), 10 * i).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"gray number {i}", "utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_trained_on_a_folder_stage_by_stage_can_be_drawn_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SIZE_PX", SIZE_PX)
    # Too late, then, to give the other tests of this process more devices.
    jax.devices()
    out, work = tmp_path / "mine", tmp_path / "work"
    files = {"data.json"}
    for number, (stage, name) in enumerate(STAGES.items(), start=1):
        train_demo(out, work, seed=0, console=Console(file=StringIO()), data=data, only=stage, speed=ONE_STEP)
        files |= {f"{name}.safetensors", f"{name}.jsonl"}
        assert {file.name for file in work.iterdir()} >= files
        assert {folder.name for folder in out.iterdir()} == set(list(STAGES.values())[:number])
    assert sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) < 12_000_000

    bundle = load_bundle(ModelFolders("mine", out / "dalle_bart", out / "vqgan", out / "clip"), dtype=jnp.float32)
    engine = JaxEngine(bundle, num_slots=1)
    assert (engine.info.name, engine.info.sampling) == ("mine", DEMO_SAMPLING)
    prefix = engine.prefill([PromptText("gray number 3"), PromptText("a gray dragon")])
    assert prefix.notices == ((), ("I don't know “a” and “dragon”, and drew the rest.",))
    engine.insert(prefix, [SlotAssignment(0, 0, 0, 7, DEMO_SAMPLING)])
    engine.step(engine.info.image_length)
    [image] = engine.collect([0]).wait()
    assert isinstance(image, GeneratedImage)
    assert image.pixels.shape == (SIZE_PX, SIZE_PX, 3)
    assert np.isfinite(image.score)
