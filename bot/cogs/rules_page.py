"""What /mod rules and /mod test-prompt answer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bot.language import Language, Text
from bot.message_text import escape, escape_shortened
from bot.moderation.prompt_rules import Category, Hit, Part, Rule, RuleAction, Verdict
from bot.moderation.rule_file import Complaint
from bot.moderation.rule_texts import ACTION_NAMES, CATEGORY_NAMES, TRICK_NAMES
from bot.store import Taken

MAX_PAGE_UNITS: Final = 1800
MAX_RULE_UNITS: Final = 120
MAX_NAMED: Final = 5
MAX_CONTEXT_CHARACTERS: Final = 25

_PARTS: Final[Mapping[Part, Text]] = {"prompt": Text("prompt"), "negative": Text("negative")}
_OUTCOMES: Final[Mapping[RuleAction, Text]] = {
    RuleAction.ALLOW: Text("This would be drawn."),
    RuleAction.WARN: Text("This would be drawn, with a note to whoever asks."),
    RuleAction.HOLD: Text("This would wait for a moderator's review."),
    RuleAction.REFUSE: Text("This would be refused."),
    RuleAction.STRIKE: Text("This would be refused, with a strike for whoever asks."),
}


def rule_line(rule: Rule, language: Language) -> str:
    """action and text."""
    return f"**{language.tell(ACTION_NAMES[rule.action])}**: {escape_shortened(rule.text, MAX_RULE_UNITS)}"


def list_text(rules: Sequence[Rule], language: Language) -> str:
    """The guild's own rules, as many as fit."""
    if not rules:
        return language.text(
            "This server has no rules of its own. /mod rules add makes one, and /mod rules categories switches parts "
            "of the starter list."
        )
    head = language.plural("{n} rule of this server:", "{n} rules of this server:", len(rules))
    lines = [f"- {rule_line(rule, language)}" for rule in rules]
    return _fitting(head, lines, language.text("The others are in the file of /mod rules export."))


def taken_text(number: int, taken: Taken, language: Language) -> str:
    """What became of `number` rules that were imported."""
    lines = [
        language.plural("Imported {n} rule.", "Imported {n} rules.", number - len(taken.kept)),
        language.text(
            "New: {added}, with another action: {changed}, as before: {unchanged}.",
            added=taken.num_added,
            changed=len(taken.changed),
            unchanged=taken.num_unchanged,
        ),
        language.plural("This server has {n} rule now.", "This server has {n} rules now.", taken.num_rules),
    ]
    if taken.kept:
        lines.append(
            language.plural(
                "{n} rule here is stricter and stays.", "{n} rules here are stricter and stay.", len(taken.kept)
            )
        )
    named = [
        language.text(
            "- {rule}: {before} → {now}", rule=_shown(text), before=ACTION_NAMES[before], now=ACTION_NAMES[now]
        )
        for text, before, now in taken.changed[:MAX_NAMED]
    ]
    named += [
        language.text("- {rule} stays: {action}", rule=_shown(text), action=ACTION_NAMES[action])
        for text, action in taken.kept[:MAX_NAMED]
    ]
    if max(len(taken.changed), len(taken.kept)) > MAX_NAMED:
        named.append("…")
    return "\n".join([" ".join(lines), *named])


def added_text(rule: Rule, taken: Taken, language: Language) -> str:
    """What /mod rules add did, and what the rule was before."""
    lines = [
        language.plural(
            "{rule}. This server has {n} rule now.",
            "{rule}. This server has {n} rules now.",
            taken.num_rules,
            rule=rule_line(rule, language),
        )
    ]
    lines += [
        language.text("Before, its action was: {action}", action=ACTION_NAMES[before]) for _, before, _ in taken.changed
    ]
    return "\n".join(lines)


def _shown(text: str) -> str:
    return escape_shortened(text, MAX_RULE_UNITS)


def categories_text(
    actions: Mapping[Category, RuleAction | None], sizes: Mapping[Category, int], lang: Language
) -> str:
    """What counts of the starter list. sizes: how many rules each category has."""
    lines = [lang.text("The starter list, by category:")]
    for category, action in actions.items():
        state = lang.text("off") if action is None else lang.tell(ACTION_NAMES[action])
        count = lang.plural("{n} rule", "{n} rules", sizes[category])
        lines.append(f"- {lang.tell(CATEGORY_NAMES[category])}: **{state}** ({count})")
    return "\n".join(lines)


