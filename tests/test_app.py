"""The stack: what opens, what `run` refuses, how it ends."""

import asyncio
import os
import signal
import threading
from contextlib import aclosing

import pytest
from pydantic import SecretStr

from bot.app import open_app, run, serve, serving
from bot.config import DiscordSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.errors import CheckpointNotFoundError, ConfigError, DalleBotError, StoreError
from bot.executor.base import EngineState
from bot.sandbox import EventKind, Sandbox
from bot.store import JobState
from tests.conftest import TIMEOUT_S, OpenStage, eventually


def with_token(settings: Settings, token: str) -> Settings:
    return settings.model_copy(update={"discord": DiscordSettings(token=SecretStr(token))})


def test_a_missing_token_is_named_before_anything_opens(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"DISCORD_TOKEN is not set\. Create an application at https://discord\.com"):
        run(settings, FakeEngine)
    assert not settings.data_dir.exists()


async def test_a_token_that_discord_refuses_is_named_and_not_shown(settings: Settings, sandbox: Sandbox) -> None:
    token = sandbox.token[:-4] + "xxxx"
    with pytest.raises(ConfigError, match="Discord does not accept DISCORD_TOKEN") as caught:
        async with open_app(settings, FakeEngine) as app, serving(app, token) as connection:
            await asyncio.wait_for(connection, TIMEOUT_S)
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_an_unreachable_discord_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discord.http.Route.BASE", "http://127.0.0.1:9/api/v10")
    monkeypatch.setattr("discord.http.HTTPClient.request", unreachable)
    with pytest.raises(DalleBotError, match="Discord can't be reached"):
        async with open_app(settings, FakeEngine) as app, serving(app, "token") as connection:
            await asyncio.wait_for(connection, TIMEOUT_S)


async def unreachable(*_: object, **__: object) -> None:
    raise OSError("Connect call failed")


async def test_a_store_that_can_not_be_opened_ends_the_start(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "dalle-bot.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        async with open_app(settings, FakeEngine):
            pass


async def test_everything_is_closed_in_reverse(settings: Settings, sandbox: Sandbox) -> None:
    async with open_app(settings, FakeEngine) as app:
        async with serving(app, sandbox.token) as connection:
            await sandbox.wait_until_connected(TIMEOUT_S)
        assert connection.done()
        assert app.bot.is_closed()
        assert str(app.executor.status.state) != "closed"
    assert str(app.executor.status.state) == "closed"
    assert not [thread for thread in threading.enumerate() if thread.name == "engine"]


async def test_an_engine_that_does_not_load_leaves_the_bot_online_to_say_so(open_stage: OpenStage) -> None:
    def broken() -> FakeEngine:
        raise OSError("no such device")

    async with open_stage(broken) as stage:
        await eventually(lambda: stage.app.executor.status.state is EngineState.FAILED)
        answer = await stage.answer("/imagine prompt:a red circle")
        assert answer.is_ephemeral
        assert "could not be loaded" in answer.text


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGTERM")
async def test_sigterm_ends_the_service_and_keeps_the_job_for_the_restart(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage
) -> None:
    gate = Gate()
    service = asyncio.create_task(serve(with_token(settings, sandbox.token), lambda: FakeEngine(gate=gate)))
    await sandbox.wait_until_connected(TIMEOUT_S)
    async with aclosing(sandbox.watch("/imagine prompt:a red circle images:1", TIMEOUT_S)) as events:
        acknowledged = await anext(event async for event in events if event.kind is EventKind.ACK)
    await asyncio.to_thread(gate.await_arrivals, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: any("going offline" in str(exchange.payload) for exchange in sandbox.requests))
    gate.open()
    await asyncio.wait_for(service, TIMEOUT_S)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert str(job.message_id) == acknowledged.message_id


async def test_the_service_ends_with_the_engine_and_keeps_the_job(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage
) -> None:
    accepted = threading.Event()

    def broken() -> FakeEngine:
        accepted.wait(TIMEOUT_S)
        raise CheckpointNotFoundError("There is no model 'demmo'.")

    service = asyncio.create_task(serve(with_token(settings, sandbox.token), broken))
    await sandbox.wait_until_connected(TIMEOUT_S)
    async with aclosing(sandbox.watch("/imagine prompt:a red circle images:1", TIMEOUT_S)) as events:
        acknowledged = await anext(event async for event in events if event.kind is EventKind.ACK)
    accepted.set()
    with pytest.raises(CheckpointNotFoundError, match="demmo"):
        await asyncio.wait_for(service, TIMEOUT_S)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert str(job.message_id) == acknowledged.message_id


async def test_the_service_ends_when_the_token_is_refused(settings: Settings, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match="Discord does not accept DISCORD_TOKEN"):
        await asyncio.wait_for(serve(with_token(settings, "a.wrong.token"), FakeEngine), TIMEOUT_S)
