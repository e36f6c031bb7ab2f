"""`dalle-bot bench overload`: options in, a report out. What it measures is tested in tests/bench."""

import json
from pathlib import Path
from typing import Any

import pytest

import bot.bench.overload
from bot.bench.overload_report import OverloadReport
from tests.bench.test_overload import MIB, report
from tests.command_line import Call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Puts a report in the measurement's place. Returns what was asked for."""
    calls: list[dict[str, Any]] = []

    async def measure_overload(settings: object, folder: Path, **options: Any) -> OverloadReport:
        calls.append({"folder": folder} | options)
        return report(*[100 * MIB] * 20)

    monkeypatch.setattr(bot.bench.overload, "measure_overload", measure_overload)
    return calls


def test_options_reach_the_measurement(call: Call, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    options = "--times 5 --seconds 3 --seed 2 --out kept --plot overload.png"
    outcome = call("bench", "overload", *options.split(), "--json")
    # The sample holds no overload.
    assert (outcome.code, outcome.err) == (1, "")
    (given,) = asked
    assert [given[key] for key in ("folder", "times", "seconds", "seed")] == [Path("kept"), 5.0, 3.0, 2]
    assert json.loads(outcome.out)["memory_growth"] == 0.0
    assert (tmp_path / "overload.png").is_file()


def test_it_is_told_to_people(call: Call, asked: list[dict[str, Any]]) -> None:
    outcome = call("bench", "overload")
    assert "memory at most" in outcome.out
    assert "100.0 MiB" in outcome.out
    assert "Missed: no command was turned away" in outcome.out
