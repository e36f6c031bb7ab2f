"""From names to folders. The hub's client is replaced: nothing here reaches the network."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from bot.checkpoints import locate as module
from bot.checkpoints.folders import ModelFolders
from bot.checkpoints.locate import Source, locate, locate_model
from bot.errors import CheckpointNotFoundError

VQGAN, CLIP = Source("owner/vqgan", "abc123"), Source("owner/clip")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str | None]]:
    """What was asked of the hub: (id, revision)."""
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert "flax_model.msgpack" in allow_patterns
        assert not any(pattern.endswith((".bin", ".pt", ".ckpt", ".pkl")) for pattern in allow_patterns)
        asked.append((repo_id, revision))
        return str(tmp_path / "hub" / repo_id)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder that brings all three networks."""
    for name in ("dalle_bart", "vqgan", "clip"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    return tmp_path / "mine"


def test_a_folder_with_all_three_networks(whole: Path, downloads: list[Any]) -> None:
    found = locate_model(Source(str(whole)), vqgan=VQGAN, clip=CLIP)
    assert found == ModelFolders("mine", whole / "dalle_bart", whole / "vqgan", whole / "clip")
    assert downloads == []


def test_a_folder_is_called_by_its_name_however_it_is_written(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(whole)
    assert locate_model(Source("."), vqgan=VQGAN, clip=CLIP).name == "mine"


def test_the_demo_is_shipped(whole: Path, monkeypatch: pytest.MonkeyPatch, downloads: list[Any]) -> None:
    monkeypatch.setattr(module, "DEMO_FOLDER", whole)
    found = locate_model(Source("demo"), vqgan=VQGAN, clip=CLIP)
    assert found == ModelFolders("demo", whole / "dalle_bart", whole / "vqgan", whole / "clip")
    assert downloads == []


def test_a_demo_that_is_not_there_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEMO_FOLDER", tmp_path / "checkpoint")
    with pytest.raises(CheckpointNotFoundError, match=r"not in .*checkpoint: reinstall, or train it with dalle-bot tr"):
        locate_model(Source("demo"), vqgan=VQGAN, clip=CLIP)


@pytest.mark.parametrize(("name", "hub_id"), [("mini", "dalle-mini/dalle-mini"), ("mega", "dalle-mini/dalle-mega")])
def test_released_models_come_from_the_hub(
    name: str, hub_id: str, downloads: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = locate_model(Source(name, "v1"), vqgan=VQGAN, clip=CLIP)
    assert downloads == [(hub_id, "v1"), ("owner/vqgan", "abc123"), ("owner/clip", None)]
    hub = tmp_path / "hub"
    assert found == ModelFolders(name, hub / hub_id, hub / "owner/vqgan", hub / "owner/clip")


def test_a_folder_goes_before_the_hub(tmp_path: Path, downloads: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "clip").mkdir(parents=True)
    (tmp_path / "owner" / "clip" / "config.json").write_text("{}")
    assert locate(CLIP) == Path("owner/clip")
    assert downloads == []


def test_a_folder_that_is_no_model_is_named_before_anything_is_fetched(tmp_path: Path, downloads: list[Any]) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"config\.json: no such file, so this folder is not a model"):
        locate_model(Source(str(tmp_path)), vqgan=Source("owner/vqgan"), clip=CLIP)
    (tmp_path / "clip").mkdir()
    assert locate_model(Source(str(tmp_path)), vqgan=Source("owner/vqgan"), clip=CLIP).vqgan == tmp_path / "vqgan"
    assert downloads == []


@pytest.mark.parametrize(
    "name", ["nonsense", "./not/there", "~/not-there-at-all", "/not/there", "a/b/c", "owner/", "http://a/b"]
)
def test_what_can_be_no_model_is_named(name: str, downloads: list[Any]) -> None:
    with pytest.raises(CheckpointNotFoundError, match=f"There is no model '{name}': use demo, mini, mega, a folder"):
        locate(Source(name))
    assert downloads == []


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("offline"), OSError("disk full"), ConnectionError("refused")]
)
def test_a_download_that_fails_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointNotFoundError, match=r"owner/vqgan at revision abc123 could not be fetched \(\w+\)"):
        locate(VQGAN)


def test_a_name_that_the_hub_refuses_is_named() -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"a--b/c could not be fetched \(HFValidationError\)"):
        locate(Source("a--b/c"))
