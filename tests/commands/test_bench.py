"""`dalle-bot bench …`: options in, a report out. What load and precision measure is tested in tests/bench."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bot.bench.load
import bot.bench.precision
from bot.bench.load import LoadReport
from bot.bench.precision import Deviation, PrecisionReport
from bot.checkpoints.folders import ModelFolders
from bot.fetch.locate import DEMO_FOLDER
from tests.command_line import Call

LOADED = LoadReport(
    size="mini",
    stored="float32",
    dtype="float16",
    weights="int8",
    page_cache="cold",
    file_bytes=100,
    parameter_bytes=50,
    largest_bytes=10,
    peak_anon_bytes=70,
    peak_bytes=90,
    plain_peak_anon_bytes=150,
    open_s=[0.5],
    load_s=[1.0],
    plain_s=[2.0],
)
COMPARED = PrecisionReport(
    model="demo",
    num_prompts=3,
    image_length=64,
    condition_scale=2.0,
    spread=2.5,
    float32_bytes=1000,
    deviations=(Deviation("float32", "int8", 400, 0.1, 0.01, 0.99, 0.9, 40.0),),
    device="cpu",
)


def test_load(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def measure_load(size: str, **options: Any) -> LoadReport:
        options.pop("start_up")
        asked.append((size, options))
        return LOADED

    monkeypatch.setattr(bot.bench.load, "measure_load", measure_load)
    arguments = (
        "--size mini --stored float32 --dtype float16 --weights int8 --folder here --repeats 1 --page-cache cold"
    )
    outcome = call("bench", "load", *arguments.split(), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert asked == [
        (
            "mini",
            {
                "stored": "float32",
                "dtype": "float16",
                "weights": "int8",
                "folder": Path("here"),
                "repeats": 1,
                "page_cache": "cold",
            },
        )
    ]
    assert json.loads(outcome.out)["ratio"] == 0.5
    assert "ratio              0.50; allowed: 1.5" in call("bench", "load").out


def test_load_that_breaks_a_bound(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = replace(LOADED, load_s=[3.2])
    monkeypatch.setattr(bot.bench.load, "measure_load", lambda size, **options: slow)
    outcome = call("bench", "load")
    assert outcome.code == 1
    assert "too slow" in outcome.out


@pytest.mark.slow
def test_start(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_ENGINE__NUM_SLOTS", "4")
    # One program of chunks.
    monkeypatch.setenv("DALLE_BOT_ENGINE__DETERMINISTIC", "true")
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


def test_start_finds_devices_before_it_writes(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_ENGINE__NUM_DEVICES", "1000")
    outcome = call("bench", "start", "--size", "tiny", "--folder", str(tmp_path / "new"))
    assert outcome.code == 2
    assert "engine.num_devices is 1000" in outcome.err
    assert not (tmp_path / "new").exists()


def test_start_takes_no_part_of_another_model(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VQGAN", "CLIP", "REVISION"):
        monkeypatch.setenv(f"DALLE_BOT_MODEL__{name}", "elsewhere")
    monkeypatch.setenv("DALLE_BOT_ENGINE__MEMORY_FRACTION", "0.00001")
    outcome = call("bench", "start", "--size", "tiny", "--folder", str(tmp_path / "new"))
    assert "The model with" in outcome.err
    # Without a terminal, lines tell how far it is.
    assert "write a random tiny as float16 ..." in outcome.err.splitlines()


def test_start_in_a_folder_that_is_none(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    outcome = call("bench", "start", "--size", "tiny", "--folder", str(file))
    assert (outcome.code, outcome.err) == (2, f"dalle-bot: --folder: {file} is not a folder; name another one.\n")


def test_precision(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[ModelFolders, int]] = []

    def measure_precision(folders: ModelFolders, *, num_prompts: int, **options: Any) -> PrecisionReport:
        assert (options["device"].platform, options["memory_fraction"]) == ("cpu", 0.5)
        asked.append((folders, num_prompts))
        return COMPARED

    monkeypatch.setattr(bot.bench.precision, "measure_precision", measure_precision)
    monkeypatch.setenv("DALLE_BOT_ENGINE__MEMORY_FRACTION", "0.5")
    outcome = call("bench", "precision", "--prompts", "3", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    [(folders, num_prompts)] = asked
    assert (folders.dalle_bart, num_prompts) == (DEMO_FOLDER / "dalle_bart", 3)
    assert json.loads(outcome.out)["deviations"][0]["weights"] == "int8"
    assert "3 prompts, 64 codes each" in call("bench", "precision").out
    monkeypatch.setenv("DALLE_BOT_ENGINE__NUM_DEVICES", "1000")
    assert "engine.num_devices is 1000" in call("bench", "precision").err
