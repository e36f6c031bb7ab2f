"""`dalle-bot bench rules`: options in, a report out. What it measures is tested in tests/bench."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import bot.bench.rules
from bot.bench.rules import Cost, Innocents, Recall, RulesReport
from tests.command_line import Call

COST = Cost(10, 1, 0.1, 1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize(("num_found", "code"), [(96, 0), (94, 1)])
def test_the_goals_decide(call: Call, monkeypatch: pytest.MonkeyPatch, num_found: int, code: int) -> None:
    asked: list[Sequence[Path]] = []
    recall = Recall(1, 1, 100, num_found, ())

    def measure_rules(words: Sequence[Path]) -> RulesReport:
        asked.append(words)
        return RulesReport(recall, recall, recall, recall, Innocents(1, 1, (), ()), COST)

    monkeypatch.setattr(bot.bench.rules, "measure_rules", measure_rules)
    outcome = call("bench", "rules", *["--words", "a", "--words", "b", "--json"])
    assert outcome.code == code
    assert json.loads(outcome.out)["unseen"]["num_found"] == num_found
    assert call("bench", "rules").out.startswith("evasions, seen pairs")
    assert asked == [[Path("a"), Path("b")], []]
