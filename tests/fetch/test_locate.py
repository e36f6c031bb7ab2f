"""From settings to folders: what comes from where, what is held, and what never asks the network."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from bot.checkpoints.folders import ModelFolders
from bot.config import ModelSettings
from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError, FetchError
from bot.fetch import FetchReport, fetch_model, locate_model
from bot.fetch import locate as module
from bot.fetch.lock import ModelsLock
from bot.fetch.source import DEFAULT_CLIP, DEFAULT_VQGAN
from bot.startup import StartUp
from tests.fetch.conftest import CONFIGS, QUICK, WEIGHTS_BYTES, Stages, network_files, write_files
from tests.fetch.hub_server import Hub

PARTS = ("dalle_bart", "vqgan", "clip")
WEIGHTS = "flax_model.msgpack"
MEGA = "dalle-mini/dalle-mega"


def names(report: FetchReport) -> dict[str, tuple[str, str | None, int]]:
    return {part.name: (part.source, part.version, part.fetched_bytes) for part in report.parts}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder that brings all three networks."""
    for part in PARTS:
        write_files(tmp_path / "mine" / part, network_files(part))
    return tmp_path / "mine"


@pytest.fixture
def released(hub: Hub) -> dict[str, str]:
    """A hub that has Mega and what belongs to it. Returns the commits."""
    vqgan = hub.repo(DEFAULT_VQGAN.repo_id, network_files("vqgan"))
    # The revision that the settings pin.
    hub.repos[DEFAULT_VQGAN.repo_id].branches[str(DEFAULT_VQGAN.revision)] = vqgan
    return {
        "dalle_bart": hub.repo(MEGA, network_files("dalle_bart")),
        "vqgan": vqgan,
        "clip": hub.repo(DEFAULT_CLIP.repo_id, network_files("clip")),
    }


def locate(tmp_path: Path, start_up: StartUp | None = None, **model: Any) -> ModelFolders:
    return locate_model(ModelSettings(**model), tmp_path / "data", start_up or StartUp(Stages()), patience=QUICK)


def fetch(tmp_path: Path, start_up: StartUp | None = None, *, update: bool = False, **model: Any) -> FetchReport:
    return fetch_model(
        ModelSettings(**model), tmp_path / "data", start_up or StartUp(Stages()), update=update, patience=QUICK
    )


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("no_network")
class TestFolders:
    def test_the_demo_is_shipped(self, tmp_path: Path) -> None:
        found = locate(tmp_path, name="demo")
        assert found == ModelFolders("demo", *(module.DEMO_FOLDER / part for part in PARTS))
        assert not (tmp_path / "data").exists()

    def test_a_demo_that_is_not_there_says_how_to_get_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DEMO_FOLDER", tmp_path / "checkpoint")
        with pytest.raises(
            CheckpointNotFoundError, match=r"not in .*checkpoint: reinstall, or train it with dalle-bot"
        ):
            locate(tmp_path, name="demo")

    def test_a_folder_with_all_three(self, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = [whole / part for part in PARTS]
        assert locate(tmp_path, name=str(whole)) == ModelFolders("mine", *expected)
        monkeypatch.chdir(whole)
        found = locate(tmp_path, name=".")
        assert found.name == "mine"
        assert [folder.resolve() for folder in (found.dalle_bart, found.vqgan, found.clip)] == expected

    def test_one_of_the_three_may_be_another(self, whole: Path, tmp_path: Path) -> None:
        other = write_files(tmp_path / "other", network_files("clip"))
        found = locate(tmp_path, name=str(whole), clip=str(other), vqgan="demo")
        assert (found.dalle_bart, found.clip) == (whole / "dalle_bart", other)
        assert found.vqgan == module.DEMO_FOLDER / "vqgan"

    def test_a_folder_of_each(self, whole: Path, tmp_path: Path) -> None:
        folders = {part: str(whole / part) for part in PARTS}
        found = locate(tmp_path, name=folders["dalle_bart"], vqgan=folders["vqgan"], clip=folders["clip"])
        assert found == ModelFolders("dalle_bart", *(whole / part for part in PARTS))

    def test_a_report_on_folders(self, whole: Path, tmp_path: Path) -> None:
        report = fetch(tmp_path, name=str(whole))
        assert names(report) == {part: (str(whole / part), None, 0) for part in PARTS}
        assert report.parts[1].num_bytes == sum(map(len, network_files("vqgan").values()))

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            ({"name": "Mega"}, "did you mean mega"),
            ({"name": "mega", "vqgan": "nowhere"}, "There is no model 'nowhere', which model.vqgan names"),
            ({"name": "mega", "clip": "a/b", "clip_revision": "x y"}, "model.clip_revision is 'x y'"),
            ({"name": "mega@a", "revision": "b"}, "keep one of the two"),
            ({"name": "demo", "revision": "b"}, "model.revision is 'b', but only hub models"),
            ({"name": "demo", "vqgan_revision": "b"}, "model.vqgan_revision is 'b', but demo brings its own: remove"),
        ],
    )
    def test_what_is_misspelt_is_told_before_anybody_is_asked(
        self, model: dict[str, Any], sentence: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match=sentence):
            locate(tmp_path, **model)

    def test_so_is_a_folder_that_is_another_networks(self, whole: Path, tmp_path: Path) -> None:
        with pytest.raises(
            CheckpointError, match=r"this is a VQGAN, but model.clip must name CLIP; model.vqgan is for"
        ):
            locate(tmp_path, name="mega", clip=str(whole / "vqgan"))

    def test_a_whole_folder_that_lacks_one(self, whole: Path, tmp_path: Path) -> None:
        (whole / "clip").rename(tmp_path / "away")
        with pytest.raises(
            CheckpointNotFoundError,
            match=r"mine/clip: no such folder; model.name names .* or set model.clip to another",
        ):
            locate(tmp_path, name=str(whole))


