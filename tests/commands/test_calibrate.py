"""`dalle-bot calibrate`: options in, a report and a file out. What it measures is tested in tests/bench."""

import json
from pathlib import Path
from typing import Any

import pytest

import bot.bench.calibration
from bot.bench.calibration import CalibrationReport
from bot.moderation.calibration import Calibrated, Counts
from bot.moderation.image_categories import Categories, read_categories
from tests.command_line import Call

CATEGORIES = 'neutral = ["a circle"]\n[categories.star]\ntexts = ["a star"]\nthreshold = 0.5\n'


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Categories, float]]:
    """Puts a report in the measurement's place. Returns what it is asked for."""
    calls: list[tuple[Path, Categories, float]] = []

    def measure(folder: Path, _: Any, categories: Categories, *, precision: float, **__: Any) -> CalibrationReport:
        calls.append((folder, categories, precision))
        first, second = Counts(2, 0, 0, 3), Counts(1, 1, 1, 2)
        new = categories.with_thresholds({"star": 0.25})
        return CalibrationReport("demo", precision, 10, (Calibrated("star", 0.25, first, second),), new)

    monkeypatch.setattr(bot.bench.calibration, "calibrate_folder", measure)
    return calls


def test_options_reach_the_measurement(call: Call, asked: list[tuple[Path, Categories, float]], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CATEGORIES)
    outcome = call("calibrate", "pictures", *["--categories", "c.toml", "--precision", "0.8", "--out", "new.toml"])
    assert outcome.code == 0
    [(folder, categories, precision)] = asked
    assert (folder, precision) == (Path("pictures"), 0.8)
    assert [each.name for each in categories.categories] == ["star"]
    assert "star: threshold 0.250000" in outcome.out
    assert "measured  precision 50.0%, recall 50.0%  (1 of 2 found, 1 of 3 others hit)" in outcome.out
    assert "moderation.image_categories_file" in outcome.out
    new = read_categories(tmp_path / "new.toml")
    assert (new.is_calibrated, new.categories[0].threshold) == (True, 0.25)


def test_json_alone(call: Call, asked: list[tuple[Path, Categories, float]]) -> None:
    outcome = call("calibrate", "pictures", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = json.loads(outcome.out)
    assert told["categories"][0]["second"]["recall"] == 0.5
    assert {"nudity", "blood"} <= {each.name for each in asked[0][1].categories}


@pytest.mark.parametrize("precision", ["0", "1.5"])
def test_a_precision_that_cannot_be(call: Call, precision: str) -> None:
    outcome = call("calibrate", "pictures", "--precision", precision)
    assert outcome.code == 2
    assert "--precision is" in outcome.err


def test_without_a_folder(call: Call) -> None:
    outcome = call("calibrate", "pictures")
    assert outcome.code == 2
    assert "There is no folder pictures" in outcome.err
