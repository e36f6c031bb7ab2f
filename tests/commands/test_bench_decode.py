"""`dalle-bot bench decode`: options in, a report out. What it measures is tested in tests/bench."""

import json
from dataclasses import replace
from typing import Any

import pytest

import bot.bench.decode
from bot.bench.decode_report import DecodeReport, DecodeRun
from bot.bench.floor import Floor
from bot.config import Settings
from tests.command_line import Call

RUN = DecodeRun(9, 256, 9, 256, [0.5], [0.03], 18_000_000, 2e6, 4_000_000_000, Floor(1e9, 1e12))
REPORT = DecodeReport("mini", True, "bfloat16", "int8", "cpu, 2 cores", 16, False, [RUN])


def test_options(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Settings, dict[str, Any]]] = []

    def measure_decode(settings: Settings, **options: Any) -> DecodeReport:
        options.pop("start_up")
        asked.append((settings, options))
        return REPORT

    monkeypatch.setattr(bot.bench.decode, "measure_decode", measure_decode)
    arguments = "--model mini --images 1 --images 9 --tokens 64 --dtype bfloat16 --weights int8 --random-weights --json"
    outcome = call("bench", "decode", *arguments.split(), "--slots", "12", "--repeats", "5")
    assert (outcome.code, outcome.err) == (0, "")
    [(settings, options)] = asked
    model = settings.model
    assert (model.name, model.dtype, model.weights) == ("mini", "bfloat16", "int8")
    assert options == {
        "random_weights": True,
        "num_images": [1, 9],
        "num_tokens": 64,
        "num_slots": 12,
        "repeats": 5,
    }
    assert json.loads(outcome.out)["ratio_to_floor"] == pytest.approx(1.5)
    assert call("bench", "decode").out.rstrip().endswith("1.50")
    assert asked[-1][1]["num_images"] == [9]


def test_a_wrong_floor_fails(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(REPORT, runs=[replace(RUN, step_s=[0.01])])
    monkeypatch.setattr(bot.bench.decode, "measure_decode", lambda settings, **options: wrong)
    outcome = call("bench", "decode", "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["ratio_to_floor"] == pytest.approx(0.5)
    assert "of its floor" in outcome.err
