"""`dalle-bot bench quality`: options in, a report out. What it judges is tested in tests/bench and tests/demo."""

import json
from typing import Any

import pytest

import bot.bench.quality
from bot.config import Settings
from bot.demo.report import Criteria, Rates, Report, Row
from tests.command_line import Call

PERFECT = Criteria(object_colour=1, background=1, shape=1, size=1, relation=1, count=1)


def report(share: float) -> Report:
    rates = Rates(num_captions=4, best=share, random=share, worst=share)
    return Report(9, {"one object": Row(4, 0.9, rates, None, PERFECT, ())}, None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, int]]:
    """Puts a report in the judge's place. Returns what it is asked for."""
    calls: list[tuple[Settings, int]] = []

    def judge(settings: Settings, *, num_captions: int, **_: Any) -> Report:
        calls.append((settings, num_captions))
        return report(1.0)

    monkeypatch.setattr(bot.bench.quality, "judge", judge)
    return calls


def test_options_reach_the_judge(call: Call, asked: list[tuple[Settings, int]]) -> None:
    outcome = call("bench", "quality", *["--captions", "4", "--dtype", "bfloat16", "--weights", "int8", "--json"])
    assert (outcome.code, outcome.err) == (0, "")
    [(settings, num_captions)] = asked
    assert (settings.model.name, settings.model.dtype, settings.model.weights) == ("demo", "bfloat16", "int8")
    assert num_captions == 4
    assert json.loads(outcome.out) == json.loads(json.dumps(report(1.0).to_json()))


def test_the_settings_count_where_no_option_is_given(
    call: Call, asked: list[tuple[Settings, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALLE_BOT_MODEL__DTYPE", "float16")
    assert call("bench", "quality").out == f"{report(1.0)}\n"
    [(settings, _)] = asked
    assert (settings.model.dtype, settings.model.weights) == ("float16", "same")


def test_a_goal_that_is_missed_fails(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.bench.quality, "judge", lambda settings, **_: report(0.5))
    outcome = call("bench", "quality")
    assert outcome.code == 1
    assert "The gate is not passed." in outcome.out
