"""What Discord's AutoMod looks for, as rules for prompts. Pure.

Its keywords mean what ours do: word boundaries, and a * at an end where a longer word fires too. Its patterns are
written for Rust's regex, which RE2 nearly is; what RE2 refuses is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.errors import InvalidParameterError
from bot.language import Text
from bot.moderation.prompt_rules import Rule, RuleAction


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
    """action: of all but what is allowed."""
    rules: dict[str, Rule] = {}
    refused: list[tuple[str, Text]] = []
    for found in keywords:
        given = [(word, action) for word in found.words]
        given += [(f"/{pattern}/", action) for pattern in found.patterns]
        given += [(word, RuleAction.ALLOW) for word in found.allowed]
        for text, wanted in given:
            try:
                rule = Rule(text, wanted)
            except InvalidParameterError as error:
                refused.append((text, error.text))
            else:
                rules[rule.text] = rule
    return Converted(tuple(rules.values()), tuple(refused))
