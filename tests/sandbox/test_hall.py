"""A sandbox without a bot, and a bot that comes to it."""

import asyncio
import io
import shlex
import sys
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.app import open_app, serving
from bot.config import DiscordSettings, Settings
from bot.engine.fake import FakeEngine
from bot.errors import ConfigError
from bot.sandbox import Event, EventKind, Sandbox
from bot.sandbox.errors import NoClientError, SandboxError
from bot.sandbox.hall import keep_open, run_line, visited
from tests.conftest import TIMEOUT_S


async def test_a_bot_that_comes_to_an_empty_sandbox_is_played_with(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("/imagine prompt:a red circle images:2\n"))
    opened: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    seen: list[Event] = []
    came = asyncio.Event()
    hall = asyncio.create_task(keep_open(on_event=seen.append, on_open=opened.set_result, on_bot=came.set))
    sandbox = await asyncio.wait_for(opened, TIMEOUT_S)
    assert not came.is_set()
    only_elsewhere = settings.model_copy(update={"discord": DiscordSettings(allowed_guilds=(81384788765712384,))})
    with visited(only_elsewhere, sandbox.address) as there:
        async with open_app(there, FakeEngine) as app, serving(app, sandbox.token):
            await asyncio.wait_for(hall, TIMEOUT_S)
    assert came.is_set()
    assert [event.kind for event in seen[:2]] == [EventKind.SAY, EventKind.ACK]
    assert len(seen[-1].files) == 1
    assert [file.name for file in settings.data_dir.iterdir()] == ["sandbox"], "a real bot's jobs stay out of it"


def test_the_line_that_runs_a_bot_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["my folder/dalle-bot", "sandbox"])
    sandbox: Any = type("Opened", (), {"token": "some.token", "address": "http://127.0.0.1:5"})
    assert shlex.split(run_line(sandbox)) == [
        "DISCORD_TOKEN=some.token",
        "my folder/dalle-bot",
        *("run", "--sandbox", "http://127.0.0.1:5"),
    ]


@pytest.mark.parametrize("address", ["https://discord.com", "http://10.0.0.1:80", "127.0.0.1:80", "http://127.0.0.1/x"])
def test_a_token_goes_to_no_other_machine(settings: Settings, address: str) -> None:
    with (
        pytest.raises(ConfigError, match="expected what `dalle-bot sandbox --empty` prints"),
        visited(settings, address),
    ):
        pass


async def test_an_empty_sandbox_that_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [NoClientError("Nobody came."), SandboxError("The sandbox does not answer.")]
    monkeypatch.setattr(Sandbox, "wait_until_connected", AsyncMock(side_effect=[*answers, None]))
    with pytest.raises(SandboxError, match="does not answer"):
        await asyncio.wait_for(
            keep_open(on_event=lambda _: None, on_open=lambda _: None, on_bot=lambda: None), TIMEOUT_S
        )
