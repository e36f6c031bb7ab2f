"""The bench of the rules for prompts, on a few terms and words."""

from pathlib import Path

import pytest

from bot.bench.evasions import pairs
from bot.bench.rules import (
    Innocents,
    RulesReport,
    measure_cost,
    measure_innocents,
    measure_recall,
    measure_rules,
    meetings,
    read_words,
)
from bot.errors import ConfigError
from bot.moderation.prompt_rules import Rule, RuleAction, RuleSet

TERMS = ["naked", "ass", "mein kampf"]
RULES = RuleSet([Rule(term, RuleAction.REFUSE) for term in TERMS])


def test_recall_counts_what_is_found() -> None:
    found = measure_recall(RULES, ["naked"], pairs(is_seen=True))
    assert found.num_evasions > 100
    assert found.share > 0.9
    lost = measure_recall(RULES, ["nobody"], pairs(is_seen=True)[:20])
    assert (lost.num_found, lost.share) == (0, 0.0)
    assert sum(number for _, number in lost.worst_pairs) <= lost.num_evasions


def test_innocents() -> None:
    words = ["grass", "Assam", "ass", "ass's", "Ass", "snaked", "nakedd", "tree"]
    assert measure_innocents(RULES, TERMS, words) == Innocents(8, 4, (), ())
    alarming = RuleSet([Rule("*ass*", RuleAction.REFUSE), Rule("tree", RuleAction.REFUSE)])
    assert measure_innocents(alarming, ["ass"], words) == Innocents(8, 2, ("grass", "Assam"), ("tree",))


def test_meetings_of_both_sides() -> None:
    rules = [Rule("red, black, pink, blue, 5 ft && dog", RuleAction.REFUSE), Rule("naked", RuleAction.REFUSE)]
    assert meetings(rules) == ["dog red", "black dog", "dog, pink", "blue, dog"]
    assert measure_recall(RuleSet(rules), meetings(rules), pairs(is_seen=True)[:40]).share > 0.9


def test_lists_of_words(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("red\nblue\n\n", encoding="utf-8")
    second.write_text("blue\ngrün\n", encoding="utf-8")
    assert read_words([first, second]) == ["red", "blue", "grün"]
    with pytest.raises(ConfigError, match=r"--words: .*absent can't be read"):
        read_words([tmp_path / "absent"])


def test_cost_and_report() -> None:
    cost = measure_cost(200, 3)
    assert (cost.num_rules, cost.num_patterns) == (200, 20)
    assert 0 < cost.median_ms <= cost.worst_ms
    recall = measure_recall(RULES, ["naked"], pairs(is_seen=False)[:30])
    missing = measure_recall(RULES, ["nobody"], pairs(is_seen=False)[:20])
    report = RulesReport(recall, recall, recall, missing, Innocents(1, 1, ("grass",), ()), cost)
    assert report.missed[:2] == ["recall of combinations", "false alarms"]
    assert report.to_json()["unseen"]["recall"] == recall.share
    assert "1 of 1 words hold a term, 1 of them fire" in str(report)


def test_the_whole_of_it_on_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.bench.rules.pairs", lambda *, is_seen: pairs(is_seen=is_seen)[:2])
    report = measure_rules([], num_rules=50, num_prompts=2)
    assert report.seen.num_terms > 200
    assert report.combined_seen.num_terms > 100
    assert report.combined_unseen.share > 0.9
    assert report.innocents == Innocents(0, 0, (), ())
