"""The measurement of loading, on a model of a few megabytes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.bench.load import SPARE_BYTES, LoadReport, measure_load
from bot.bench.random_model import ensure_random_model, write_random_model
from bot.checkpoints.arrays import read_arrays
from bot.errors import CheckpointError, ConfigError, JobFailedError
from bot.startup import StartUp

REPORT = LoadReport(
    size="mega",
    stored="float16",
    dtype="bfloat16",
    weights="same",
    page_cache="warm",
    file_bytes=10**9,
    parameter_bytes=10**9,
    largest_bytes=10**8,
    peak_anon_bytes=1_500_000_000,
    peak_bytes=1_600_000_000,
    plain_peak_anon_bytes=2 * 10**9,
    open_s=[1.0],
    load_s=[3.0, 1.0, 2.0],
    plain_s=[2.0, 1.0, 9.0],
)


def test_measures_both_ways_in_processes_of_their_own(tmp_path: Path) -> None:
    start_up = StartUp()
    report = measure_load("tiny", stored="float32", folder=tmp_path, repeats=1, start_up=start_up)
    assert (len(report.open_s), len(report.load_s), len(report.plain_s)) == (1, 1, 1)
    assert report.parameter_bytes < report.file_bytes < report.parameter_bytes + SPARE_BYTES
    assert report.bound_bytes == report.parameter_bytes + report.largest_bytes + SPARE_BYTES
    if report.peak_anon_bytes is not None:
        assert report.parameter_bytes < report.peak_anon_bytes < report.bound_bytes
        assert report.within_bound
    assert list(start_up.seconds) == ["write a random tiny as float32", "load streamed, 1 of 1", "load plain, 1 of 1"]
    assert json.loads(json.dumps(report.to_json()))["ratio"] == report.ratio


def test_ways_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"file_bytes": 1, "parameter_bytes": 1, "largest_bytes": 1, "peak_anon_bytes": None, "peak_bytes": None}
    calls: list[str] = []

    def measured(model: Path, way: str, dtype: str, weights: str) -> dict[str, float | None]:
        calls.append(way)
        return {**result, "open_s": 1.0, "load_s": float(len(calls))}

    monkeypatch.setattr("bot.bench.load._measured", measured)
    report = measure_load("tiny", folder=tmp_path, repeats=3)
    assert calls == ["streamed", "plain", "plain", "streamed", "streamed", "plain"]
    assert (report.load_s, report.plain_s) == ([1.0, 4.0, 5.0], [2.0, 3.0, 6.0])
    assert (report.peak_anon_bytes, report.within_bound) == (None, None)
    assert "anonymous memory   not measured (no /proc) at most; allowed: 400 MB" in str(report).splitlines()


def test_a_folder_with_a_damaged_file(tmp_path: Path) -> None:
    ensure_random_model(tmp_path, "tiny", "float16", StartUp())
    (tmp_path / "vqgan" / "flax_model.msgpack").write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        measure_load("tiny", folder=tmp_path, repeats=1)
    [sentence] = str(caught.value).splitlines()
    assert sentence.startswith(f"--folder: {tmp_path / 'vqgan' / 'flax_model.msgpack'}: not a complete flax")


def test_a_process_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match=r"(?s)Loading \(\w+\) failed with exit code 1: .*float15"):
        measure_load("tiny", dtype="float15", folder=tmp_path, repeats=1)


def test_a_folder_with_another_model_is_refused(tmp_path: Path) -> None:
    ensure_random_model(tmp_path, "tiny", "float16", StartUp())
    ensure_random_model(tmp_path, "tiny", "float16", start_up := StartUp())
    assert not start_up.seconds
    with pytest.raises(ConfigError) as caught:
        measure_load("mini", stored="float32", folder=tmp_path)
    assert str(caught.value) == (
        f"--folder: {tmp_path} holds a random model of --size tiny --stored float16, not of --size mini "
        "--stored float32; give these or name another folder."
    )
    (tmp_path / "random_model.json").unlink()
    with pytest.raises(ConfigError, match=r"--folder: .* holds something else than a whole random model"):
        measure_load("tiny", folder=tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for folder in (file, file / "below"):
        with pytest.raises(ConfigError, match=r"--folder: .* is not a folder"):
            measure_load("tiny", folder=folder)
    if Path("/proc/self").exists():
        with pytest.raises(ConfigError, match=r"--folder: /proc/nope can't be used \(No such file or directory\)"):
            measure_load("tiny", folder=Path("/proc/nope"))


def test_a_report_compares_medians_with_what_is_allowed() -> None:
    assert REPORT.ratio == 1.0
    assert (REPORT.bound_bytes, REPORT.within_bound) == (1_500_000_000, True)
    lines = str(REPORT).splitlines()
    assert "anonymous memory   1.5 GB at most; allowed: 1.5 GB" in lines
    assert "load               2.00 s (3.00, 1.00, 2.00)" in lines
    assert "ratio              1.00; allowed: 1.5" in lines


def test_a_report_says_what_is_too_much_or_too_slow() -> None:
    assert (REPORT.within_ratio, REPORT.passed) == (True, True)
    slow, large = replace(REPORT, load_s=[3.2]), replace(REPORT, peak_anon_bytes=1_600_000_000)
    assert (slow.within_ratio, slow.passed, large.within_ratio, large.passed) == (False, False, True, False)
    assert slow.to_json()["within_ratio"] is False
    assert "ratio              1.60; allowed: 1.5: too slow" in str(slow).splitlines()
    assert "anonymous memory   1.6 GB at most; allowed: 1.5 GB: too much" in str(large).splitlines()


def test_weights_depend_on_their_names_alone(tmp_path: Path) -> None:
    first, second = (write_random_model(tmp_path / name, "tiny", "float16") for name in ("a", "b"))
    for folder, other in ((first.dalle_bart, second.dalle_bart), (first.clip, second.clip)):
        content = (folder / "flax_model.msgpack").read_bytes()
        assert content == (other / "flax_model.msgpack").read_bytes()
    arrays = read_arrays(first.dalle_bart / "flax_model.msgpack")
    assert any("FlaxBartDecoderLayers/" in name for name in arrays)
    assert {array.dtype.name for array in arrays.values()} == {"float16"}
