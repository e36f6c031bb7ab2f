"""`dalle-bot bench serve`: options in, a report out. What it measures is tested in tests/bench."""

import json
from pathlib import Path
from typing import Any

import pytest

import bot.bench.serve
from bot.bench.serve_report import ServeReport
from tests.bench.test_serve_report import report
from tests.command_line import Call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Puts a report in the measurement's place. Returns the options of each call."""
    calls: list[dict[str, Any]] = []

    async def measure_serve(open_engine: object, **options: Any) -> ServeReport:
        calls.append({name: value for name, value in options.items() if name not in ("start_up", "watch")})
        return report()

    monkeypatch.setattr(bot.bench.serve, "measure_serve", measure_serve)
    return calls


def test_options_reach_the_measurement(call: Call, asked: list[dict[str, Any]]) -> None:
    arguments = "--load 0.5 --jobs 40 --seed 3 --seconds 2"
    outcome = call("bench", "serve", *arguments.split(), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert asked == [{"chunk_tokens": 16, "load": 0.5, "seconds": 2.0, "jobs": 40, "seed": 3}]
    assert json.loads(outcome.out) == json.loads(json.dumps(report().to_json()))


def test_a_table_and_a_plot(call: Call, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    outcome = call("bench", "serve", "--plot", str(tmp_path / "serve.png"))
    assert outcome.code == 0
    assert outcome.out == f"{report()}\n"
    assert (tmp_path / "serve.png").stat().st_size > 0


def test_a_plot_that_can_not_be_drawn_is_refused_at_once(call: Call, asked: list[dict[str, Any]]) -> None:
    outcome = call("bench", "serve", "--plot", "serve.jpg")
    assert (outcome.code, outcome.err) == (2, "dalle-bot: --plot: serve.jpg must end in .png.\n")
    assert asked == []
