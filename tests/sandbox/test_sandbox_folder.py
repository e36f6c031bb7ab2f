"""Whose folder it is, and who has it now."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.sandbox import sandbox_folder
from bot.sandbox.sandbox_folder import SandboxFolder


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = SandboxFolder.open(tmp_path / "new" / "folder")
    assert folder.state() is None
    folder.save(b"state", {"1": b"one"}, ["1"])
    folder.close()
    if os.name != "nt":
        made = (tmp_path / "new", tmp_path / "new" / "folder", tmp_path / "new" / "folder" / "discord")
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in made] == [0o700] * 3
        files = [file for file in made[-1].rglob("*") if file.is_file()]
        assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in files} == dict.fromkeys(
            ("lock", "server.json", "1"), 0o600
        )
    again = SandboxFolder.open(tmp_path / "new" / "folder")
    assert (again.state(), again.attachment("1"), again.attachment("../lock")) == (b"state", b"one", None)
    again.close()


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dalle-bot.sqlite3").touch()
    with pytest.raises(ConfigError, match=r"--data: .* holds dalle-bot.sqlite3 and is no sandbox's: name an empty"):
        SandboxFolder.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dalle-bot.sqlite3"]
    with pytest.raises(ConfigError, match="sqlite3 is a file; name a folder"):
        SandboxFolder.open(tmp_path / "dalle-bot.sqlite3")
    with pytest.raises(ConfigError, match="can't be used"):
        SandboxFolder.open(tmp_path / "dalle-bot.sqlite3" / "below")


def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    SandboxFolder.open(tmp_path).close()
    folder = SandboxFolder.open(tmp_path)
    assert folder.state() is None
    folder.close()


def test_one_sandbox_at_a_time(tmp_path: Path) -> None:
    first = SandboxFolder.open(tmp_path)
    with pytest.raises(ConfigError, match=r"another sandbox uses .*: stop it, or name another folder"):
        SandboxFolder.open(tmp_path, wait_s=0)
    first.close()
    SandboxFolder.open(tmp_path, wait_s=0).close()


def test_a_state_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SandboxFolder.open(tmp_path)
    folder.save(b"12345", {}, [])
    monkeypatch.setattr(sandbox_folder, "MAX_STATE_BYTES", 4)
    with pytest.raises(ConfigError, match=r"is damaged \(it has more than 4 bytes"):
        folder.state()
    folder.close()


def test_a_folder_that_can_not_be_listed_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SandboxFolder.open(tmp_path)
    folder.save(b"state", {"1": b"one"}, ["1"])
    folder.close()
    iterdir = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path.name == "attachments":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refusing)
        with pytest.raises(ConfigError, match=r"^--data: .* can't be used \(Permission denied\)"):
            SandboxFolder.open(tmp_path)
    again = SandboxFolder.open(tmp_path, wait_s=0)
    assert again.attachment("1") == b"one"
    again.close()


def test_an_attachment_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    folder = SandboxFolder.open(tmp_path)
    folder.save(b"state", {"1": b"one", "2": b"two"}, ["1", "2"])
    for name in ("1", "2"):
        (tmp_path / "discord" / "attachments" / name).unlink()
    (tmp_path / "discord" / "attachments" / "1").mkdir()
    with pytest.raises(ConfigError, match=r"^--data: .*1 can't be read \("):
        folder.attachment("1")
    assert folder.attachment("2") is None
    folder.close()
