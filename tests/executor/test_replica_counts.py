"""What replicas tell of their work, as metrics of the bot that asks them."""

from dataclasses import replace

import pytest

from bot.engine.fake import FakeEngine
from bot.executor import replica_counts
from bot.executor.forecast import EngineLoad
from bot.executor.replica_counts import LOST_AFTER_S, MAX_KNOWN, ReplicaCounts
from bot.executor.replicas import ReplicaState
from bot.executor.work_done import WorkDone
from bot.telemetry.metrics import Metrics
from tests.conftest import eventually

from .drive import ask, read
from .near import near

LOAD = EngineLoad(0.0, 4, 4, 16, (), 0, None)
ONE = ReplicaState("one", "1", FakeEngine().info, LOAD, 0.0, {}, WorkDone(5, 500, 1.0))
OTHER = replace(ONE, id="other", work=WorkDone())


def shown(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(f"dalle_bot_{name}")
    assert value is not None
    return value


def test_what_is_done_is_counted_from_the_first_look_on() -> None:
    metrics = Metrics()
    counts = ReplicaCounts(metrics)
    counts.see([ONE, OTHER], 0.0)
    assert (shown(metrics, "engine_tokens_total"), shown(metrics, "engine_step_seconds_count")) == (0, 0)
    counts.see([replace(ONE, work=WorkDone(8, 560, 1.6)), replace(OTHER, work=WorkDone(1, 20, 0.3))], 1.0)
    assert shown(metrics, "engine_tokens_total") == 60 + 20
    assert shown(metrics, "engine_step_seconds_count") == 3 + 1
    assert shown(metrics, "engine_step_seconds_sum") == pytest.approx(0.6 + 0.3)
    assert metrics.registry.get_sample_value("dalle_bot_engine_step_seconds_bucket", {"le": "0.25"}) == 3
    # One that was not heard of for a while goes on.
    counts.see([], 2.0)
    counts.see([replace(ONE, work=WorkDone(9, 600, 1.8))], 3.0)
    assert shown(metrics, "engine_tokens_total") == 80 + 40


def test_only_so_many_are_remembered() -> None:
    counts = ReplicaCounts(Metrics())
    for number in range(MAX_KNOWN + 5):
        counts.see([replace(ONE, id=str(number))], float(number))
    assert len(counts._known) == MAX_KNOWN


def test_who_is_there_and_who_has_gone() -> None:
    metrics = Metrics()
    counts = ReplicaCounts(metrics)
    assert (shown(metrics, "replicas"), shown(metrics, "replicas_lost_total")) == (0, 0)
    counts.see([ONE, OTHER], 0.0)
    assert (shown(metrics, "replicas"), shown(metrics, "replicas_lost_total")) == (2, 0)
    counts.see([OTHER], 1.0)
    assert (shown(metrics, "replicas"), shown(metrics, "replicas_lost_total")) == (1, 0)
    counts.see([OTHER], 1.0 + LOST_AFTER_S)
    assert (shown(metrics, "replicas"), shown(metrics, "replicas_lost_total")) == (1, 1)
    counts.see([], 2.0 + LOST_AFTER_S)
    for _ in range(2):
        counts.see([], 2.0 + 2 * LOST_AFTER_S)
        assert (shown(metrics, "replicas"), shown(metrics, "replicas_lost_total")) == (0, 2)


def test_a_look_that_nobody_answers_and_one_that_one_misses_lose_nobody() -> None:
    metrics = Metrics()
    counts = ReplicaCounts(metrics)
    counts.see([ONE, OTHER], 0.0)
    counts.see(None, 1.0)
    assert shown(metrics, "replicas") == 0
    counts.see(None, 9 * LOST_AFTER_S)
    # The first answer after a long silence may be that of one alone.
    counts.see([ONE], 10 * LOST_AFTER_S)
    counts.see([ONE, OTHER], 10 * LOST_AFTER_S + 1.0)
    counts.see([ONE], 12 * LOST_AFTER_S)
    assert shown(metrics, "replicas_lost_total") == 0
    counts.see([ONE], 13 * LOST_AFTER_S)
    assert shown(metrics, "replicas_lost_total") == 1


async def test_a_bot_shows_what_its_replicas_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_counts, "LOST_AFTER_S", 0.0)
    metrics = Metrics()
    engine = FakeEngine(num_slots=4, image_length=16)
    async with near(lambda: engine, metrics=metrics) as (executor, replicas):
        assert (await read(await executor.submit(ask(num_images=2)))).error is None
        await eventually(lambda: shown(metrics, "engine_tokens_total") == 2 * 16)
        assert shown(metrics, "engine_step_seconds_count") >= 4
        assert shown(metrics, "replicas") == 1
        replicas.there.clear()
        await eventually(lambda: shown(metrics, "replicas_lost_total") == 1)
