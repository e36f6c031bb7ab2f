"""`dalle-bot bench …`: every command on the smallest size there is. What they measure is tested in tests/bench."""

import json
from typing import Any

import pytest

import bot.bench.precision
from bot.bench.precision import measure_precision
from bot.checkpoints.folders import ModelFolders
from tests.command_line import Call


def test_load(call: Call) -> None:
    outcome = call("bench", "load", "--size", "tiny", "--repeats", "1", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads(outcome.out)
    assert report["within_bound"] in (True, None)
    assert report["ratio"] > 0


def test_start(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_ENGINE__NUM_SLOTS", "4")
    outcome = call("bench", "start", "--size", "tiny", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads(outcome.out)
    stages = [stage["name"] for stage in report["stages"]]
    assert stages == [
        *("find devices", "read headers", "load DalleBart", "load VQGAN", "load CLIP", "compiling"),
        *("collage 1", "collage 2"),
    ]
    assert report["num_slots"] == 4
    assert all(seconds > 0 for seconds in report["collage_s"])
    assert report["planned_total"] > sum(report["planned"].values())


def test_precision(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_setting_only(folders: ModelFolders, **options: Any) -> Any:
        return measure_precision(folders, settings=[("float32", "int8")], **options)

    monkeypatch.setattr(bot.bench.precision, "measure_precision", one_setting_only)
    outcome = call("bench", "precision", "--prompts", "1", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads(outcome.out)
    assert (report["model"], report["num_prompts"]) == ("demo", 1)
    [deviation] = report["deviations"]
    assert deviation["weights_bytes"] < report["float32_bytes"] / 2
