"""`dalle-bot bench scale`: options in, a report out, nothing but it on standard output, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import bot.bench.scale
from bot.bench.scale_report import Compared, ScaleReport
from tests.bench.test_scale import sample_report
from tests.command_line import Call
from tests.conftest import COLD_START_S


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Puts a report in the measurement's place. Returns the options of each call. An option `seed` of 1 is off."""
    calls: list[dict[str, Any]] = []

    async def measure_scale(settings: object, folder: Path, **options: Any) -> ScaleReport:
        print("(raylet) A task has failed.")
        calls.append({name: value for name, value in options.items() if name != "start_up"} | {"folder": folder})
        off = [Compared("images a second", 10.0, 8.0)]
        return replace(sample_report(), compared=off) if options["seed"] == 1 else sample_report()

    monkeypatch.setattr(bot.bench.scale, "measure_scale", measure_scale)
    return calls


def test_options_reach_the_measurement(call: Call, asked: list[dict[str, Any]]) -> None:
    arguments = "--rate 5 --rate 50 --replicas 3 --wait 4 --uplink 100 --jobs 20 --seed 7 --database sqlite"
    outcome = call("bench", "scale", *arguments.split(), "--json")
    ((given),) = asked
    assert given.pop("folder").name.startswith("dalle-bot-bench-")
    assert given == {
        "num_jobs": 20,
        "rates_per_minute": [5.0, 50.0],
        "num_replicas": 3,
        "max_wait_s": 4.0,
        "uplink_mbit_per_s": 100.0,
        "database": "sqlite",
        "seed": 7,
    }
    # What Ray prints is not among it.
    assert json.loads(outcome.out) == json.loads(json.dumps(sample_report().to_json()))
    assert (outcome.code, outcome.err) == (0, "(raylet) A task has failed.\n")


def test_a_simulation_that_is_off_fails(call: Call, asked: list[dict[str, Any]]) -> None:
    outcome = call("bench", "scale", "--seed", "1")
    assert outcome.code == 1
    assert "Missed: images a second: simulated 8, measured 10." in outcome.out


def test_what_is_not_installed_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bot.bench.scale", "bot.bench.scale_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "simpy", None)
    outcome = call("bench", "scale", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "dalle-bot: bench scale needs SimPy: pip install -e '.[ray,scale]' in the checkout.\n"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.timeout(2 * COLD_START_S)
def test_a_small_measurement() -> None:
    """Whether this machine keeps a steady pace meanwhile is its business; that the exit code says so is ours."""
    command = [sys.executable, "-m", "bot", "bench", "scale", "--jobs", "12", "--rate", "10", "--rate", "100"]
    command += ["--replicas", "1", "--json"]
    # Not pytest's folder: the path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="dalle-bot-") as folder:
        # PostgreSQL's server is another user's where root starts it.
        os.chmod(folder, 0o755)
        environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * COLD_START_S, env=environment)
        assert list(Path(folder).glob("dalle-bot-bench-*")) == []
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    throughput, latency = report["two_replicas"]
    for figure in (throughput, latency):
        assert figure["error"] == pytest.approx(figure["simulated"] / figure["measured"] - 1.0)
    assert done.returncode == int(any(abs(figure["error"]) > 0.15 for figure in (throughput, latency)))
    assert len(report["missed"]) == sum(abs(figure["error"]) > 0.15 for figure in (throughput, latency))
    assert report["throughput_ratio_of_ray"] > 0.0
    few, many = report["answers"]
    assert (few["prompts_per_minute"], many["prompts_per_minute"]) == (10.0, 100.0)
    assert few["num_replicas"] == many["num_replicas"] == 1
    assert few["replicas_limit_per_minute"] == many["replicas_limit_per_minute"]
    assert (many["p95_wait_s"] is None) is (many["replicas_limit_per_minute"] <= 100.0)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    """SIGTERM puts away what it has begun, as Ctrl+C does."""
    program = """
import asyncio, sys, types
from bot.__main__ import main

async def measure_scale(*_, **options):
    print("measuring", file=sys.stderr, flush=True)
    await asyncio.sleep(3600.0)

sys.modules["bot.bench.scale"] = module = types.ModuleType("bot.bench.scale")
module.measure_scale = measure_scale
sys.argv = ["dalle-bot", "bench", "scale"]
main()
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        while (line := process.stderr.readline()) != "measuring\n":
            assert line
        assert len(list(tmp_path.glob("dalle-bot-bench-*"))) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(COLD_START_S) != 0
    assert list(tmp_path.glob("dalle-bot-bench-*")) == []
