"""What exactly a record of the audit is about, in words: the decision, the rule, what a sweep looked for. Pure.

A record may be of another version of the bot: what doesn't fit is left out.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from bot.cogs.maker_page import CASE_KINDS, DECISIONS
from bot.language import Text
from bot.message_text import escape_shortened
from bot.moderation.cases import CaseKind, Decision
from bot.moderation.image_texts import category_text
from bot.moderation.prompt_rules import Category, RuleAction
from bot.moderation.rule_texts import ACTION_NAMES, CATEGORY_NAMES
from bot.store import AuditAction, AuditEntry

MAX_TERM_UNITS: Final = 40
MAX_RULE_UNITS: Final = 100

_SWEEPS: Final = (AuditAction.SWEEP_STARTED, AuditAction.SWEEP_STOPPED, AuditAction.SWEEP_DONE)
_PICTURES: Final = (
    AuditAction.PICTURES_HELD,
    AuditAction.PICTURES_WARNED,
    AuditAction.PICTURES_SPOILERED,
    AuditAction.PICTURES_REFUSED,
)
_STYLES: Final = (AuditAction.STYLE_ADDED, AuditAction.STYLE_REMOVED)
_RULES: Final = (AuditAction.RULE_ADDED, AuditAction.RULE_REMOVED, AuditAction.RULES_IMPORTED)


def details_of(entry: AuditEntry) -> list[Text | str]:
    """Its parts, in the order in which they are read; none where its sentence says all."""
    try:
        return list(_parts(entry))
    except (ValueError, TypeError, LookupError, AttributeError):
        return []


def says_reason(entry: AuditEntry) -> bool:
    """Whether its reason is no reason of somebody's, but is among `details_of`."""
    return entry.action in (*_RULES, AuditAction.CATEGORY_CHANGED)


def _parts(entry: AuditEntry) -> Iterator[Text | str]:
    details = entry.details
    match entry.action:
        case AuditAction.CASE_DECIDED:
            yield CASE_KINDS[CaseKind(details["kind"])]
            yield DECISIONS[Decision(details["decision"])]
        case action if action in _SWEEPS:
            yield from _sweep(details)
        case action if action in _RULES:
            if entry.reason:
                yield escape_shortened(entry.reason, MAX_RULE_UNITS)
            elif "num_rules" in details:
                yield Text.plural("{n} rule", "{n} rules", int(details["num_rules"]))
            if details.get("is_replacing"):
                yield Text("all others removed")
        case AuditAction.CATEGORY_CHANGED:
            category, _, action = (entry.reason or "").partition(": ")
            yield CATEGORY_NAMES[Category(category)]
            yield Text("off") if action == "off" else ACTION_NAMES[RuleAction(action)]
        case AuditAction.RESULT_HIDDEN:
            yield Text.plural("{n} report", "{n} reports", int(details["reporters"]))
        case AuditAction.PROMPT_HELD:
            yield escape_shortened(str(details["hits"][0]["rule"]), MAX_RULE_UNITS)
        case AuditAction.RESULTS_EXPIRED:
            yield Text.plural("{n} result deleted", "{n} results deleted", int(details["deleted"]))
        case action if action in _STYLES:
            yield escape_shortened(str(details["style"]), MAX_RULE_UNITS)
        case action if action in _PICTURES:
            yield from map(category_text, dict.fromkeys(str(hit["category"]) for hit in details["hits"]))
            if details.get("like_rejected"):
                yield Text("like pictures that moderators rejected")
        case AuditAction.PICTURES_UNBLOCKED:
            yield Text.plural("{n} picture", "{n} pictures", int(details["hashes"]))
        case AuditAction.BAN if details.get("replaces"):
            yield Text("in the place of an earlier one")


def _sweep(details: Mapping[str, Any]) -> Iterator[Text]:
    if "deleted" in details:
        yield Text.plural("{n} result deleted", "{n} results deleted", int(details["deleted"]))
    elif "found" in details:
        yield Text.plural("{n} result found", "{n} results found", int(details["found"]))
    criteria = details.get("criteria") or {}
    if criteria.get("user_id"):
        yield Text("by {user}", user=f"<@{criteria['user_id']}>")
    if criteria.get("term"):
        yield Text("about “{term}”", term=escape_shortened(str(criteria["term"]), MAX_TERM_UNITS))
    if criteria.get("hashes"):
        yield Text("like the pictures of that job")
    if criteria.get("is_blocked"):
        yield Text("like pictures that moderators rejected")
    if criteria.get("since"):
        yield Text("since {when}", when=_time(criteria["since"]))
    if criteria.get("until"):
        yield Text("before {when}", when=_time(criteria["until"]))


def _time(text: str) -> str:
    return f"<t:{int(datetime.fromisoformat(text).timestamp())}:f>"