def test_a_released_model_and_all_that_it_needs(
    released: dict[str, str], hub: Hub, tmp_path: Path, start_up: StartUp, stages: Stages
) -> None:
    report = fetch(tmp_path, start_up, name="mega")
    sizes = {part.name: part.num_bytes for part in report.parts}
    assert names(report) == {
        "dalle_bart": (MEGA, released["dalle_bart"], sizes["dalle_bart"]),
        "vqgan": (str(DEFAULT_VQGAN), released["vqgan"], sizes["vqgan"]),
        "clip": (str(DEFAULT_CLIP), released["clip"], sizes["clip"]),
    }
    assert report.name == "mega"
    for part, folder in zip(PARTS, (part.folder for part in report.parts), strict=True):
        assert (folder / WEIGHTS).read_bytes() == network_files(part)[WEIGHTS]
    configs = {part: len(network_files(part)["config.json"]) for part in PARTS}
    assert stages.seen == [
        ("fetch configurations", sum(configs.values()), sum(configs.values())),
        *((f"fetch {part}", sizes[part] - configs[part], sizes[part] - configs[part]) for part in PARTS),
    ]
    assert hub.requests[0] == f"/api/models/{MEGA}"
    assert json.loads(json.dumps(report.to_json()))["parts"][0]["version"] == released["dalle_bart"]


def test_a_second_start_asks_nobody(
    released: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_up: StartUp, stages: Stages
) -> None:
    report = fetch(tmp_path, name="mega")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert locate(tmp_path, start_up, name="mega") == report.folders
    assert stages.seen == []
    # `fetch` reads what is there, without the network as well.
    again = fetch(tmp_path, start_up, name="mega")
    assert [part.fetched_bytes for part in again.parts] == [0, 0, 0]
    assert stages.seen == [(f"verify {part.name}", part.num_bytes, part.num_bytes) for part in report.parts]


