"""The stack: what opens, what `run` refuses, how it ends."""

import asyncio
import os
import signal
import threading
from contextlib import aclosing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import URL

from bot import __version__
from bot.app import open_app, run, serve, serving
from bot.code_version import sources_digest
from bot.config import DiscordSettings, Settings, ShardingSettings, StoreSettings
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import CheckpointNotFoundError, ConfigError, DalleBotError, EngineHungError, StoreError, StoreFaultError
from bot.executor.base import EngineState
from bot.fence import Fence
from bot.sandbox import Event, EventKind, Sandbox
from bot.startup import StartUp
from bot.store import JobState
from tests.conftest import TIMEOUT_S, OpenStage, eventually
from tests.store.postgres import PostgresServer

needs_sigterm = pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGTERM")


def with_token(settings: Settings, token: str) -> Settings:
    return settings.model_copy(update={"discord": DiscordSettings(token=SecretStr(token))})


def test_a_missing_token_is_named_before_anything_opens(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"DISCORD_TOKEN is not set\. Create an application at https://discord\.com"):
        run(settings, FakeEngine)
    assert not settings.data_dir.exists()


async def test_the_metrics_say_which_code_runs(settings: Settings) -> None:
    async with open_app(settings, FakeEngine) as app:
        build = {"version": __version__, "sources": sources_digest()}
        assert app.metrics.registry.get_sample_value("dalle_bot_build_info", build) == 1.0


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


@pytest.mark.fault
async def test_a_store_that_can_not_be_opened_ends_the_start(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "dalle-bot.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError):
        async with open_app(settings, FakeEngine):
            pass


@pytest.mark.fault
async def test_nothing_begins_anew_where_pictures_are_left(settings: Settings) -> None:
    picture = settings.pictures_dir / "ab" / "abcdef012345" / "1.png"
    picture.parent.mkdir(parents=True)
    picture.touch()
    with pytest.raises(StoreFaultError, match="is not there, but there are pictures of jobs in") as caught:
        async with open_app(settings, FakeEngine):
            pass
    assert caught.value.is_lasting
    assert not (settings.data_dir / "dalle-bot.sqlite3").exists()


@pytest.mark.fault
async def test_no_folder_is_made_for_a_database_elsewhere(settings: Settings, tmp_path: Path) -> None:
    elsewhere = StoreSettings(url=SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'bot.sqlite3'}"))
    with pytest.raises(StoreFaultError, match="there is no folder"):
        async with open_app(settings.model_copy(update={"store": elsewhere}), FakeEngine):
            pass
    assert not (tmp_path / "nowhere").exists()


async def test_one_process_of_several_does_not_start_before_the_database_is_of_its_version(
    settings: Settings, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: URL) -> None:
        raise StoreError("Older processes run.")

    monkeypatch.setattr("bot.app.upgrade_alone", refuse)
    shared = {
        "store": StoreSettings(url=SecretStr(postgres.empty_database())),
        "sharding": ShardingSettings(count=1, ids=(0,)),
    }
    with pytest.raises(StoreError, match="Older processes run"):
        async with open_app(settings.model_copy(update=shared), FakeEngine):
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


@pytest.mark.fault
async def test_an_engine_that_does_not_load_leaves_the_bot_online_to_say_so(open_stage: OpenStage) -> None:
    def broken() -> FakeEngine:
        raise OSError("no such device")

    async with open_stage(broken) as stage:
        await eventually(lambda: stage.app.executor.status.state is EngineState.FAILED)
        answer = await stage.answer("/imagine prompt:a red circle")
        assert answer.is_ephemeral
        assert "could not be loaded" in answer.text


def start(settings: Settings, sandbox: Sandbox, engine: FakeEngine) -> asyncio.Task[None]:
    """The service, as a process would run it."""
    return asyncio.create_task(serve(with_token(settings, sandbox.token), lambda: engine))


async def begin(sandbox: Sandbox, line: str, player: str = "main") -> Event:
    """The answer to a line whose end is not waited for."""
    async with aclosing(sandbox.watch(line, TIMEOUT_S, player)) as events:
        return await anext(event async for event in events if event.kind is EventKind.ACK)


def told(sandbox: Sandbox, acknowledged: Event) -> str:
    """What the newest edit of a message says; "" without one."""
    edits = (e for e in sandbox.requests if e.method == "PATCH" and e.status == 200)
    contents = [e.payload["content"] for e in edits if e.answer["id"] == acknowledged.message_id]
    return contents[-1] if contents else ""


@pytest.mark.fault
@needs_sigterm
async def test_sigterm_lets_running_jobs_end_and_keeps_those_that_wait(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage
) -> None:
    gate = Gate()
    service = start(settings, sandbox, FakeEngine(num_slots=1, gate=gate))
    await sandbox.wait_until_connected(TIMEOUT_S)
    running = await begin(sandbox, "/imagine prompt:a red circle images:1")
    await asyncio.to_thread(gate.await_arrivals, 1)
    waiting = await begin(sandbox, "/imagine prompt:a blue star images:1", "second")
    os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: "going offline" in told(sandbox, waiting))
    late = await begin(sandbox, "/imagine prompt:too late", "third")
    assert (late.is_ephemeral, late.text) == (True, "The bot is stopping: ask again when it is back.")
    gate.open()
    await asyncio.wait_for(service, TIMEOUT_S)
    assert "1 image for" in told(sandbox, running)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED, index=1)
        assert stage.job_ids[2:] == []
    assert str(job.message_id) == waiting.message_id


