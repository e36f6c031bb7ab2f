"""Everything as it ships: processes of their own, the real engine, the demo checkpoint, pictures judged by pixels."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.bench.quality import draw
from bot.collage import read_metadata
from bot.config import EngineSettings, Settings
from bot.demo.grammar import parse
from bot.demo.verify import verify
from bot.engine.open import open_engine
from bot.startup import StartUp

PROMPT = "a red circle on a blue background"
SEEDS = range(1, 6)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that only the first process compiles."""
    return tmp_path_factory.mktemp("data")


def dalle_bot(data_dir: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in `folder`, without a token, a GPU or the network's proxies."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DALLE_BOT_", "DISCORD_"))}
    environment |= {"DALLE_BOT_DATA_DIR": str(data_dir), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "bot", *args]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )


def test_imagine_draws_ranks_and_writes(data_dir: Path, tmp_path: Path) -> None:
    args = ("imagine", PROMPT, "--seed", "1", "--images-dir", "single", "--json")
    done = dalle_bot(data_dir, tmp_path, *args)
    assert (done.returncode, done.stderr) == (0, "")
    data: dict[str, Any] = json.loads(done.stdout)
    scores = [image["score"] for image in data["images"]]
    assert len(scores) == 9
    assert scores == sorted(scores, reverse=True)
    assert sorted(image["index"] for image in data["images"]) == list(range(9))
    for image in data["images"]:
        assert np.asarray(Image.open(tmp_path / image["file"])).shape == (64, 64, 3)
    metadata = read_metadata((tmp_path / data["collage"]).read_bytes())
    assert (metadata["prompt"], metadata["seed"], metadata["model"]) == (PROMPT, "1", "demo")

    again = json.loads(dalle_bot(data_dir, tmp_path, *args).stdout)
    assert again["images"] == data["images"], "the same seed draws the same pictures in another process"


def test_the_best_picture_shows_what_was_asked_for() -> None:
    engine = open_engine(Settings(engine=EngineSettings(num_slots=9, compile_cache=False)), StartUp())
    scene = parse(PROMPT)
    verdicts = [verify(draw(engine, PROMPT, seed, engine.info.sampling)[0][0], scene) for seed in SEEDS]
    assert sum(verdict.all_colours_ok for verdict in verdicts) >= len(SEEDS) - 1


def test_the_sandbox_plays_a_user_to_the_end(data_dir: Path, tmp_path: Path) -> None:
    line = f"/imagine prompt:{PROMPT} images:4 seed:1"
    done = dalle_bot(data_dir, tmp_path, "sandbox", "--say", line, "--out", "saved", "--json")
    assert done.returncode == 0, done.stderr
    transcript: list[dict[str, Any]] = json.loads(done.stdout)["transcript"]
    said, acknowledged, *_, last = transcript
    assert (said["kind"], said["text"]) == ("say", line)
    assert acknowledged["kind"] == "ack"
    assert acknowledged["t_s"] < 3
    assert "the model is still loading" in acknowledged["text"]
    assert (last["kind"], last["message_id"]) == ("edit", acknowledged["message_id"])
    assert PROMPT in last["text"]
    assert "seed 1" in last["text"]
    (name,) = last["files"]
    collage = tmp_path / "saved" / name
    assert np.asarray(Image.open(collage)).shape == (536, 536, 3)
    assert read_metadata(collage.read_bytes())["prompt"] == PROMPT
