"""What the tests of bot.fetch share: a hub on loopback, an empty cache, files of three networks, a quick patience."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from bot.fetch.transfer import Patience
from bot.startup import StartUp
from tests.fetch.hub_server import Files, Hub, serve

QUICK = Patience(attempts=3, wait_s=0.01, stalled_s=10.0)
WEIGHTS_BYTES = 300_000

CONFIGS = {
    "dalle_bart": {"model_type": "dallebart", "image_vocab_size": 16384, "image_length": 256},
    "vqgan": {"n_embed": 16384, "z_channels": 256, "ch_mult": [1, 1, 2, 2, 4]},
    "clip": {"model_type": "clip", "text_config": {}, "vision_config": {}},
}


def network_files(name: str, seed: int = 0) -> Files:
    """A network's folder: nothing that could be loaded, but all that fetching looks at."""
    weights = random.Random(f"{name}{seed}").randbytes(WEIGHTS_BYTES)
    return {
        "README.md": b"not needed",
        "config.json": json.dumps(CONFIGS[name]).encode(),
        "flax_model.msgpack": weights,
        "pytorch_model.bin": b"never read",
        "tokenizer.json": b'{"seed": %d}' % seed,
    }


def write_files(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, no token, and short time-outs. The client read its environment long ago."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)
    return tmp_path / "hub"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that is empty and behaves, and is where HF_ENDPOINT would point."""
    with serve(Hub()) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        yield hub


class Stages:
    """A listener that remembers each stage, how far it came, and the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.seen: list[tuple[str, int | None, int]] = []
        self._current: tuple[str, int | None] = ("", None)
        self._done = 0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self._current, self._done = (stage, total), 0

    def advance(self, done: int) -> None:
        self._done = done

    def end(self, stage: str, seconds: float) -> None:
        self.seen.append((*self._current, self._done))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def stages() -> Stages:
    return Stages()


@pytest.fixture
def start_up(stages: Stages) -> StartUp:
    return StartUp(stages)
