"""W&B artifacts: the real library, which starts a process of its own, against a stand-in on loopback."""

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.config import ModelSettings
from bot.errors import CheckpointNotFoundError, FetchError
from bot.fetch import FetchReport, fetch_model, locate_model
from bot.fetch.parts import DALLE_BART
from bot.fetch.remote import BrokenOffError
from bot.fetch.source import WandbSource
from bot.fetch.wandb_artifact import WandbArtifact
from bot.startup import StartUp
from tests.fetch.conftest import QUICK, WEIGHTS_BYTES, Stages, network_files, write_files
from tests.fetch.wandb_server import KEY, Wandb, serve

WEIGHTS = "flax_model.msgpack"
LATEST = WandbSource("team", "project", "mega", "latest")

needs_wandb = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="comes with the extra `wandb`")


@pytest.fixture(scope="module")
def _library() -> Iterator[None]:
    """One process of the library's for all tests."""
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


@pytest.fixture
def wandb(_library: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wandb]:
    """W&B with one version of team/project/mega."""
    with serve(Wandb([network_files("dalle_bart")])) as wandb:
        environ = {"WANDB_BASE_URL": wandb.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}
        folders = dict.fromkeys(("HOME", "WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"), str(tmp_path / "home"))
        (tmp_path / "home").mkdir()
        for name, value in (environ | folders).items():
            monkeypatch.setenv(name, value)
        yield wandb


def client(source: WandbSource = LATEST, *, tmp_path: Path) -> WandbArtifact:
    return WandbArtifact(source, DALLE_BART, tmp_path / "weights")


def settings(tmp_path: Path, version: str = "latest") -> ModelSettings:
    others = {part: tmp_path / part for part in ("vqgan", "clip")}
    for part, folder in others.items():
        if not folder.exists():
            write_files(folder, network_files(part))
    return ModelSettings(
        name=f"wandb:team/project/mega:{version}", vqgan=str(others["vqgan"]), clip=str(others["clip"])
    )


def fetch(tmp_path: Path, *, update: bool = False) -> FetchReport:
    return fetch_model(settings(tmp_path), tmp_path / "data", StartUp(Stages()), update=update, patience=QUICK)


@needs_wandb
def test_an_artifact_is_resolved_fetched_verified_and_held(wandb: Wandb, tmp_path: Path) -> None:
    part = fetch(tmp_path).parts[0]
    assert (part.source, part.version, part.unverified) == ("wandb:team/project/mega:latest", "v0", ())
    assert part.files == ("config.json", "tokenizer.json", WEIGHTS)
    assert {name: (part.folder / name).read_bytes() for name in part.files} == {
        name: network_files("dalle_bart")[name] for name in part.files
    }
    assert part.folder.parent == tmp_path / "data" / "weights"
    assert part.folder.name.startswith("wandb-team-project-mega-")

    wandb.versions.append(network_files("dalle_bart", seed=1))
    assert fetch(tmp_path).parts[0].version == "v0"
    newer = fetch(tmp_path, update=True).parts[0]
    assert newer.version == "v1"
    assert newer.folder != part.folder
    assert (newer.folder / WEIGHTS).read_bytes() == network_files("dalle_bart", seed=1)[WEIGHTS]


@needs_wandb
def test_a_second_start_asks_nobody(wandb: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetch(tmp_path)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert locate_model(settings(tmp_path), tmp_path / "data", StartUp(Stages()), patience=QUICK) == first.folders


@needs_wandb
def test_a_broken_connection_is_taken_up_at_its_byte(wandb: Wandb, tmp_path: Path) -> None:
    small = sum(len(network_files("dalle_bart")[name]) for name in ("config.json", "tokenizer.json"))
    wandb.break_after = [10**9, 10**9, 100_000, 50_000]
    part = fetch(tmp_path).parts[0]
    assert (part.folder / WEIGHTS).read_bytes() == network_files("dalle_bart")[WEIGHTS]
    assert wandb.ranges == ["bytes=100000-", "bytes=150000-"]
    assert wandb.sent == WEIGHTS_BYTES + small


@needs_wandb
@pytest.mark.parametrize(
    "source",
    [
        WandbSource("team", "project", "mega", "v9"),
        WandbSource("team", "project", "other", "latest"),
        WandbSource("team", "other", "mega", "latest"),
    ],
)
def test_an_artifact_that_is_not_there(source: WandbSource, wandb: Wandb, tmp_path: Path) -> None:
    name = str(source).removeprefix("wandb:")
    with pytest.raises(
        CheckpointNotFoundError, match=rf"^There is no W&B artifact {name}, or it is not yours to see: che"
    ):
        client(source, tmp_path=tmp_path).resolve()


@needs_wandb
@pytest.mark.parametrize("key", [None, "f" * 40])
def test_without_or_with_a_wrong_key(
    key: str | None, wandb: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(FetchError, match="W&B wants a key that may read team/project/mega:latest: set WANDB_API_KEY"):
        client(tmp_path=tmp_path).resolve()


@needs_wandb
def test_the_store_refuses(wandb: Wandb, tmp_path: Path) -> None:
    wandb.expired = 100
    with pytest.raises(
        FetchError, match=r"of the W&B artifact .* broke off after 0 B .*: its store answers 403"
    ) as caught:
        fetch(tmp_path)
    # The client's error holds the signed address.
    assert "HTTPStatusError" not in "".join(traceback.format_exception(caught.value))


@needs_wandb
def test_an_address_that_expired_is_asked_for_again(wandb: Wandb, tmp_path: Path) -> None:
    wandb.expired = 2
    assert (fetch(tmp_path).parts[0].folder / WEIGHTS).read_bytes() == network_files("dalle_bart")[WEIGHTS]


@needs_wandb
def test_nobody_listens(wandb: Wandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(BrokenOffError) as caught:
        WandbArtifact(LATEST, DALLE_BART, tmp_path / "weights", timeout_s=1).resolve()
    assert KEY not in str(caught.value)


def test_a_library_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name))
    with pytest.raises(FetchError) as caught:
        client(tmp_path=tmp_path).resolve()
    assert str(caught.value) == (
        "model.name names a W&B artifact, and the library wandb is not installed: in the checkout, "
        "pip install -e '.[wandb]' brings it."
    )


@pytest.mark.parametrize("version", ["../../elsewhere", "", ".", "v0/..", "v0\n"])
def test_a_version_that_would_lead_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    artifact = client(tmp_path=tmp_path)
    answer = SimpleNamespace(version=version, files=list)
    monkeypatch.setitem(vars(artifact), "_api", SimpleNamespace(artifact=lambda _: answer))
    with pytest.raises(FetchError, match="which can't be one"):
        artifact.resolve()
