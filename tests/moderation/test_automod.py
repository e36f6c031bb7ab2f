"""AutoMod's keywords as rules."""

from bot.moderation.automod import Keywords, convert
from bot.moderation.prompt_rules import RuleAction, RuleSet


def test_keywords_mean_what_they_did() -> None:
    found = [
        Keywords(("cat", "dog*", "*fish", "*bird*", "green tea", "f*x", "x"), (r"^b[au]d\b", "(?=a)"), ("catdog",)),
        Keywords(("cat",)),
    ]
    converted = convert(found, RuleAction.HOLD)
    assert [(rule.text, rule.action.value) for rule in converted.rules] == [
        ("cat", "hold"),
        ("dog*", "hold"),
        ("*fish", "hold"),
        ("*bird*", "hold"),
        ("green tea", "hold"),
        (r"/^b[au]d\b/", "hold"),
        ("catdog", "allow"),
    ]
    assert [(text, str(reason)) for text, reason in converted.refused] == [
        ("f*x", "A * may stand at the ends of a rule only; for more, write a pattern: /…/."),
        ("x", "A rule needs at least 2 letters or digits."),
        ("/(?=a)/", "RE2 refuses this pattern: invalid perl operator: (?=."),
    ]
    rules = RuleSet(converted.rules)
    for prompt in ("a cat", "doghouse", "goldfish", "blackbirds", "green tea", "BAD idea"):
        assert rules.check(prompt).action is RuleAction.HOLD, prompt
    for prompt in ("category", "hotdog", "fishing", "greenteas", "too bad"):
        assert rules.check(prompt).action is RuleAction.ALLOW, prompt


def test_an_exception_of_one_rule_is_none_where_another_blocks_it() -> None:
    found = [Keywords(("*darn*",)), Keywords(("*heck*", "damn"), (), ("darn", "heckle", "damn"))]
    converted = convert(found, RuleAction.REFUSE)
    assert [(rule.text, rule.action.value) for rule in converted.rules] == [
        ("*darn*", "refuse"),
        ("*heck*", "refuse"),
        ("damn", "refuse"),
        ("heckle", "allow"),
    ]
    assert [text for text, _ in converted.refused] == ["darn", "damn"]
    assert "here an exception counts for all rules" in str(converted.refused[0][1])
