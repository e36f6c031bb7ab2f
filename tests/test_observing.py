"""Metrics and probes of the real client, over HTTP."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from bot.app import serve, telemetry
from bot.config import (
    STORE_FILE,
    DiscordSettings,
    EngineSettings,
    Settings,
    ShardingSettings,
    StoreSettings,
    TelemetrySettings,
)
from bot.engine.fake import FakeEngine, Gate
from bot.errors import ConfigError, DalleBotError
from bot.executor.base import EngineState
from bot.moderation.cases import CaseKind
from bot.observing import Telemetry, telemetry_of
from bot.shards import Shards
from bot.store import JobState, NewCase, Store
from bot.telemetry.metrics import Metrics
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually
from tests.sandbox_guild import guild_of
from tests.store.postgres import PostgresServer

DRAW = "/imagine prompt:a red circle images:2"


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks a served bot."""

    address: str

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.address + path) as response:
            return response.status, await response.text()

    async def verdict(self, path: str) -> tuple[int, dict[str, str]]:
        """The status, and what was found wrong by the check's name."""
        status, body = await self.get(path)
        told: dict[str, Any] = json.loads(body)
        assert told["ok"] is (status == 200)
        return status, {name: check["found"] for name, check in told["checks"].items() if not check["ok"]}

    async def samples(self) -> dict[str, float]:
        """By name, with the values of labels in brackets."""
        status, body = await self.get("/metrics")
        assert status == 200
        found = {}
        for family in text_string_to_metric_families(body):
            for sample in family.samples:
                labels = ",".join(sample.labels.values())
                found[f"{sample.name}[{labels}]" if labels else sample.name] = sample.value
        return found


@pytest.fixture
def served(settings: Settings) -> Settings:
    return settings.model_copy(update={"telemetry": TelemetrySettings(enabled=True, port=0)})


@asynccontextmanager
async def probing(stage: Stage, served: Settings) -> AsyncIterator[Probe]:
    async with telemetry(stage.app, served) as address:
        assert address is not None
        yield Probe(address)