def complaints_text(complaints: Iterable[Complaint], num_malformed: int, language: Language) -> str:
    """Why nothing of a file was taken."""
    head = language.plural(
        "Nothing was imported: {n} line is malformed.", "Nothing was imported: {n} lines are malformed.", num_malformed
    )
    lines = [
        language.text("- Line {line}: {reason}", line=complaint.line, reason=escape(language.tell(complaint.reason)))
        for complaint in complaints
    ]
    return _fitting(head, lines, "…")


def refused_lines(refused: Iterable[tuple[str, Text]], language: Language) -> list[str]:
    """What can't be a rule, with the reasons."""
    return [f"- {escape_shortened(text, MAX_RULE_UNITS)}: {escape(language.tell(reason))}" for text, reason in refused]


def explanations_text(explained: Sequence[tuple[str, Verdict]], negative: str | None, language: Language) -> str:
    """Of each variant that braces stand for, with the strictest first; one has no heading."""
    if len(explained) == 1:
        prompt, verdict = explained[0]
        return explanation_text(prompt, negative, verdict, language)
    head = language.plural("It stands for {n} variant.", "It stands for {n} variants.", len(explained))
    firing = [(prompt, verdict) for prompt, verdict in explained if verdict.hits]
    if not firing:
        return f"{head} {language.text('No rule fires.')}"
    firing.sort(key=lambda one: -one[1].action.severity)
    blocks = [
        f"{language.text('Variant: {prompt}', prompt=_shown(prompt))}\n"
        f"{explanation_text(prompt, negative, verdict, language)}"
        for prompt, verdict in firing
    ]
    head += " " + language.text("The strictest decides for all.")
    return _fitting(head, "\n".join(blocks).splitlines(), "…")


def explanation_text(prompt: str, negative: str | None, verdict: Verdict, language: Language) -> str:
    """Every hit with its place in the prompt, its rule and how the spelling differs, and what would happen."""
    texts: dict[Part, str] = {"prompt": prompt, "negative": negative or ""}
    head = language.tell(_OUTCOMES[verdict.action])
    if not verdict.hits:
        return f"{head} {language.text('No rule fires.')}"
    lines = [_hit_line(hit, texts[hit.part], language) for hit in verdict.hits]
    return _fitting(head, lines, "…")


def _hit_line(hit: Hit, text: str, language: Language) -> str:
    before, after = text[: hit.start], text[hit.end :]
    shown = "".join(
        (
            "…" if len(before) > MAX_CONTEXT_CHARACTERS else "",
            escape(before[-MAX_CONTEXT_CHARACTERS:]),
            f"__**{escape_shortened(text[hit.start : hit.end], MAX_RULE_UNITS)}**__",
            escape(after[:MAX_CONTEXT_CHARACTERS]),
            "…" if len(after) > MAX_CONTEXT_CHARACTERS else "",
        )
    )
    line = language.text(
        "- {part}, from {start} to {end}: {shown}\n  {rule} ({category})",
        part=_PARTS[hit.part],
        start=hit.start + 1,
        end=hit.end,
        shown=shown,
        rule=rule_line(hit.rule, language),
        category=CATEGORY_NAMES[hit.rule.category],
    )
    if hit.tricks:
        tricks = tuple(TRICK_NAMES[trick] for trick in sorted(hit.tricks))
        line += "\n  " + language.text("The spelling differs by {tricks}.", tricks=tricks)
    if hit.is_off:
        line += "\n  " + language.text("An exception covers it, so it doesn't count.")
    return line


def _fitting(head: str, lines: Sequence[str], rest: str) -> str:
    """rest: stands for the lines that don't fit into a message."""
    room = MAX_PAGE_UNITS - _units(head)
    kept = [head]
    for line in lines:
        room -= _units(line) + 1
        if room < 0:
            kept.append(rest)
            break
        kept.append(line)
    return "\n".join(kept)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
