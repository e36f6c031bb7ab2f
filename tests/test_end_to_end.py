"""Everything as it ships: processes of their own, the real engine, the demo checkpoint, pictures judged by pixels."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bot.checkpoints.json_file import read_json
from bot.collage import make_collage, read_metadata
from bot.demo.grammar import parse
from bot.demo.verify import verify
from bot.fetch.locate import DEMO_FOLDER
from tests.conftest import COLD_START_S
from tests.test_readme import set_up

pytestmark = pytest.mark.slow

PROMPT = "a red circle on a blue background"
# Programs that the other tests of the demo compile too, in the cache of all tests.
ENGINE = {"NUM_SLOTS": "9", "DETERMINISTIC": "true", "COMPILE_CACHE": "false"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What `imagine --json` told, and its pictures uint8 [height, width, 3], best first."""

    told: dict[str, Any]
    images: list[npt.NDArray[np.uint8]]
    collage: bytes


def dalle_bot(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in `folder`, without a token, a GPU or the network's proxies."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DALLE_BOT_", "DISCORD_"))}
    environment |= {f"DALLE_BOT_ENGINE__{name}": value for name, value in ENGINE.items()}
    environment |= {"DALLE_BOT_DATA_DIR": str(folder / "data"), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "bot", *args]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=COLD_START_S, check=False
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Nine pictures of PROMPT, seed 1."""
    folder = tmp_path_factory.mktemp("drawn")
    done = dalle_bot(folder, "imagine", PROMPT, "--seed", "1", "--images-dir", "single", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    images = [np.asarray(Image.open(folder / image["file"])) for image in told["images"]]
    return Drawn(told, images, (folder / told["collage"]).read_bytes())


def test_imagine_draws_ranks_and_writes(drawn: Drawn) -> None:
    scores = [image["score"] for image in drawn.told["images"]]
    assert len(scores) == 9
    assert scores == sorted(scores, reverse=True)
    assert sorted(image["index"] for image in drawn.told["images"]) == list(range(9))
    size_px = read_json(DEMO_FOLDER / "vqgan" / "config.json")["resolution"]
    assert {image.shape for image in drawn.images} == {(size_px, size_px, 3)}
    assert len({image.tobytes() for image in drawn.images}) > 1
    metadata = read_metadata(drawn.collage)
    assert (metadata["prompt"], metadata["seed"], metadata["model"]) == (PROMPT, "1", "demo")


def test_the_best_pictures_show_what_was_asked_for(drawn: Drawn) -> None:
    scene = parse(PROMPT)
    verdicts = [verify(image, scene) for image in drawn.images[:5]]
    assert sum(verdict.all_colours_ok for verdict in verdicts) >= 4


def test_a_search_finds_pictures_by_what_they_show(tmp_path: Path) -> None:
    """The pictures that are looked for are the oldest ones, and the words of their prompts aren't compared."""
    drawn = [
        "a red circle on a blue background",
        "a blue star on a white background",
        "a green square on a black background",
        "a yellow triangle on a blue background",
        "a blue circle on a white background",
    ]
    lines = [*(f"/imagine prompt:{prompt} images:2 seed:1" for prompt in drawn)]
    lines += ["/gallery prompt:a red circle", "/gallery prompt:a blue star"]
    done = dalle_bot(tmp_path, "sandbox", *(word for line in lines for word in ("--say", line)), "--json")
    assert done.returncode == 0, done.stderr
    transcript: list[dict[str, Any]] = json.loads(done.stdout)["transcript"]
    pages = [event["text"] for event in transcript if event["text"].startswith("Pictures of this server, the nearest")]
    found = [re.findall(r"^\d\. (.+) for @user", page, re.MULTILINE) for page in pages if "[Look closer" in page]
    assert [page[0] for page in found] == drawn[:2]
    assert [sorted(page) for page in found] == [sorted(drawn)] * 2


def test_the_readmes_command_plays_a_user_to_the_end(drawn: Drawn, tmp_path: Path) -> None:
    """As it stands, but for the installation, which .ci/run and the Dockerfile exercise, and what fixes the pictures.

    They are imagine's, drawn in another process.
    """
    program, *words = set_up(".")
    assert program == ".venv/bin/dalle-bot"
    said_at = words.index("--say") + 1
    assert words[said_at] == f"/imagine prompt:{PROMPT}"
    words[said_at] += " images:4 seed:1"
    done = dalle_bot(tmp_path, *words, "--json")
    assert done.returncode == 0, done.stderr
    transcript: list[dict[str, Any]] = json.loads(done.stdout)["transcript"]
    said, acknowledged, *_, last = transcript
    assert (said["kind"], said["text"]) == ("say", words[said_at])
    assert acknowledged["kind"] == "ack"
    assert acknowledged["t_s"] < 3
    assert "the model is still loading" in acknowledged["text"]
    assert (last["kind"], last["message_id"]) == ("edit", acknowledged["message_id"])
    assert PROMPT in last["text"]
    assert "seed 1" in last["text"]
    (name,) = last["files"]
    collage = tmp_path / words[words.index("--out") + 1] / name
    assert read_metadata(collage.read_bytes())["prompt"] == PROMPT
    ranked = zip(drawn.told["images"], drawn.images, strict=True)
    expected = make_collage([image for told, image in ranked if told["index"] < 4])
    np.testing.assert_array_equal(np.asarray(Image.open(collage)), np.asarray(expected))
