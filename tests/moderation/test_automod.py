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
    for prompt in ("category", "hotdog", "fishing", "greentea", "too bad"):
        assert rules.check(prompt).action is RuleAction.ALLOW, prompt
