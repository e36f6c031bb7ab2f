"""What bench decode measures and tells, on a tiny random model."""

import json

import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.bench.decode import measure_runs
from bot.bench.decode_report import DecodeReport, DecodeRun
from bot.bench.floor import Floor
from bot.bench.random_bundle import dalle_bart_options, random_bundle
from bot.bench.step_costs import cache_bytes, matmul_flops, weight_bytes
from bot.checkpoints.bundle import Bundle
from bot.engine.devices import slot_mesh
from bot.engine.engine import JaxChunk, JaxEngine
from bot.engine.precision import KeptDtypes
from bot.errors import ConfigError
from bot.startup import StartUp

FLOOR = Floor(bandwidth=1e9, rate=1e12)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    sharding = NamedSharding(slot_mesh(), Spec())
    return random_bundle("tiny", dalle_bart_options("tiny"), dtype=jnp.float32, weights="same", sharding=sharding)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of engines, in order."""
    seen: list[str] = []
    step, wait, free = JaxEngine.step, JaxChunk.wait, JaxEngine.free

    def recorded_step(engine: JaxEngine, num_tokens: int) -> JaxChunk:
        seen.append(f"step {num_tokens}")
        return step(engine, num_tokens)

    def recorded_wait(chunk: JaxChunk) -> None:
        seen.append("wait")
        wait(chunk)

    def recorded_free(engine: JaxEngine, slots: list[int]) -> None:
        seen.append(f"free {slots}")
        free(engine, slots)

    monkeypatch.setattr(JaxEngine, "step", recorded_step)
    monkeypatch.setattr(JaxChunk, "wait", recorded_wait)
    monkeypatch.setattr(JaxEngine, "free", recorded_free)
    return seen


def test_a_run(bundle: Bundle, calls: list[str]) -> None:
    (run,) = measure_runs(
        bundle,
        slot_mesh(),
        num_images=[2],
        num_tokens=10,
        num_slots=3,
        chunk_tokens=4,
        repeats=2,
        start_up=StartUp(),
        floor=FLOOR,
    )
    # One that doesn't count and two that do; each chunk is on its way before the last one is waited for.
    assert calls == 3 * ["step 4", "step 4", "wait", "step 2", "wait", "wait", "free [0, 1]"]
    assert (run.num_images, run.num_tokens, run.num_slots, run.image_length) == (2, 10, 3, 16)
    assert len(run.step_s) == len(run.prefill_s) == 2
    assert all(seconds > 0 for seconds in (*run.step_s, *run.prefill_s))
    assert run.weight_bytes == weight_bytes(bundle.bart_params)
    assert run.matmul_flops == matmul_flops(bundle.bart_params, 2)
    texts = [bundle.prompt_tokenizer.encode_unconditional().mask.sum()]
    assert run.cache_bytes > cache_bytes(
        bundle.bart_config, 2, 10, [int(n) for n in texts], KeptDtypes("float32", "float32")
    )


@pytest.mark.parametrize(
    ("num_tokens", "num_slots", "sentence"),
    [(17, None, "--tokens is 17, but a picture of tiny has 16"), (None, 8, "--slots is 8; expected at least .* is 9")],
)
def test_what_does_not_fit(bundle: Bundle, num_tokens: int | None, num_slots: int | None, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        measure_runs(
            bundle,
            slot_mesh(),
            num_images=[1, 9],
            num_tokens=num_tokens,
            num_slots=num_slots,
            chunk_tokens=4,
            repeats=1,
            start_up=StartUp(),
            floor=FLOOR,
        )


def run_of(num_images: int, *step_s: float) -> DecodeRun:
    """Its floor is 20 ms, for reading 20 MB; multiplying takes 4 ms."""
    return DecodeRun(num_images, 256, num_images, 256, [0.5], step_s, 18_000_000, 2e6, 4_000_000_000, FLOOR)


def report_of(*runs: DecodeRun) -> DecodeReport:
    return DecodeReport("mini", True, "float32", "same", "cpu, 2 cores", 16, False, runs)


def test_figures_are_of_the_median() -> None:
    figures = json.loads(json.dumps(report_of(run_of(9, 0.05, 0.025, 0.03)).to_json()))
    assert figures["seconds_per_step"] == 0.03
    assert figures["min_seconds_per_step"] == 0.025
    assert figures["images_per_second"] == pytest.approx(9 / (256 * 0.03))
    assert figures["read_bytes_per_second"] == pytest.approx(20e6 / 0.03)
    assert figures["matmul_flops_per_second"] == pytest.approx(4e9 / 0.03)
    assert figures["floor_seconds_per_step"] == pytest.approx(0.02)
    assert figures["ratio_to_floor"] == pytest.approx(1.5)
    assert (figures["device"], figures["dtype"], figures["model"]) == ("cpu, 2 cores", "float32", "mini")
    assert (figures["weight_bytes"], figures["cache_bytes"]) == (18_000_000, 2e6)


def test_several_numbers_of_images_are_a_list() -> None:
    report = report_of(run_of(1, 0.03), run_of(9, 0.04))
    figures = report.to_json()
    assert [run["images"] for run in figures["runs"]] == [1, 9]
    assert "images" not in figures
    lines = str(report).splitlines()
    assert lines[0].startswith("mini, random weights, float32, weights same, on cpu, 2 cores; 256 tokens")
    assert [line.split()[0] for line in lines[2:]] == ["images", "1", "9"]
    assert lines[-1].endswith("2.00")
    assert len({len(line) for line in lines[2:]}) == 1


def test_faster_than_its_floor_is_wrong() -> None:
    assert report_of(run_of(1, 0.0191)).wrong_floor is None
    wrong = report_of(run_of(1, 0.03), run_of(9, 0.018))
    assert "With --images 9 a step takes 0.90 of its floor" in str(wrong.wrong_floor)
