"""Fixtures for tests of the command line: it is called as the installed script calls it, in an empty folder."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import bot.engine.open
from bot.__main__ import main
from bot.config import Settings
from bot.engine.fake import FakeEngine
from bot.startup import StartUp


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, no settings from outside, and the log as it was."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("DALLE_BOT_") or name == "DISCORD_TOKEN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("DALLE_BOT_DATA_DIR", str(tmp_path / "data"))
    # The cache's folder is a setting of the whole process.
    monkeypatch.setenv("DALLE_BOT_ENGINE__COMPILE_CACHE", "false")
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in list(root.manager.loggerDict))]
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command as the installed script does."""

    def call(*args: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dalle-bot", *args])
        with pytest.raises(SystemExit) as caught:
            sys.exit(main())  # type: ignore[func-returns-value]
        code = caught.value.code
        written = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 0, written.out, written.err)

    return call


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Puts the fake engine in the real one's place. Returns the settings that each engine was opened with."""
    seen: list[Settings] = []

    def open_engine(settings: Settings, start_up: StartUp) -> FakeEngine:
        seen.append(settings)
        return FakeEngine()

    monkeypatch.setattr(bot.engine.open, "open_engine", open_engine)
    return seen
