"""Requests to Discord as metrics: the real client in a sandbox that refuses some."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from bot.sandbox import Refusal
from bot.store import JobState
from bot.telemetry.discord_traffic import MAX_UNANSWERED, DiscordTraffic, kind_of_status
from bot.telemetry.metrics import DISCORD_ERRORS, Metrics
from tests.conftest import OpenStage, Stage

DRAW = "/imagine prompt:a red circle images:1"
BY_TOKEN = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"dalle_bot_{name}", labels)
    assert found is not None, name
    return found


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (413, "bad_request"),
        (429, "rate_limited"),
        (499, "bad_request"),
        (500, "server_error"),
        (599, "server_error"),
    ],
)
def test_every_status_has_a_kind(status: int, kind: str) -> None:
    assert kind_of_status(status) == kind
    assert kind in DISCORD_ERRORS


async def test_answers_and_errors_of_a_real_client_are_counted(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        metrics = stage.app.metrics
        before = value(metrics, "discord_request_seconds_count")
        await stage.sandbox.refuse(Refusal("PATCH", BY_TOKEN, 500, times=1))
        await stage.sandbox.refuse(Refusal("PATCH", BY_TOKEN, 429, times=1))
        await stage.play(DRAW)
        await stage.job(JobState.DELIVERED)
        await stage.play("/help")
        assert value(metrics, "interactions_total", kind="command") == 2
        assert value(metrics, "acknowledgement_seconds_count") == 2
        assert 0 < value(metrics, "acknowledgement_seconds_sum") < 6
        assert value(metrics, "discord_errors_total", kind="server_error") == 1
        assert value(metrics, "discord_errors_total", kind="rate_limited") == 1
        assert value(metrics, "discord_errors_total", kind="connection") == 0
        assert value(metrics, "discord_request_seconds_count") >= before + 5


async def test_presses_and_suggestions_are_counted_by_kind(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await press_and_type(stage)
        kinds = [value(stage.app.metrics, "interactions_total", kind=kind) for kind in ("component", "suggestion")]
        assert kinds == [1, 1]
        assert value(stage.app.metrics, "acknowledgement_seconds_count") == 3


async def press_and_type(stage: Stage) -> None:
    await stage.play(DRAW)
    await stage.play("click Delete")
    await stage.play("type /imagine style:o")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (asyncio.CancelledError(), "timeout"),
        (aiohttp.ClientConnectionError(), "connection"),
        (OSError(), "connection"),
    ],
)
async def test_a_request_without_an_answer_is_counted(error: BaseException, kind: str) -> None:
    metrics = Metrics()
    trace = DiscordTraffic(metrics).trace()
    context, nobody = SimpleNamespace(), cast(Any, None)
    await trace.on_request_start[0](nobody, context, nobody)
    await trace.on_request_exception[0](nobody, context, cast(Any, SimpleNamespace(exception=error)))
    assert value(metrics, "discord_errors_total", kind=kind) == 1
    assert value(metrics, "discord_request_seconds_count") == 1


def test_unanswered_interactions_are_not_kept_for_ever() -> None:
    traffic = DiscordTraffic(Metrics())
    for interaction_id in range(MAX_UNANSWERED + 5):
        traffic.arrived(interaction_id, "command")
    assert len(traffic._unanswered) == MAX_UNANSWERED