async def test_a_process_that_has_lost_its_shards_ends_without_another_word(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fences: list[Fence] = []

    class KnownFence(Fence):
        def __init__(self) -> None:
            super().__init__()
            fences.append(self)

    monkeypatch.setattr("bot.app.Fence", KnownFence)
    gate = Gate()
    service = start(settings, sandbox, FakeEngine(gate=gate))
    await sandbox.wait_until_connected(TIMEOUT_S)
    acknowledged = await begin(sandbox, "/imagine prompt:a red circle images:1")
    await asyncio.to_thread(gate.await_arrivals, 1)
    fences[0].close_at(asyncio.get_running_loop().time())
    num_requests = len(sandbox.requests)
    gate.open()
    with pytest.raises(DalleBotError, match="another one may have them: start it again"):
        await asyncio.wait_for(service, TIMEOUT_S)
    assert len(sandbox.requests) == num_requests
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert str(job.message_id) == acknowledged.message_id


@pytest.mark.fault
@needs_sigterm
@pytest.mark.parametrize("is_second", [False, True], ids=["its time is over", "a second signal"])
async def test_what_does_not_end_in_time_goes_on_after_the_restart(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage, is_second: bool
) -> None:
    gate = Gate()
    queue = settings.queue.model_copy(update={"drain_s": TIMEOUT_S if is_second else 0.1})
    service = start(settings.model_copy(update={"queue": queue}), sandbox, FakeEngine(gate=gate))
    await sandbox.wait_until_connected(TIMEOUT_S)
    acknowledged = await begin(sandbox, "/imagine prompt:a red circle images:1")
    await asyncio.to_thread(gate.await_arrivals, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    if is_second:
        await asyncio.sleep(0.1)
        assert told(sandbox, acknowledged) == ""
        os.kill(os.getpid(), signal.SIGTERM)
    await eventually(lambda: "going offline" in told(sandbox, acknowledged))
    gate.open()
    await asyncio.wait_for(service, TIMEOUT_S)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert str(job.message_id) == acknowledged.message_id


@pytest.mark.fault
async def test_the_service_ends_with_a_device_that_hangs_and_keeps_every_job(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage
) -> None:
    faults = Faults(hangs={("wait", 1)})
    engine = settings.engine.model_copy(update={"hang_timeout_s": 1.0})
    impatient = settings.model_copy(update={"engine": engine})
    service = start(impatient, sandbox, FakeEngine(num_slots=1, faults=faults))
    await sandbox.wait_until_connected(TIMEOUT_S)
    jobs = [
        await begin(sandbox, f"/imagine prompt:a red circle images:{number}", f"player {number}") for number in (1, 2)
    ]
    with pytest.raises(EngineHungError, match=r"The device did not answer for 1 s\."):
        await asyncio.wait_for(service, TIMEOUT_S)
    for acknowledged in jobs:
        assert "going offline" in told(sandbox, acknowledged)
    faults.released.set()
    async with open_stage() as stage:
        for index, acknowledged in enumerate(jobs):
            job = await stage.job(JobState.DELIVERED, index=index)
            assert str(job.message_id) == acknowledged.message_id


@pytest.mark.fault
async def test_the_service_ends_with_a_model_that_does_not_load_and_keeps_the_job(
    settings: Settings, sandbox: Sandbox, open_stage: OpenStage
) -> None:
    may_load = threading.Event()

    def load() -> FakeEngine:
        may_load.wait(TIMEOUT_S)
        return FakeEngine()

    engine = settings.engine.model_copy(update={"load_timeout_s": 3.0})
    impatient = with_token(settings.model_copy(update={"engine": engine}), sandbox.token)
    clock = 0.0
    service = asyncio.create_task(serve(impatient, load, StartUp(clock=lambda: clock)))
    await sandbox.wait_until_connected(TIMEOUT_S)
    acknowledged = await begin(sandbox, "/imagine prompt:a red circle images:1", "main")
    clock = 4.0
    with pytest.raises(EngineHungError, match=r"nothing was heard of it for 3 s\..* raise engine\.load_timeout_s\."):
        await asyncio.wait_for(service, TIMEOUT_S)
    assert "going offline" in told(sandbox, acknowledged)
    may_load.set()
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
    assert str(job.message_id) == acknowledged.message_id


@pytest.mark.fault
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
