"""What Discord's AutoMod looks for, as rules for prompts. Pure.

Its keywords mean what ours do: word boundaries, and a * at an end where a longer word fires too. Its patterns are
written for Rust's regex, which RE2 nearly is; what RE2 refuses is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bot.errors import InvalidParameterError
from bot.language import Text
from bot.moderation.prompt_rules import Rule, RuleAction, RuleSet

_ELSEWHERE: Final = Text(
    "AutoMod allows it in one rule and blocks it in another; here an exception counts for all rules."
)


@dataclass(frozen=True, slots=True)
class Keywords:
    """What one rule of AutoMod looks for. allowed: what it lets pass."""

    words: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """refused: what can't be a rule here, with the reason."""

    rules: tuple[Rule, ...]
    refused: tuple[tuple[str, Text], ...]


def convert(keywords: Iterable[Keywords], action: RuleAction) -> Converted:
    """action: of all but what is allowed. AutoMod's exceptions count for one of its rules, and ours for all, so one of
    which another rule says something else is refused."""
    rules: dict[str, Rule] = {}
    refused: list[tuple[str, Text]] = []
    taken: list[tuple[Keywords, list[Rule]]] = []
    for found in keywords:
        given = [*found.words, *(f"/{pattern}/" for pattern in found.patterns)]
        blocking, complaints = _rules(given, action)
        refused += complaints
        rules |= {rule.text: rule for rule in blocking}
        taken.append((found, blocking))
    for found, _ in taken:
        if not found.allowed:
            continue
        exceptions, complaints = _rules(found.allowed, RuleAction.ALLOW)
        refused += complaints
        others = RuleSet({rule.text: rule for other, some in taken if other is not found for rule in some}.values())
        for rule in exceptions:
            if rule.text in rules or others.check(rule.text.strip("*")).hits:
                refused.append((rule.text, _ELSEWHERE))
            else:
                rules[rule.text] = rule
    return Converted(tuple(rules.values()), tuple(refused))


def _rules(texts: Iterable[str], action: RuleAction) -> tuple[list[Rule], list[tuple[str, Text]]]:
    """Those that there can be, and why there can't be others."""
    rules: list[Rule] = []
    refused: list[tuple[str, Text]] = []
    for text in texts:
        try:
            rules.append(Rule(text, action))
        except InvalidParameterError as error:
            refused.append((text, error.text))
    return rules, refused