def test_a_branch_that_moves_is_held_until_an_update(released: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    first = locate(tmp_path, name="mega")
    newer = hub.repos[MEGA].commit(network_files("dalle_bart", seed=1))
    assert locate(tmp_path, name="mega") == first
    assert fetch(tmp_path, name="mega").folders == first

    report = fetch(tmp_path, name="mega", update=True)
    assert names(report)["dalle_bart"][:2] == (MEGA, newer)
    assert [part.fetched_bytes > 0 for part in report.parts] == [True, False, False]
    assert locate(tmp_path, name="mega") == report.folders != first


def test_a_failed_update_leaves_what_was(released: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    first = locate(tmp_path, name="mega")
    hub.repos[MEGA].commit(network_files("dalle_bart", seed=1))
    hub.break_after[WEIGHTS] = [10, 0, 0, 0]
    with pytest.raises(FetchError, match="`dalle-bot fetch mega` goes on from there"):
        fetch(tmp_path, name="mega", update=True)
    assert locate(tmp_path, name="mega") == first


def test_a_file_that_was_lost_comes_back_from_the_held_commit(
    released: dict[str, str], hub: Hub, tmp_path: Path
) -> None:
    folders = locate(tmp_path, name="mega")
    hub.repos[MEGA].commit(network_files("dalle_bart", seed=1))
    (folders.dalle_bart / WEIGHTS).resolve().unlink()
    asked = len(hub.requests)
    assert locate(tmp_path, name="mega") == folders
    assert (folders.dalle_bart / WEIGHTS).read_bytes() == network_files("dalle_bart")[WEIGHTS]
    assert not any(path.startswith("/api/") for path in hub.requests[asked:])


def test_a_revision_has_a_line_of_its_own(released: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    locate(tmp_path, name="mega")
    tagged = hub.repos[MEGA].commit(network_files("dalle_bart", seed=1), branch="v1")
    assert locate(tmp_path, name="mega", revision="v1").dalle_bart.name == tagged
    assert locate(tmp_path, name="mega@v1").dalle_bart.name == tagged
    assert locate(tmp_path, name="mega").dalle_bart.name == released["dalle_bart"]
    lock = ModelsLock(tmp_path / "data")
    held = [lock.get(source) for source in (MEGA, f"{MEGA}@v1")]
    assert [entry.version for entry in held if entry] == [released["dalle_bart"], tagged]


def test_a_revision_of_the_default_clip(released: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    tagged = hub.repos[DEFAULT_CLIP.repo_id].commit(network_files("clip", seed=1), branch="v1")
    assert locate(tmp_path, name="mega", clip_revision="v1").clip.name == tagged


def test_another_networks_gigabytes_are_not_fetched(released: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"this is CLIP, but model.name must name DALL-E .*; model.clip is for this"
    ):
        locate(tmp_path, name=DEFAULT_CLIP.repo_id)
    assert hub.sent[WEIGHTS] == 0


def test_room_is_checked_before_anything_comes(
    released: dict[str, str], hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.fetch.transfer._free", lambda folder: 1000)
    with pytest.raises(
        FetchError, match=rf"^The hub model {MEGA}, .* and .* need 900 kB more, .* has 1 kB free: make room there"
    ):
        locate(tmp_path, name="mega")
    assert sum(hub.sent.values()) == 0


def test_another_networks_gigabytes_are_not_fetched_for_any_of_the_three(
    released: dict[str, str], hub: Hub, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"this is CLIP, but model.vqgan must name a VQGAN"):
        locate(tmp_path, name="mega", vqgan=DEFAULT_CLIP.repo_id)
    with pytest.raises(CheckpointNotFoundError, match=r"There is no model owner/nowhere .* check model.clip"):
        locate(tmp_path, name="mega", clip="owner/nowhere")
    assert hub.sent[WEIGHTS] == 0


@pytest.mark.parametrize(
    ("model", "again"),
    [
        ({"name": "mega"}, "`dalle-bot fetch mega` goes on"),
        ({"name": MEGA, "clip": "demo"}, "`dalle-bot fetch` with the same settings goes on"),
        ({"name": MEGA, "revision": "main"}, "`dalle-bot fetch` with the same settings goes on"),
    ],
)
def test_the_command_that_goes_on_fetches_the_same(
    model: dict[str, Any], again: str, released: dict[str, str], hub: Hub, tmp_path: Path
) -> None:
    hub.break_after[WEIGHTS] = [10, 0, 0, 0]
    with pytest.raises(FetchError, match=again):
        locate(tmp_path, **model)


def test_a_name_with_spaces_is_quoted() -> None:
    assert module._again(ModelSettings(name="my models/mega")) == "`dalle-bot fetch 'my models/mega'`"


def test_an_update_offline_says_that_it_must_ask(
    released: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = locate(tmp_path, name="mega")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate(tmp_path, name="mega") == first
    with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE forbids to ask .* --update must ask"):
        fetch(tmp_path, name="mega", update=True)


def test_nobody_listens(no_network: None, tmp_path: Path) -> None:
    with pytest.raises(
        FetchError, match=rf"^The hub model {MEGA} can't be reached: no connection to 127.0.0.1:9\. Check"
    ):
        locate(tmp_path, name="mega")
    assert not (tmp_path / "data").exists()


_FETCH = """
import sys
from pathlib import Path
from bot.config import ModelSettings
from bot.fetch import fetch_model
from bot.startup import StartUp
data, model = Path(sys.argv[1]), ModelSettings(name="owner/name", vqgan=sys.argv[2], clip=sys.argv[3])
print(fetch_model(model, data, StartUp()).folders.dalle_bart)
"""


def test_two_processes_at_once_share_one_download(hub: Hub, whole: Path, tmp_path: Path) -> None:
    hub.repo("owner/name", network_files("dalle_bart"))
    hub.slow_bytes = True
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "data"), str(whole / "vqgan"), str(whole / "clip")]
    environ = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": ""}
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(command, env=environ, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert (Path(outputs[0][0].strip()) / WEIGHTS).read_bytes() == network_files("dalle_bart")[WEIGHTS]
    assert hub.sent[WEIGHTS] == WEIGHTS_BYTES


def test_a_process_that_is_killed_leaves_a_part_that_counts(hub: Hub, whole: Path, tmp_path: Path) -> None:
    commit = hub.repo("owner/name", network_files("dalle_bart"))
    hub.slow_bytes = True
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "data"), str(whole / "vqgan"), str(whole / "clip")]
    environ = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": ""}
    process = subprocess.Popen(command, env=environ, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while hub.sent[WEIGHTS] < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait(10)
    done = subprocess.run(
        command, env=environ, cwd=Path(__file__).parents[2], capture_output=True, timeout=60, check=True
    )
    assert Path(done.stdout.decode().strip()).name == commit
    assert int(hub.ranges[WEIGHTS][-1].removeprefix("bytes=").removesuffix("-")) > 0


def test_every_kind_of_configuration_is_in_the_fixtures() -> None:
    assert tuple(CONFIGS) == PARTS
