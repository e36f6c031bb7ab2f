"""`dalle-bot backup` and `restore`: what they print. What they do is tested in tests/backups."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot.store import Store
from tests.command_line import Call
from tests.store.samples import new_job


def test_there_and_back(call: Call, tmp_path: Path) -> None:
    outcome = call("backup", "saved.tar")
    assert (outcome.code, outcome.out) == (1, "")
    assert "dalle-bot.sqlite3 yet: start the bot once." in outcome.err
    asyncio.run(make(tmp_path / "data" / "dalle-bot.sqlite3"))
    outcome = call("backup", "saved.tar")
    assert outcome.code == 0
    assert outcome.out.startswith("saved.tar: ")
    assert outcome.out.endswith("with 0 pictures.\n")
    report = json.loads(call("backup", ".", "--json").out)
    assert Path(report["file"]).stat().st_size == report["bytes"]
    outcome = call("restore", "saved.tar")
    assert outcome.code == 0
    said, aside, *left = outcome.out.splitlines()
    assert said.startswith("Restored the backup of 20")
    assert "before-restore-" in aside
    # Root alone may leave something that the bot's own user can't use.
    assert all(line.startswith("What was restored into ") for line in left)
    assert not left or os.geteuid() == 0
    restored = json.loads(call("restore", "saved.tar", "--json").out)
    assert restored["pictures"] == 0
    outcome = call("restore", "saved.tar", "--check")
    assert (outcome.code, outcome.out.count("\n")) == (0, 1)
    assert outcome.out.startswith("saved.tar is whole: made at 20")
    assert json.loads(call("restore", "saved.tar", "--check", "--json").out)["digests"] is True
    outcome = call("restore", str(tmp_path), "--check")
    said = f"dalle-bot: {tmp_path} is a folder: name a file in it that `dalle-bot backup` has made.\n"
    assert (outcome.code, outcome.out, outcome.err) == (1, "", said)


def test_a_restore_makes_no_folder_for_a_wrong_path(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nowhere"
    monkeypatch.setenv("DALLE_BOT_STORE__URL", f"sqlite+aiosqlite:///{folder / 'bot.sqlite3'}")
    outcome = call("restore", "saved.tar")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"there is no folder {folder}" in outcome.err
    assert not folder.exists()


async def make(file: Path) -> None:
    async with Store.open(f"sqlite+aiosqlite:///{file}") as store:
        await store.jobs.create(new_job())
