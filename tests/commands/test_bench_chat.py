"""`dalle-bot bench chat`: options in, a report out. What it measures is tested in tests/bench."""

import json
from pathlib import Path
from typing import Any

import pytest

import bot.bench.chat
from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_report import ChatReport
from tests.bench.chat_samples import bot_report, record
from tests.command_line import Call

LONGEST_S = 0.03


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ChatPlan, Path]]:
    """Puts a report in the measurement's place. Returns the plan and the folder of each call."""
    calls: list[tuple[ChatPlan, Path]] = []

    async def measure_chat(settings: object, plan: ChatPlan, folder: Path, **_: Any) -> ChatReport:
        calls.append((plan, folder))
        return ChatReport(plan, record(), bot_report(longest_s=LONGEST_S * plan.users))

    monkeypatch.setattr(bot.bench.chat, "measure_chat", measure_chat)
    return calls


def test_options_reach_the_measurement(call: Call, asked: list[tuple[ChatPlan, Path]], tmp_path: Path) -> None:
    options = "--users 2 --seconds 3 --every 4 --seed 5 --out kept"
    outcome = call("bench", "chat", *options.split(), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert asked == [(ChatPlan(2, 3.0, 4.0, 5), Path("kept"))]
    assert (tmp_path / "kept").is_dir()
    assert json.loads(outcome.out)["delivered"] == 1


def test_a_goal_that_is_missed(call: Call, asked: list[tuple[ChatPlan, Path]]) -> None:
    outcome = call("bench", "chat", "--users", "4")
    assert outcome.code == 1
    assert "Missed: the event loop stood still for 0.120 s" in outcome.out
    ((_, folder),) = asked
    assert not folder.exists()
