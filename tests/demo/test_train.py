"""The whole training at one step a stage: what it writes is a model that the engine can draw with."""

from io import StringIO
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from bot.checkpoints.bundle import load_bundle
from bot.checkpoints.folders import ModelFolders
from bot.demo.train import DEMO_SAMPLING, train_demo
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.requests import GeneratedImage

ONE_STEP = 1e6


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_trained_can_be_drawn_with(tmp_path: Path) -> None:
    # Too late, then, to give the other tests of this process more devices.
    jax.devices()
    out, work = tmp_path / "mine", tmp_path / "work"
    train_demo(out, work, seed=0, console=Console(file=StringIO()), speed=ONE_STEP)
    names = ("vqgan", "dalle_bart", "clip")
    assert {file.name for file in work.iterdir()} == {f"{n}.{kind}" for n in names for kind in ("safetensors", "jsonl")}
    assert sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) < 12_000_000

    bundle = load_bundle(ModelFolders("mine", out / "dalle_bart", out / "vqgan", out / "clip"), dtype=jnp.float32)
    engine = JaxEngine(bundle, num_slots=1)
    assert (engine.info.name, engine.info.sampling) == ("mine", DEMO_SAMPLING)
    prefix = engine.prefill([PromptText("a red circle on a blue background")])
    assert prefix.notices == ((),)
    engine.insert(prefix, [SlotAssignment(0, 0, 0, 7, DEMO_SAMPLING)])
    engine.step(engine.info.image_length)
    [image] = engine.collect([0]).wait()
    assert isinstance(image, GeneratedImage)
    assert image.pixels.shape == (64, 64, 3)
    assert np.isfinite(image.score)
