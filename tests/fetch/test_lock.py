"""The lock file: the first one holds, it is written as a whole, and what others wrote into it is refused by name."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bot.errors import CheckpointError, ConfigError, FetchError, StartCancelledError
from bot.fetch.lock import Held, HeldFile, ModelsLock
from bot.startup import StartUp

FIRST = Held("c" * 40, {"config.json": HeldFile(10, "git-sha1:" + "a" * 40), "x.msgpack": HeldFile(99, None)})
SECOND = Held("d" * 40, {"config.json": HeldFile(11, "md5:" + "b" * 32)})


def test_the_first_version_is_held_until_it_is_replaced(tmp_path: Path) -> None:
    lock = ModelsLock(tmp_path / "data")
    assert lock.get("a/b") is None
    assert lock.add("a/b", FIRST) == FIRST
    assert lock.add("a/b", SECOND) == FIRST
    assert ModelsLock(tmp_path / "data").get("a/b") == FIRST
    lock.replace("a/b", SECOND)
    assert lock.get("a/b") == SECOND
    assert lock.get("a/c") is None
    assert FIRST.num_bytes == 109


def test_it_can_be_read_and_keeps_the_order_of_files(tmp_path: Path) -> None:
    lock = ModelsLock(tmp_path)
    lock.add("z/z", FIRST)
    lock.add("a/b", SECOND)
    data = json.loads(lock.file.read_text())
    assert data["format"] == 1
    assert list(data["sources"]) == ["a/b", "z/z"]
    assert list(data["sources"]["z/z"]["files"]) == ["config.json", "x.msgpack"]
    assert data["sources"]["a/b"]["files"]["config.json"] == {"size": 11, "digest": "md5:" + "b" * 32}


def test_many_at_once_agree_and_nothing_is_lost(tmp_path: Path) -> None:
    def work(number: int) -> Held:
        ModelsLock(tmp_path).add(f"own/{number}", FIRST)
        return ModelsLock(tmp_path).add("shared/x", Held(f"v{number}", FIRST.files))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(16)))
    assert len({held.version for held in results}) == 1
    assert len(json.loads(ModelsLock(tmp_path).file.read_text())["sources"]) == 17


def entry(**changes: Any) -> str:
    file = {"size": 1, "digest": None}
    good = {"version": "v1", "files": {"config.json": file}}
    return json.dumps({"format": 1, "sources": {"a/b": good | changes}})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "'format' is missing"),
        ("[" * 100_000, "recursion"),
        ("{}" + " " * (16 << 20), "it has more than 16,777,216 bytes"),
        ('{"format": 2, "sources": {}}', "format 2 is not 1"),
        ('{"format": 1}', "'sources' is missing"),
        ('{"format": 1, "sources": {"a/b": {}}}', "'files' is missing"),
        (entry(version=3), "the version 3"),
        (entry(version="../x"), r"the version '\.\./x'"),
        (entry(files={}), "has 0 files"),
        (entry(files={"../config.json": {"size": 1, "digest": None}}), "not a plain file name"),
        (entry(files={"config.json": {"size": -1, "digest": None}}), "size of config.json is -1"),
        (entry(files={"config.json": {"size": True, "digest": None}}), "size of config.json is True"),
        (entry(files={"config.json": {"size": 1, "digest": "sha256:12"}}), "digest of config.json is 'sha256:12'"),
    ],
)
def test_what_others_wrote_is_refused(text: str, why: str, tmp_path: Path) -> None:
    lock = ModelsLock(tmp_path)
    lock.file.write_text(text)
    uses: list[Callable[[], object]] = [
        lambda: lock.get("a/b"),
        lambda: lock.add("a/b", FIRST),
        lambda: lock.replace("a/b", FIRST),
    ]
    for use in uses:
        with pytest.raises(CheckpointError, match=rf"models\.lock\.json is not a list of fetched models \(.*{why}"):
            use()
    assert lock.file.read_text() == text


def test_a_lock_that_is_not_given_back_is_named(tmp_path: Path) -> None:
    lock = ModelsLock(tmp_path, timeout_s=0.1)
    with (
        FileLock(tmp_path / "models.lock.guard"),
        pytest.raises(FetchError, match=r"models\.lock\.guard: another process"),
    ):
        lock.add("a/b", FIRST)
    assert lock.add("a/b", FIRST) == FIRST


def test_who_waits_for_it_can_be_told_to_stop(tmp_path: Path) -> None:
    start_up = StartUp()
    start_up.cancel()
    lock = ModelsLock(tmp_path, timeout_s=30, pause=start_up.pause)
    with FileLock(tmp_path / "models.lock.guard"), pytest.raises(StartCancelledError):
        lock.add("a/b", FIRST)


def test_a_data_dir_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigError, match=r"^data_dir: .*file/data can't be written .*: set data_dir to a folder that can"
    ):
        ModelsLock(tmp_path / "file" / "data").add("a/b", FIRST)
