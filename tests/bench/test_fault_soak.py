"""`bench chat --faults`: its plan, and a short form from end to end."""

from pathlib import Path

import pytest

from bot.bench.fault_engine import NOT_FINITE, RAISED, EngineFaults
from bot.bench.fault_report import KILLED
from bot.bench.fault_soak import MAX_DELAY_S, SoakPlan, soak
from bot.config import Settings
from bot.startup import StartUp


def test_the_kills_follow_from_the_seed() -> None:
    plan = SoakPlan(jobs=2000, seed=7)
    assert plan.kills() == SoakPlan(jobs=2000, seed=7).kills()
    assert plan.kills() != SoakPlan(jobs=2000, seed=8).kills()
    places = [place for place, _ in plan.kills()]
    assert len(set(places)) == 20
    assert places == sorted(places)
    assert places[0] > 0
    assert places[-1] < 2000
    assert all(0 <= delay_s <= MAX_DELAY_S for _, delay_s in plan.kills())
    assert len(SoakPlan(jobs=2, seed=1).kills()) == 1


def test_the_engines_faults_follow_from_seed_and_run(tmp_path: Path) -> None:
    def failing(seed: int, run: int) -> list[int]:
        faults = EngineFaults(seed, run, tmp_path / "tally").faults
        return [number for number in range(1, 2000) if faults.raises.get(("prefill", number)) is not None]

    assert failing(1, 1) == failing(1, 1) != failing(1, 2)
    assert 2 < len(failing(1, 1)) < 40
    (tmp_path / "tally").unlink()
    plan = EngineFaults(1, 1, tmp_path / "tally")
    assert plan.faults.raises.get(("free", 1)) is None
    num_raised = sum(plan.faults.raises.get(("prefill", number)) is not None for number in range(1, 2000))
    num_failed = sum((5, index) in plan.faults.not_finite for index in range(5000))
    assert num_failed > 0
    assert (tmp_path / "tally").read_text().splitlines() == [RAISED] * num_raised + [NOT_FINITE] * num_failed


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_short_soak_loses_nothing(tmp_path: Path) -> None:
    plan = SoakPlan(jobs=60, seed=3, share=0.4, jobs_per_kill=60)
    report = await soak(Settings(data_dir=tmp_path / "unused"), plan, tmp_path, start_up=StartUp())
    figures = report.to_json()
    assert figures["acknowledged"] >= 60
    assert (figures["lost"], figures["doubled"], figures["wrong"], figures["store_problems"]) == (0, 0, 0, 0), figures
    assert figures["missed"] == []
    assert figures["delivered"] + figures["failed"] == figures["acknowledged"]
    assert figures["delivered"] > 50
    assert figures["faults"][KILLED] == 1
    assert len(figures["faults"]) > 4
    assert figures["faults_injected"] == sum(figures["faults"].values())
    assert all(account.sent.options["images"] for account in report.accounts)
    assert not (tmp_path / "unused").exists()
