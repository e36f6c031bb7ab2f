"""What people call the parts of the rules for prompts. Pure; the cogs tell them."""

from collections.abc import Mapping
from typing import Final

from bot.language import Text
from bot.moderation.prompt_rules import Category, Hit, Part, RuleAction
from bot.moderation.prompt_text import Trick

CATEGORY_NAMES: Final[Mapping[Category, Text]] = {
    Category.BOT: Text("rules of this bot"),
    Category.SERVER: Text("rules of this server"),
    Category.MINORS: Text("sexual content with minors"),
    Category.SEXUAL: Text("nudity and sex"),
    Category.GORE: Text("gore and cruelty"),
    Category.HATE: Text("hatred and its symbols"),
    Category.SELF_HARM: Text("suicide and self-harm"),
    Category.HARASSMENT: Text("harassment and threats"),
    Category.DRUGS: Text("drugs"),
}

ACTION_NAMES: Final[Mapping[RuleAction, Text]] = {
    RuleAction.ALLOW: Text("allow"),
    RuleAction.WARN: Text("warn"),
    RuleAction.HOLD: Text("hold"),
    RuleAction.REFUSE: Text("refuse"),
    RuleAction.STRIKE: Text("strike"),
}

TRICK_NAMES: Final[Mapping[Trick, Text]] = {
    Trick.ACCENTS: Text("accents"),
    Trick.LOOKALIKES: Text("letters that look alike"),
    Trick.INVISIBLE: Text("invisible characters"),
    Trick.LEETSPEAK: Text("signs or digits for letters"),
    Trick.REPEATED: Text("repeated letters"),
    Trick.SPACING: Text("letters apart"),
    Trick.JOINED: Text("words written together"),
    Trick.MASKED: Text("an asterisk for a letter"),
}

_OWN: Final = frozenset({Category.BOT, Category.SERVER})
_PARTS: Final[Mapping[Part, Text]] = {"prompt": Text("Your prompt"), "negative": Text("Your negative prompt")}


def refusal(hit: Hit) -> Text:
    """For whoever asked: the category, and not the rule, which would teach its way around it."""
    if hit.rule.category in _OWN:
        return Text(
            "{part} is against the {category}. Describe something else.",
            part=_PARTS[hit.part],
            category=CATEGORY_NAMES[hit.rule.category],
        )
    return Text(
        "{part} comes under “{category}”, which is not allowed here. Describe something else.",
        part=_PARTS[hit.part],
        category=CATEGORY_NAMES[hit.rule.category],
    )


def warning(hit: Hit) -> Text:
    """For whoever asked, beside what is drawn."""
    if hit.rule.category in _OWN:
        return Text(
            "{part} touches the {category}, and moderators here have an eye on that. It is drawn all the same.",
            part=_PARTS[hit.part],
            category=CATEGORY_NAMES[hit.rule.category],
        )
    return Text(
        "{part} comes under “{category}”, which moderators here have an eye on. It is drawn all the same.",
        part=_PARTS[hit.part],
        category=CATEGORY_NAMES[hit.rule.category],
    )


def strike_reason(hit: Hit) -> Text:
    """Of a strike that a rule gives: the category, as in `refusal`."""
    name = CATEGORY_NAMES[hit.rule.category]
    if hit.rule.category in _OWN:
        return Text("A prompt against the {category}", category=name)
    return Text("A prompt that comes under “{category}”", category=name)