async def test_a_scrape_shows_what_has_happened(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, probing(stage, served) as probe:
        guild = await guild_of(stage)
        await stage.play(DRAW)
        job = await stage.job(JobState.DELIVERED)
        case = NewCase(guild_id=guild.id, kind=CaseKind.REPORT, job_id=job.id, user_id=job.user_id)
        await stage.app.store.cases.open(case)
        found = await probe.samples()
        info = stage.app.executor.status.info
    assert info is not None
    expected = {
        "dalle_bot_job_transitions_total[delivered]": 1,
        "dalle_bot_job_seconds_count": 1,
        "dalle_bot_delivery_seconds_count": 1,
        "dalle_bot_acknowledgement_seconds_count": 1,
        "dalle_bot_interactions_total[command]": 1,
        "dalle_bot_engine_tokens_total": 2 * info.image_length,
        "dalle_bot_engine_state[ready]": 1,
        "dalle_bot_engine_state[failed]": 0,
        "dalle_bot_slots": 4,
        "dalle_bot_slots_used": 0,
        "dalle_bot_queue_jobs": 0,
        "dalle_bot_queue_max_jobs": 3,
        "dalle_bot_gateway_shards": 1,
        "dalle_bot_gateway_shards_connected": 1,
        "dalle_bot_guilds": 1,
        "dalle_bot_review_open_cases": 1,
        "dalle_bot_store_ready": 1,
        "dalle_bot_resumed_jobs_total": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["dalle_bot_engine_step_seconds_count"] > 0
    assert found["dalle_bot_disk_free_bytes"] > 0
    assert 0 <= found["dalle_bot_review_oldest_age_seconds"] < 60
    assert found["process_resident_memory_bytes"] > 10**6


async def test_nobody_can_be_found_in_the_metrics(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, probing(stage, served) as probe:
        await stage.play("as alice")
        await stage.play(DRAW)
        job = await stage.job(JobState.DELIVERED)
        _, body = await probe.get("/metrics")
    for secret in (job.user_id, job.guild_id, job.channel_id, job.id, "alice", "circle"):
        assert str(secret) not in body


async def test_a_queue_shows_its_length_and_age(open_stage: OpenStage, served: Settings) -> None:
    gate = Gate()
    engine = FakeEngine(num_slots=2, image_length=64, gate=gate)
    async with open_stage(lambda: engine) as stage, probing(stage, served) as probe:
        await stage.begin(DRAW)
        await stage.begin(DRAW, player="bob")
        await stage.job(JobState.RUNNING, index=0)
        await stage.job(JobState.QUEUED, index=1)
        await asyncio.sleep(0.05)
        found = await probe.samples()
        gate.open()
        await stage.job(JobState.DELIVERED)
        after = await probe.samples()
    assert (found["dalle_bot_queue_jobs"], found["dalle_bot_running_jobs"], found["dalle_bot_slots_used"]) == (1, 1, 2)
    assert 0.05 <= found["dalle_bot_queue_oldest_age_seconds"] < 60
    assert found["dalle_bot_engine_busy_seconds"] > 0
    assert (after["dalle_bot_queue_oldest_age_seconds"], after["dalle_bot_engine_busy_seconds"]) == (0, 0)


async def test_jobs_of_an_earlier_run_count_as_resumed(open_stage: OpenStage, served: Settings) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running(DRAW)
    gate.open()
    async with open_stage() as stage, probing(stage, served) as probe:
        await stage.job(JobState.DELIVERED)
        assert (await probe.samples())["dalle_bot_resumed_jobs_total"] == 1


async def test_a_bot_that_is_well_is_healthy_and_ready(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, probing(stage, served) as probe:
        await guild_of(stage)
        await eventually(lambda: stage.app.executor.status.state is EngineState.READY)
        assert await probe.verdict("/healthz") == (200, {})
        assert await probe.verdict("/readyz") == (200, {})


async def test_a_bot_that_loads_is_healthy_and_not_ready(open_stage: OpenStage, served: Settings) -> None:
    gate = Gate()

    def slow() -> FakeEngine:
        gate.hold()
        return FakeEngine()

    async with open_stage(slow) as stage, probing(stage, served) as probe:
        await guild_of(stage)
        assert await probe.verdict("/healthz") == (200, {})
        assert await probe.verdict("/readyz") == (503, {"model": "loading"})
        gate.open()


async def test_a_bot_whose_engine_is_lost_is_neither(open_stage: OpenStage, served: Settings) -> None:
    def broken() -> FakeEngine:
        raise OSError("no such device")

    async with open_stage(broken) as stage, probing(stage, served) as probe:
        await guild_of(stage)
        await eventually(lambda: stage.app.executor.status.state is EngineState.FAILED)
        assert await probe.verdict("/healthz") == (503, {"engine": "failed"})
        assert await probe.verdict("/readyz") == (503, {"model": "failed"})


async def test_a_device_that_does_not_answer_is_seen(open_stage: OpenStage, served: Settings) -> None:
    """By the probe, whose limit is the lower one here: the watchdog would end the engine."""
    impatient = served.model_copy(update={"engine": EngineSettings(hang_timeout_s=1.0)})
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage, probing(stage, impatient) as probe:
        await stage.begin(DRAW)
        await asyncio.to_thread(gate.await_arrivals, 1)
        assert (await probe.verdict("/healthz"))[0] == 200
        await asyncio.sleep(1.05)
        status, wrong = await probe.verdict("/healthz")
        gate.open()
    assert status == 503
    assert wrong["engine"].startswith("at work without a sign of life for ")


async def test_a_store_that_takes_no_writes_is_seen_and_its_reason_is_not_told(
    open_stage: OpenStage, served: Settings
) -> None:
    """It still answers whoever only reads."""
    file = served.data_dir / STORE_FILE
    async with open_stage() as stage, probing(stage, served) as probe:
        await guild_of(stage)
        await eventually(lambda: stage.app.executor.status.state is EngineState.READY)
        await asyncio.to_thread(file.rename, file.with_suffix(".aside"))
        status, body = await probe.get("/readyz")
        assert (status, json.loads(body)["checks"]["store"]) == (503, {"ok": False, "found": "takes no writes"})
        assert str(file.parent) not in body
        assert (await probe.verdict("/healthz"))[0] == 200
        found = await probe.samples()
        assert found["dalle_bot_store_ready"] == 0
        assert found["dalle_bot_store_errors_total[unreachable]"] >= 1
        assert found["dalle_bot_log_records_total[warning]"] >= 1
        await asyncio.to_thread(file.with_suffix(".aside").rename, file)


async def test_a_bot_that_has_left_discord_is_not_ready(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, probing(stage, served) as probe:
        await guild_of(stage)
        await eventually(lambda: stage.app.executor.status.state is EngineState.READY)
        await stage.app.bot.close()
        status, wrong = await probe.verdict("/readyz")
        assert status == 503
        assert wrong["gateway"] == "0 of 1 shards connected"


async def test_only_three_pages_are_served_and_only_for_reading(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, probing(stage, served) as probe:
        assert probe.address.startswith("http://127.0.0.1:")
        assert [(await probe.get(path))[0] for path in ("/", "/debug", "/metrics/../config.toml")] == [404] * 3
        async with aiohttp.ClientSession() as session, session.post(f"{probe.address}/metrics") as response:
            assert response.status == 405


async def test_a_taken_port_is_named_with_what_to_do(open_stage: OpenStage, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = settings.model_copy(update={"telemetry": TelemetrySettings(enabled=True, port=port)})
        async with open_stage() as stage:
            with pytest.raises(
                DalleBotError, match=rf"127\.0\.0\.1:{port} can't be listened on .*telemetry\.port"
            ) as caught:
                async with probing(stage, served):
                    pass
    assert not isinstance(caught.value, ConfigError), "a supervisor tries again"


async def test_a_port_that_a_predecessor_still_has_is_waited_for(settings: Settings) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        port = taken.getsockname()[1]
        served = settings.model_copy(update={"telemetry": TelemetrySettings(enabled=True, port=port)})
        opening = telemetry_of(served, Metrics(), wait_s=TIMEOUT_S)
        waiting = asyncio.create_task(opening.__aenter__())
        await asyncio.sleep(0.3)
        assert not waiting.done()
    seen = await asyncio.wait_for(waiting, TIMEOUT_S)
    try:
        assert seen.address == f"http://127.0.0.1:{port}"
        assert (await Probe(seen.address).verdict("/healthz"))[0] == 200
    finally:
        await opening.__aexit__(None, None, None)


async def test_a_host_that_is_not_here_is_a_wrong_setting(settings: Settings) -> None:
    # 192.0.2.0/24 is nobody's.
    served = settings.model_copy(update={"telemetry": TelemetrySettings(enabled=True, host="192.0.2.1", port=0)})
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0 can't be listened on .*put right telemetry\.host"):
        async with telemetry_of(served, Metrics(), wait_s=TIMEOUT_S):
            pass


async def test_nothing_is_served_unless_it_is_wanted(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage, telemetry(stage.app, settings) as address:
        assert address is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_the_disk_of_a_folder_that_lets_nobody_in_is_seen(settings: Settings, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True, mode=0o700)
    metrics = Metrics()
    seen = Telemetry(settings.model_copy(update={"data_dir": closed / "data"}), metrics)
    os.seteuid(65534)
    try:
        await seen.refresh()
    finally:
        os.seteuid(0)
    assert metrics.registry.get_sample_value("dalle_bot_disk_free_bytes")


async def test_a_standby_lives_and_is_not_ready(served: Settings) -> None:
    """Nothing of a bot is there before it has its shards."""
    metrics = Metrics()
    async with telemetry_of(served, metrics) as seen:
        assert seen.address is not None
        probe = Probe(seen.address)
        assert await probe.verdict("/readyz") == (503, {"bot": "starting or stopping"})
        seen.stands_by(True)
        assert await probe.verdict("/healthz") == (200, {})
        assert await probe.verdict("/readyz") == (503, {"shards": "another process has them, and this one stands by"})
        found = await probe.samples()
        assert found["dalle_bot_standby"] == 1
        # Or its alerts would say that the disk and the queue are full.
        assert found["dalle_bot_disk_free_bytes"] > 0
        assert found["dalle_bot_queue_max_jobs"] == served.queue.max_jobs
        seen.stands_by(False)
        assert (await probe.samples())["dalle_bot_standby"] == 0


async def test_a_bot_that_is_taken_apart_lives_yet(open_stage: OpenStage, served: Settings) -> None:
    async with open_stage() as stage, telemetry_of(served, stage.app.metrics) as seen:
        assert seen.address is not None
        probe = Probe(seen.address)
        app = stage.app
        async with seen.observing(store=app.store, executor=app.executor, bot=app.bot):
            await guild_of(stage)
            await eventually(lambda: app.executor.status.state is EngineState.READY)
            assert await probe.verdict("/readyz") == (200, {})
        assert await probe.verdict("/healthz") == (200, {})
        assert await probe.verdict("/readyz") == (503, {"bot": "starting or stopping"})


async def test_a_process_is_seen_while_another_one_has_its_shards(
    postgres: PostgresServer, served: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.telemetry.server")
    url = postgres.empty_database()
    others = {
        "store": StoreSettings(url=SecretStr(url)),
        "sharding": ShardingSettings(count=2, ids=(0,)),
        "discord": DiscordSettings(token=SecretStr("a.token.here")),
    }
    async with Store.open(url) as store:
        assert await store.leases.take("another process", Shards(2, (0,)), 600.0)
        service = asyncio.create_task(serve(served.model_copy(update=others), FakeEngine))
        await eventually(lambda: any("metrics are at" in record.getMessage() for record in caplog.records))
        (said,) = [record for record in caplog.records if "metrics are at" in record.getMessage()]
        assert isinstance(said.args, tuple)
        probe = Probe(str(said.args[0]))
        async with asyncio.timeout(TIMEOUT_S):
            while (await probe.verdict("/readyz"))[1].keys() != {"shards"}:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
        assert await probe.verdict("/healthz") == (200, {})
        assert (await probe.samples())["dalle_bot_standby"] == 1
        service.cancel()
        await asyncio.wait({service}, timeout=TIMEOUT_S)
        assert service.cancelled()
