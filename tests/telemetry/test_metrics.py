"""Names, labels and help of every metric, and that the README lists them."""

import re
from collections.abc import Iterable

from prometheus_client import Metric

from bot.cogs.gateway_watch import _KINDS
from bot.executor.base import EngineState
from bot.store import JobState
from bot.store.watched import _KINDS as STORE_KINDS
from bot.telemetry.metrics import (
    DISCORD_ERRORS,
    ENGINE_STATES,
    INTERACTION_KINDS,
    JOB_STATES,
    STORE_ERRORS,
    Metrics,
)
from tests.test_readme import rows, section

LABELS = {"sources", "version", "state", "kind", "level", "access", "le"}


def own(metrics: Metrics) -> Iterable[Metric]:
    return (metric for metric in metrics.registry.collect() if not metric.name.startswith("process_"))


def exposed(metric: Metric) -> str:
    """The name that people look for."""
    ending = {"counter": "_total", "info": "_info"}.get(metric.type, "")
    return metric.name + ending


def test_names_follow_the_conventions() -> None:
    for metric in own(Metrics()):
        assert re.fullmatch(r"dalle_bot_[a-z_]+", metric.name), metric.name
        assert metric.documentation.endswith("."), metric.name
        assert not re.search(r"_(ms|millis|minutes|hours|kb|mb)$", metric.name), "base units: seconds and bytes"
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")


def test_no_label_holds_an_id_or_a_text_of_somebody() -> None:
    for metric in own(Metrics()):
        for sample in metric.samples:
            assert set(sample.labels) <= LABELS, sample


def test_labels_have_the_values_of_the_code() -> None:
    assert set(JOB_STATES) == set(JobState)
    assert set(ENGINE_STATES) == set(EngineState)
    assert set(INTERACTION_KINDS) == set(_KINDS.values())
    assert set(STORE_KINDS.values()) <= set(STORE_ERRORS)


def test_every_series_is_there_before_anything_happens() -> None:
    metrics = Metrics()
    kinds = {
        sample.labels["kind"]
        for metric in own(metrics)
        if metric.name == "dalle_bot_discord_errors"
        for sample in metric.samples
    }
    assert kinds == set(DISCORD_ERRORS)


def test_two_bots_of_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.resumed_jobs.inc()
    assert one.registry.get_sample_value("dalle_bot_resumed_jobs_total") == 1
    assert other.registry.get_sample_value("dalle_bot_resumed_jobs_total") == 0


def test_the_readme_lists_every_metric() -> None:
    listed = [name for name in rows(section("Watching it")) if name.startswith("dalle_bot_")]
    assert listed == [exposed(metric) for metric in own(Metrics())]
