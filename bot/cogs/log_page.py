"""The audit in words: what /mod log shows, page by page, and what its mirror posts. Pure but for the view."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import discord

from bot.cogs.audit_details import details_of, says_reason
from bot.errors import UnknownControlError
from bot.language import Language, Text
from bot.message_text import escape, escape_shortened
from bot.store import AuditAction, AuditEntry, AuditFilter, SettingChange
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view
from bot.views.setting_texts import change_text

PAGE_SIZE: Final = 6
MAX_REASON_UNITS: Final = 120

_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

TEXTS: Final[Mapping[AuditAction, Text]] = {
    AuditAction.SETTING_CHANGED: Text("{actor} changed a setting."),
    AuditAction.JOB_CANCELLED: Text("{actor} cancelled a job of {user}."),
    AuditAction.RESULT_DELETED: Text("{actor} deleted a result of {user}."),
    AuditAction.SWEEP_STARTED: Text("{actor} started a sweep."),
    AuditAction.SWEEP_STOPPED: Text("{actor} stopped a sweep."),
    AuditAction.SWEEP_DONE: Text("The sweep of {actor} was done."),
    AuditAction.RESULT_HIDDEN: Text("{actor} hid a result of {user}, which members have reported."),
    AuditAction.RESULT_RESTORED: Text("{actor} showed a reported result of {user} again."),
    AuditAction.RESULT_SWEPT: Text("The sweep of {actor} deleted a result of {user}."),
    AuditAction.RULE_ADDED: Text("{actor} added a rule for prompts."),
    AuditAction.RULE_REMOVED: Text("{actor} removed a rule for prompts."),
    AuditAction.RULES_IMPORTED: Text("{actor} imported rules for prompts."),
    AuditAction.CATEGORY_CHANGED: Text("{actor} switched a category of the starter list."),
    AuditAction.PROMPT_REFUSED: Text("{actor} refused a prompt of {user}."),
    AuditAction.PROMPT_WARNED: Text("{actor} warned {user} of a prompt."),
    AuditAction.STRIKE: Text("{actor} gave {user} a strike."),
    AuditAction.WARNING: Text("{actor} warned {user}."),
    AuditAction.COOLDOWN: Text("{actor} imposed a cooldown on {user}."),
    AuditAction.BAN: Text("{actor} banned {user} from drawing."),
    AuditAction.LIFTED: Text("{actor} lifted what kept {user} from drawing."),
    AuditAction.APPEAL: Text("{actor} appealed."),
    AuditAction.APPEAL_UPHELD: Text("{actor} rejected an appeal of {user}."),
    AuditAction.APPEAL_LIFTED: Text("{actor} granted an appeal of {user}."),
    AuditAction.CASE_DECIDED: Text("{actor} decided a case about {user}."),
    AuditAction.PROMPT_HELD: Text("{actor} held a prompt of {user} for moderators."),
    AuditAction.PICTURES_HELD: Text("{actor} held pictures for {user} until moderators decide."),
    AuditAction.PICTURES_WARNED: Text("{actor} warned {user} of pictures, by a rule for pictures."),
    AuditAction.PICTURES_SPOILERED: Text("{actor} put pictures for {user} behind a click, by a rule for pictures."),
    AuditAction.PICTURES_REFUSED: Text("{actor} did not show pictures for {user}, by a rule for pictures."),
    AuditAction.PICTURES_UNBLOCKED: Text("{actor} allowed pictures again that were rejected."),
    AuditAction.RESULTS_EXPIRED: Text("{actor} deleted what this server keeps no longer."),
    AuditAction.STYLE_ADDED: Text("{actor} added a style."),
    AuditAction.STYLE_REMOVED: Text("{actor} removed a style."),
}
NAMES: Final[Mapping[AuditAction, Text]] = {
    AuditAction.SETTING_CHANGED: Text("Setting changed"),
    AuditAction.JOB_CANCELLED: Text("Job cancelled"),
    AuditAction.RESULT_DELETED: Text("Result deleted"),
    AuditAction.SWEEP_STARTED: Text("Sweep started"),
    AuditAction.SWEEP_STOPPED: Text("Sweep stopped"),
    AuditAction.SWEEP_DONE: Text("Sweep done"),
    AuditAction.RESULT_HIDDEN: Text("Result hidden"),
    AuditAction.RESULT_RESTORED: Text("Result shown again"),
    AuditAction.RESULT_SWEPT: Text("Result swept"),
    AuditAction.RULE_ADDED: Text("Rule added"),
    AuditAction.RULE_REMOVED: Text("Rule removed"),
    AuditAction.RULES_IMPORTED: Text("Rules imported"),
    AuditAction.CATEGORY_CHANGED: Text("Category switched"),
    AuditAction.PROMPT_REFUSED: Text("Prompt refused"),
    AuditAction.PROMPT_WARNED: Text("Prompt warned of"),
    AuditAction.STRIKE: Text("Strike"),
    AuditAction.WARNING: Text("Warning"),
    AuditAction.COOLDOWN: Text("Cooldown"),
    AuditAction.BAN: Text("Ban"),
    AuditAction.LIFTED: Text("Lifted"),
    AuditAction.APPEAL: Text("Appeal"),
    AuditAction.APPEAL_UPHELD: Text("Appeal rejected"),
    AuditAction.APPEAL_LIFTED: Text("Appeal granted"),
    AuditAction.CASE_DECIDED: Text("Case decided"),
    AuditAction.PROMPT_HELD: Text("Prompt held"),
    AuditAction.PICTURES_HELD: Text("Pictures held"),
    AuditAction.PICTURES_WARNED: Text("Pictures warned of"),
    AuditAction.PICTURES_SPOILERED: Text("Pictures behind a click"),
    AuditAction.PICTURES_REFUSED: Text("Pictures refused"),
    AuditAction.PICTURES_UNBLOCKED: Text("Pictures allowed again"),
    AuditAction.RESULTS_EXPIRED: Text("Results past their time"),
    AuditAction.STYLE_ADDED: Text("Style added"),
    AuditAction.STYLE_REMOVED: Text("Style removed"),
}
"""What the filter offers."""


def entry_line(entry: AuditEntry, language: Language, languages: Sequence[Language]) -> str:
    """One record. languages: that a guild may choose from."""
    when = f"<t:{int(entry.at.timestamp())}:f>"
    details = entry.details
    if entry.action == AuditAction.SETTING_CHANGED and "key" in details:
        change = SettingChange(
            guild_id=entry.guild_id,
            user_id=entry.actor_id or 0,
            key=str(details["key"]),
            old=details.get("old"),
            new=details.get("new"),
            changed_at=entry.at,
        )
        return language.tell(change_text(change, languages))
    actor: Text | str = Text("The bot") if entry.actor_id is None else f"<@{entry.actor_id}>"
    user = "–" if entry.user_id is None else f"<@{entry.user_id}>"
    if entry.action in TEXTS:
        said = language.tell(TEXTS[AuditAction(entry.action)].replacing(actor=actor, user=user))
    else:
        # Of another version.
        said = f"{escape(entry.action)}: {language.show(actor)}, {user}"
    more = [language.show(each) for each in details_of(entry)]
    if entry.reason and not says_reason(entry):
        more.append(language.text("Reason: {reason}", reason=escape_shortened(entry.reason, MAX_REASON_UNITS)))
    if isinstance(until := details.get("until"), int):
        more.append(language.text("until {when}", when=f"<t:{until}:f>"))
    if entry.case_number is not None:
        more.append(language.text("case {number}", number=f"#{entry.case_number}"))
    if entry.job_id is not None:
        more.append(language.text("job {job_id}", job_id=entry.job_id))
    return " · ".join([f"{when} {said}", *more])


def log_text(entries: Sequence[AuditEntry], language: Language, languages: Sequence[Language]) -> str:
    """A page of at most PAGE_SIZE records, newest first."""
    lines = [f"- {entry_line(entry, language, languages)}" for entry in entries]
    return "\n".join(lines) if lines else language.text("There is no such record.")


def log_view(
    entries: Sequence[AuditEntry], wanted: AuditFilter, language: Language, *, is_first: bool, is_last: bool
) -> discord.ui.View | None:
    """The buttons below a page; None for a page that is all there is."""
    buttons = []
    if not is_first:
        buttons.append(make_button(language.text("Newest"), log_custom_id(wanted, None)))
    if not is_last and entries:
        buttons.append(make_button(language.text("Older"), log_custom_id(wanted, entries[-1].id)))
    return make_view(buttons) if buttons else None


def log_custom_id(wanted: AuditFilter, before_id: int | None) -> CustomId:
    """What a button shows: the records of a filter before one of them. The guild is where it is pressed."""
    since = 0 if wanted.since is None else int(wanted.since.timestamp())
    argument = f"{_base36(wanted.user_id or 0)}.{wanted.action or ''}.{_base36(since)}"
    return CustomId(Action.LOG, f"{before_id or 0:012x}", argument)


def parse_log_custom_id(pressed: CustomId, guild_id: int) -> tuple[AuditFilter, int | None]:
    """The filter and before_id. Raises UnknownControlError for what `log_custom_id` never made."""
    user, _, rest = pressed.argument.partition(".")
    action, _, since = rest.partition(".")
    try:
        user_id, seconds = int(user, 36), int(since, 36)
        wanted = AuditFilter(
            guild_id=guild_id,
            user_id=user_id or None,
            action=AuditAction(action) if action else None,
            since=datetime.fromtimestamp(seconds, UTC) if seconds else None,
        )
    except (ValueError, OverflowError, OSError):
        raise UnknownControlError from None
    if user_id >= 2**63:
        raise UnknownControlError
    return wanted, int(pressed.job_id, 16) or None


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"
