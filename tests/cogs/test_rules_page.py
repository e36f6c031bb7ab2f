"""What /mod rules and /mod test-prompt say, and that it fits into a message."""

from bot.cogs.rules_page import (
    MAX_NAMED,
    MAX_PAGE_UNITS,
    categories_text,
    complaints_text,
    explanation_text,
    explanations_text,
    list_text,
    taken_text,
)
from bot.language import ENGLISH, Text
from bot.moderation.prompt_rules import Category, Rule, RuleAction, RuleSet
from bot.moderation.rule_file import Complaint
from bot.store import Taken

MAX_MESSAGE = 2000
RULES = RuleSet([Rule("naked", RuleAction.REFUSE), Rule("naked mole rat", RuleAction.ALLOW)])


def test_every_hit_is_explained_with_its_span() -> None:
    prompt = "a very long prompt about some n4ked *people* on a beach, and a naked mole rat"
    text = explanation_text(prompt, None, RULES.check(prompt), ENGLISH)
    assert text.splitlines() == [
        "This would be refused.",
        r"- prompt, from 31 to 35: …y long prompt about some __**n4ked**__ \*people\* on a beach, and…",
        "  **refuse**: naked (rules of this server)",
        "  The spelling differs by signs or digits for letters.",
        r"- prompt, from 64 to 68: …eople\* on a beach, and a __**naked**__ mole rat",
        "  **refuse**: naked (rules of this server)",
        "  An exception covers it, so it doesn't count.",
        r"- prompt, from 64 to 77: …eople\* on a beach, and a __**naked mole rat**__",
        "  **allow**: naked mole rat (rules of this server)",
    ]


def test_the_negative_prompt_and_nothing() -> None:
    assert "- negative, from 1 to 5: __**naked**__" in explanation_text(
        "a", "naked", RULES.check("a", "naked"), ENGLISH
    )
    assert explanation_text("a", None, RULES.check("a"), ENGLISH) == "This would be drawn. No rule fires."


def test_whatever_is_long_fits() -> None:
    rules = [Rule("*" + "x" * 480 + str(number), RuleAction.WARN) for number in range(300)]
    text = list_text(rules, ENGLISH)
    assert len(text) < MAX_MESSAGE
    assert text.startswith("300 rules of this server:")
    assert text.endswith("The others are in the file of /mod rules export.")
    prompt = "naked_*" * 140
    assert len(explanation_text(prompt, None, RULES.check(prompt), ENGLISH)) < MAX_MESSAGE
    complaints = [Complaint(number, Text("*" * 300)) for number in range(20)]
    assert len(complaints_text(complaints, 20, ENGLISH)) < MAX_MESSAGE
    assert MAX_PAGE_UNITS < MAX_MESSAGE


def test_categories() -> None:
    actions = {Category.GORE: None, Category.HATE: RuleAction.HOLD}
    assert categories_text(actions, {Category.GORE: 1, Category.HATE: 40}, ENGLISH).splitlines() == [
        "The starter list, by category:",
        "- gore and cruelty: **off** (1 rule)",
        "- hatred and its symbols: **hold** (40 rules)",
    ]


def test_what_was_imported_is_told_with_what_it_was_before() -> None:
    changed = tuple((f"word{number}", RuleAction.REFUSE, RuleAction.WARN) for number in range(7))
    taken = Taken(20, num_added=3, num_unchanged=1, changed=changed, kept=(("naked", RuleAction.STRIKE),))
    lines = taken_text(12, taken, ENGLISH).splitlines()
    assert lines[0] == (
        "Imported 11 rules. New: 3, with another action: 7, as before: 1. This server has 20 rules now. "
        "1 rule here is stricter and stays."
    )
    assert lines[1] == "- word0: refuse → warn"
    assert lines[-2:] == ["- naked stays: strike", "…"]
    assert len(lines) == 1 + MAX_NAMED + 2


def test_variants_are_explained_strictest_first() -> None:
    rules = RuleSet([Rule("naked", RuleAction.WARN), Rule("red", RuleAction.REFUSE)])
    explained = [(prompt, rules.check(prompt)) for prompt in ("a naked man", "a red man", "a man")]
    lines = explanations_text(explained, None, ENGLISH).splitlines()
    assert lines[:3] == [
        "It stands for 3 variants. The strictest decides for all.",
        "Variant: a red man",
        "This would be refused.",
    ]
    assert "Variant: a naked man" in lines
    assert "Variant: a man" not in lines
    assert len(explanations_text(explained * 20, None, ENGLISH)) < MAX_MESSAGE
