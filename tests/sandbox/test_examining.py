"""The line for a shell that examines the bot in the sandbox."""

import os
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.config import Settings, ShardingSettings, StoreSettings
from bot.config_loading import load_settings
from bot.sandbox.examining import doctor_line
from bot.sandbox.play import Online


def examined(
    given: Settings, here: Settings, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Settings, list[str]]:
    """The settings that the doctor would read, and its command line."""
    sandbox: Any = SimpleNamespace(token="some.token.here", address="http://127.0.0.1:5")
    words = shlex.split(doctor_line(given, cast(Online, SimpleNamespace(sandbox=sandbox, settings=here)), options))
    command = words.index("doctor")
    for word in (word for word in words[:command] if "=" in word):
        name, _, value = word.partition("=")
        monkeypatch.setenv(name, value)
    return load_settings(Path("config.toml")), [word for word in words if "=" not in word]


def test_the_sandboxs_own_database_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever file or environment say."""
    for name in [name for name in os.environ if name.startswith("DALLE_BOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/dalle-bot", "sandbox"])
    Path("config.toml").write_text(
        "data_dir = '/elsewhere'\n[store]\nurl = 'postgresql+psycopg://a:b@c/d'\n[sharding]\ncount = 4\nids = '0-1'\n",
        encoding="utf-8",
    )
    given = load_settings(Path("config.toml"))
    own = {"data_dir": tmp_path / "it's here", "store": StoreSettings(), "sharding": ShardingSettings()}
    here = given.model_copy(update=own)
    read, line = examined(given, here, ["--config", "config.toml"], monkeypatch)
    assert (read.store_url, read.data_dir) == (here.store_url, here.data_dir)
    assert read.discord.token is not None
    assert read.discord.token.get_secret_value() == "some.token.here"
    assert line == [".venv/bin/dalle-bot", "doctor", "--api", "http://127.0.0.1:5/api/v10", "--config", "config.toml"]
