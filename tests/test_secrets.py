"""Canaries in every place where a secret can be: the bot runs, crashes and is misused, and none comes out."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cogs.queue import QueueCog
from bot.config import DiscordSettings, Settings, StoreSettings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine
from bot.log import REDACTED, configure_logging
from bot.sandbox import Sandbox
from tests.command_line import Call, call, clean_surroundings, opened
from tests.conftest import OpenStage

__all__ = ["call", "clean_surroundings", "opened"]

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789AB"
PASSWORD = "canary%2Fpass%20word"
CANARIES = {
    "DISCORD_TOKEN": TOKEN,
    "HF_TOKEN": "canary-of-the-hub-0123456789",
    "AWS_SECRET_ACCESS_KEY": "canary/of/the+bucket/0123456789abcdefghi",
    "WANDB_API_KEY": "canary0of0the0artifact0store000000000000",
    "RAY_AUTH_TOKEN": "canary0of0the0cluster0000000000000000000",
    "DALLE_BOT_STORE__URL": f"postgresql+psycopg://bot:{PASSWORD}@127.0.0.1:1/bot?sslpassword=canary-of-a-key",
}
SECRETS = [*(CANARIES[name] for name in list(CANARIES)[:-1]), PASSWORD, "canary/pass word", "canary-of-a-key"]

# The program as it is, but that its service ends as no test of it could make it end.
CRASH = """
import os, sys, threading
import bot.app
from bot.__main__ import main

def run(settings, *_):
    secrets = {**os.environ, "url": settings.store_url, "token": settings.discord.token.get_secret_value()}

    class Finalised:
        def __del__(self):
            raise RuntimeError(f"finaliser: {secrets}")

    def fail():
        raise RuntimeError(f"thread: {secrets}")

    Finalised()
    thread = threading.Thread(target=fail, name="a thread of its own")
    thread.start()
    thread.join()
    raise RuntimeError(f"main: {secrets} {settings!r} canary/pass word")

bot.app.run = run
sys.argv = ["dalle-bot", "run"]
main()
"""


@pytest.fixture
def log_everything() -> Iterator[Callable[[], None]]:
    """Every library at debug, more than any setting brings about, once it is called: pytest captures each phase of a
    test by itself."""
    root = logging.getLogger()
    loggers = [logging.getLogger(name) for name in ("bot", *root.manager.loggerDict)]
    before, handlers = [root.level, *(each.level for each in loggers)], root.handlers[:]

    def begin() -> None:
        configure_logging("debug", False)
        root.setLevel(logging.DEBUG)
        for each in loggers:
            each.setLevel(logging.NOTSET)

    yield begin
    root.handlers[:] = handlers
    for each, level in zip([root, *loggers], before, strict=True):
        each.setLevel(level)
    logging.captureWarnings(False)


class Unredacted(logging.Handler):
    """What the log would say without us. For knowing that there was something to take out."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


async def test_a_run_at_debug_that_goes_wrong_shows_no_token(
    open_stage: OpenStage,
    sandbox: Sandbox,
    log_everything: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_everything()
    unredacted = Unredacted()
    logging.getLogger().addHandler(unredacted)
    url = f"https://discord.com/api/v10/webhooks/1/{'canary' * 10}"

    async def fail(*_: object) -> None:
        raise RuntimeError(f"Bot {sandbox.token} at {url}")

    monkeypatch.setattr(QueueCog.queue, "_callback", fail)
    broken: list[Exception] = [RuntimeError(f"no device for {sandbox.token}")]

    def engine() -> Engine:
        if broken:
            raise broken.pop()
        return FakeEngine()

    async with open_stage(engine) as stage:
        await stage.play("/imagine prompt:a red circle images:2")
    async with open_stage(engine) as stage:
        seen = await stage.play("/imagine prompt:a red circle images:2")
        seen += await stage.play("click Reroll")
        seen += await stage.play("/queue")
    logging.getLogger().removeHandler(unredacted)
    written = "".join(capsys.readouterr())
    told = "".join(event.text for event in seen)
    tokens = {sandbox.token, "canary" * 10}
    for exchange in sandbox.requests:
        found = re.match(r"/(?:interactions|webhooks)/\d+/([^/]+)", exchange.path)
        tokens |= {found[1]} if found else set()
    assert len(tokens) >= 5
    raw = "\n".join(unredacted.lines)
    assert all(token in raw for token in tokens), "or there is nothing to hide"
    assert len(unredacted.lines) > 100
    assert "no device for [redacted]" in written
    assert f"Bot {REDACTED} at https://discord.com" in written
    assert "Something went wrong (id " in told
    for token in tokens:
        assert token not in written
        assert token not in told


def test_a_crash_on_any_thread_shows_no_secret(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DALLE_BOT_")}
    done = subprocess.run(
        [sys.executable, "-c", CRASH],
        cwd=tmp_path,
        env=environment | CANARIES | {"DALLE_BOT_LOG__LEVEL": "debug", "DALLE_BOT_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    written = done.stdout + done.stderr
    assert done.returncode == 1
    for place in ("finaliser: ", "a thread of its own ended", "thread: ", "main: ", "Traceback"):
        assert place in done.stderr
    assert done.stderr.count(REDACTED) >= 3 * len(CANARIES)
    assert [secret for secret in SECRETS if secret in written] == []


def test_a_database_that_is_not_there_shows_no_secret(
    call: Call, opened: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DALLE_BOT_LOG__LEVEL", "debug")
    outcome = call("run")
    written = outcome.out + outcome.err
    assert (outcome.code, opened) == (1, [])
    assert "127.0.0.1" in written
    assert "Traceback" not in written
    assert [secret for secret in SECRETS if secret in written] == []


def test_settings_can_be_printed() -> None:
    settings = Settings(
        discord=DiscordSettings(token=SecretStr(TOKEN)),
        store=StoreSettings(url=SecretStr(CANARIES["DALLE_BOT_STORE__URL"])),
    )
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert [secret for secret in SECRETS if secret in shown] == []
    assert set(settings.secrets()) == {TOKEN, PASSWORD, "canary/pass word", "canary-of-a-key"}


@pytest.mark.parametrize("url", ["", "sqlite+aiosqlite:////srv/bot.sqlite3", "://", "a://b@c", "postgresql://[::1/x"])
def test_a_url_without_a_password_has_no_secret(url: str) -> None:
    assert list(Settings(store=StoreSettings(url=SecretStr(url))).secrets()) == []


def test_no_secret_setting_is_a_plain_string() -> None:
    for section in (DiscordSettings, StoreSettings):
        for name, info in section.model_fields.items():
            is_secret = bool(re.search(r"token|password|secret|key|(?<!source_)url", name))
            assert (info.annotation == SecretStr | None) is is_secret, name
