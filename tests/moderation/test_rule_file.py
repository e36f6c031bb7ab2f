"""Rules as a file: what is read, what is written, and what is said of malformed lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ConfigError, InvalidParameterError
from bot.moderation.prompt_rules import MAX_RULES, Category, Rule, RuleAction
from bot.moderation.rule_file import (
    MAX_COMPLAINTS,
    MAX_FILE_BYTES,
    MAX_MALFORMED,
    decode,
    load_rules,
    parse_rules,
    write_rules,
)
from bot.moderation.starter import AT_FIRST, FOLDER, STARTER_CATEGORIES, starter_rules

EXAMPLE = """\
# a remark

refuse: naked
WARN :  *blood*
hold: /kill: (him|her)/
allow: naked mole rat
refuse: blood : bath
"""


def test_an_example() -> None:
    read = parse_rules(EXAMPLE)
    assert read.complaints == ()
    assert [(rule.action.value, rule.text) for rule in read.rules] == [
        ("refuse", "naked"),
        ("warn", "*blood*"),
        ("hold", "/kill: (him|her)/"),
        ("allow", "naked mole rat"),
        ("refuse", "blood : bath"),
    ]
    assert parse_rules(write_rules(read.rules)) == read


def test_malformed_lines_are_named_with_their_reasons() -> None:
    read = parse_rules("refuse: naked\nnaked\nrefuze: naked\n\nwarn: /(/\nwarn:\nhold: x\n")
    assert [rule.text for rule in read.rules] == ["naked"]
    assert [(complaint.line, str(complaint.reason)) for complaint in read.complaints] == [
        (2, "There is no action: write ACTION: WORDS, with one of allow, warn, hold, refuse, strike."),
        (3, "There is no action refuze; there are allow, warn, hold, refuse, strike."),
        (5, "RE2 refuses this pattern: missing ): (."),
        (6, "A rule has 1 to 500 characters, and this one has 0."),
        (7, "A rule needs at least 2 letters or digits."),
    ]


def test_many_malformed_lines_are_counted() -> None:
    read = parse_rules("x\n" * 100)
    assert (len(read.complaints), read.num_malformed) == (MAX_COMPLAINTS, 100)


def test_the_same_rule_with_two_actions_is_malformed() -> None:
    read = parse_rules("refuse: naked\nwarn: naked\nrefuse: naked\n")
    assert read.rules == (Rule("naked", RuleAction.REFUSE),)
    assert [(complaint.line, str(complaint.reason)) for complaint in read.complaints] == [
        (2, "Another line says “refuse” for the same: leave one of them.")
    ]


def test_a_line_may_go_on() -> None:
    read = parse_rules("refuse: naked, \\\n  nude && \\\n cat\n\nwarn: x\nhold: blue \\", goes_on=True)
    assert [rule.text for rule in read.rules] == ["naked, nude && cat", "blue"]
    assert [complaint.line for complaint in read.complaints] == [5]
    own = (Rule("red \\", RuleAction.WARN), Rule("naked && cat", RuleAction.HOLD))
    assert parse_rules(write_rules(own)).rules == own


def test_too_many_rules() -> None:
    with pytest.raises(InvalidParameterError, match="more than 10,000 rules"):
        parse_rules("".join(f"warn: word {number}\n" for number in range(MAX_RULES + 1)))


def test_what_is_no_text() -> None:
    assert decode("\ufeffwarn: é".encode()) == "warn: é"
    with pytest.raises(InvalidParameterError, match=r"not UTF-8 text \(line 2\): save it as UTF-8"):
        decode(b"warn: a\nwarn: \xff")
    with pytest.raises(InvalidParameterError, match="at most 1,048,576 are read"):
        decode(b"x" * (MAX_FILE_BYTES + 1))


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    read = parse_rules(text, action=RuleAction.WARN)
    assert parse_rules(write_rules(read.rules)).rules == read.rules


def test_the_starter_list_is_well_formed() -> None:
    assert {path.stem for path in FOLDER.glob("*.rules")} == set(STARTER_CATEGORIES)
    assert set(AT_FIRST) < set(STARTER_CATEGORIES)
    for category in STARTER_CATEGORIES:
        rules = starter_rules(category, RuleAction.HOLD)
        assert len(rules) >= 20
        assert {rule.category for rule in rules} == {category}
        assert {rule.action for rule in rules} <= {RuleAction.HOLD, RuleAction.ALLOW}
    assert Category.SERVER not in STARTER_CATEGORIES


def test_the_file_of_whoever_runs_the_bot(tmp_path: Path) -> None:
    path = tmp_path / "rules.txt"
    path.write_text("refuse: naked\n", encoding="utf-8")
    assert load_rules(path) == (Rule("naked", RuleAction.REFUSE, Category.BOT),)
    path.write_text("refuse: naked\nwarn: /(/\nx\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(caught.value).splitlines() == [
        f"moderation.rules_file: {path} has 2 malformed lines.",
        "line 2: RE2 refuses this pattern: missing ): (.",
        "line 3: There is no action: write ACTION: WORDS, with one of allow, warn, hold, refuse, strike.",
    ]
    with pytest.raises(ConfigError, match=r"moderation\.rules_file: .*absent can't be read: No such file"):
        load_rules(tmp_path / "absent")
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_rules(path)


def test_a_file_made_to_keep_the_bot_busy_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    read = parse_rules("warn: x\n" * (MAX_MALFORMED + 500))
    assert (len(read.complaints), read.num_malformed) == (MAX_COMPLAINTS, MAX_MALFORMED)
    monkeypatch.setattr("bot.moderation.rule_file.MAX_LINES", 30)
    with pytest.raises(InvalidParameterError, match="more than 30 lines with rules"):
        parse_rules("warn: naked\n" * 31)
    with pytest.raises(InvalidParameterError, match="more than 30 lines with rules"):
        parse_rules("warn: x\n" * 31)


def test_too_many_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.moderation.rule_file.MAX_PATTERNS", 3)
    again = "warn: /word 1/\n" * 5
    assert len(parse_rules("warn: /word 1/\nwarn: /word 2/\nwarn: /word 3/\n" + again).rules) == 3
    with pytest.raises(InvalidParameterError, match="more than 3 patterns"):
        parse_rules("".join(f"warn: /word {number}/\n" for number in range(4)))
