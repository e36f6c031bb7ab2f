"""The starter list: terms by category, shipped as files beside this module. Read once, on a worker thread.

Whether a category counts, and with which action, is each server's choice. Only one counts from the beginning.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bot.moderation.prompt_rules import Category, Rule, RuleAction
from bot.moderation.rule_file import parse_rules

FOLDER: Final = Path(__file__).parent / "starter"
STARTER_CATEGORIES: Final = tuple(category for category in Category if category not in (Category.BOT, Category.SERVER))
AT_FIRST: Final[Mapping[Category, RuleAction]] = MappingProxyType({Category.MINORS: RuleAction.REFUSE})
"""What counts where nobody has chosen."""


@cache
def starter_rules(category: Category, action: RuleAction) -> tuple[Rule, ...]:
    """The category's rules, with this action; its exceptions stay exceptions. Blocks on the disk at first."""
    text = (FOLDER / f"{category}.rules").read_text(encoding="utf-8")
    read = parse_rules(text, category=category, action=action, goes_on=True)
    if read.complaints:
        raise ValueError(f"{category}.rules, line {read.complaints[0].line}: {read.complaints[0].reason}")
    return read.rules
