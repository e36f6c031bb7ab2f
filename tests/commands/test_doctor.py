"""`dalle-bot doctor` against the sandbox, as somebody would call it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.doctor.examination import CHECKS
from bot.errors import ConfigError
from bot.executor import opening
from bot.sandbox import Sandbox
from tests.command_line import Call


@pytest.fixture
async def discord() -> AsyncIterator[Sandbox]:
    async with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_ENGINE__DEVICE", "cpu")
    monkeypatch.setenv("DALLE_BOT_STORE__MAX_PICTURE_BYTES", "1048576")


async def examined(call: Call, sandbox: Sandbox) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by name."""
    outcome = await asyncio.to_thread(call, "doctor", "--api", f"{sandbox.address}/api/v10", "--json")
    told = json.loads(outcome.out)
    assert outcome.err == ""
    assert [check["name"] for check in told["checks"]] == list(CHECKS)
    assert told["ok"] is (outcome.code == 0)
    for check in told["checks"]:
        assert (check["fix"] is not None) == (check["status"] in ("failed", "warning")), check
    return outcome.code, {check["name"]: check for check in told["checks"]}


async def test_a_bot_that_lacks_nothing(call: Call, discord: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", discord.token)
    code, checks = await examined(call, discord)
    assert code == 0
    assert {check["status"] for check in checks.values()} == {"ok"}, checks


async def test_a_token_that_discord_does_not_accept(
    call: Call, discord: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = discord.token[:-4] + "xxxx"
    monkeypatch.setenv("DISCORD_TOKEN", token)
    code, checks = await examined(call, discord)
    assert code == 1
    assert checks["token"]["status"] == "failed"
    assert token not in json.dumps(checks)
    skipped = {name for name, check in checks.items() if check["status"] == "skipped"}
    assert skipped == {"intents", "sessions", "permissions"}
    assert checks["clock"]["status"] == "ok", "what needs no token is looked at all the same"


async def test_no_token(call: Call, discord: Sandbox) -> None:
    code, checks = await examined(call, discord)
    assert code == 1
    assert "DISCORD_TOKEN is not set" in checks["token"]["found"]


async def test_no_way_to_discord_is_for_reading_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "some.token.here")
    outcome = await asyncio.to_thread(call, "doctor", "--api", "http://127.0.0.1:9/api/v10")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[0].startswith("failed  token       Discord can't be reached")
    assert lines[1].strip().startswith("→ Check the network")
    assert lines[-1] == "2 of 13 checks failed."


async def test_a_wrong_clock(call: Call, discord: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", discord.token)
    await discord.advance_clock(3600)
    code, checks = await examined(call, discord)
    assert code == 1
    assert "60 minutes behind" in checks["clock"]["found"]


async def test_several_failures_at_once_are_all_named(
    call: Call, discord: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", discord.token)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dalle-bot.sqlite3").write_bytes(b"nothing of the kind" * 100)
    monkeypatch.setenv("DALLE_BOT_MODEL__NAME", "./nowhere")
    code, checks = await examined(call, discord)
    assert code == 1
    assert {name for name, check in checks.items() if check["status"] == "failed"} == {"weights", "store"}
    assert {name for name, check in checks.items() if check["status"] == "skipped"} == {"memory", "queue"}


async def test_a_bot_whose_cluster_does_not_answer_needs_no_weights(
    call: Call, discord: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise ConfigError("No Ray cluster answers.")

    monkeypatch.setattr(opening, "_import_connect", lambda: connect)
    monkeypatch.setenv("DISCORD_TOKEN", discord.token)
    monkeypatch.setenv("DALLE_BOT_EXECUTOR__KIND", "ray")
    monkeypatch.setenv("DALLE_BOT_MODEL__NAME", "mega")
    code, checks = await examined(call, discord)
    assert code == 1
    assert {name for name, check in checks.items() if check["status"] == "failed"} == {"executor"}
    assert {name for name, check in checks.items() if check["status"] == "skipped"} == {"device", "weights", "memory"}
    monkeypatch.setenv("DALLE_BOT_EXECUTOR__FALLBACK", "true")
    _, checks = await examined(call, discord)
    assert checks["executor"]["status"] == "warning"
    assert checks["weights"]["status"] == "failed", "the bot would need them now"
