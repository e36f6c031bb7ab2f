"""What moderators see of a case: its message in their channel with the buttons that decide it, and /mod review's list.

Pure but for the views; a collage is rendered on the threads for pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import discord

from bot.cogs.maker_page import parameters_text
from bot.collage import encode_within, make_collage
from bot.guild_settings import GuildSettings
from bot.language import Language, Text
from bot.message_text import MAX_CONTENT_CHARACTERS, escape_shortened
from bot.moderation.cases import CHOICES, CaseKind, Decision
from bot.moderation.image_categories import Categories
from bot.moderation.image_texts import hits_text
from bot.moderation.sanctions import moment
from bot.render import SPOILER_PREFIX, Picture
from bot.requests import Result
from bot.store import CaseRecord, JobRecord
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view
from bot.views.setting_texts import REVIEW_DEFAULTS

MAX_PROMPT_UNITS: Final = 700
MAX_NEGATIVE_UNITS: Final = 200
MAX_REASON_UNITS: Final = 100
MAX_PICTURE_BYTES: Final = 8 * 1024 * 1024

_LEFT_OUT: Final = "…"
_HEADINGS: Final[Mapping[CaseKind, Text]] = {
    CaseKind.HELD_PROMPT: Text("Case {number}: a prompt waits to be drawn"),
    CaseKind.HELD_PICTURES: Text("Case {number}: pictures wait to be shown"),
    CaseKind.REPORT: Text("Case {number}: pictures were reported"),
}
_LABELS: Final[Mapping[Decision, Text]] = {
    Decision.APPROVE: Text("Approve"),
    Decision.APPROVE_SPOILER: Text("Approve as spoiler"),
    Decision.REJECT: Text("Reject"),
    Decision.REJECT_STRIKE: Text("Reject and strike"),
    Decision.BAN: Text("Ban"),
}
_STYLES: Final[Mapping[Decision, discord.ButtonStyle]] = {
    Decision.APPROVE: discord.ButtonStyle.success,
    Decision.BAN: discord.ButtonStyle.danger,
    Decision.REJECT_STRIKE: discord.ButtonStyle.danger,
}
_DECIDED: Final[Mapping[Decision, Text]] = {
    Decision.APPROVE: Text("Approved by {who}, {when}."),
    Decision.APPROVE_SPOILER: Text("Approved as a spoiler by {who}, {when}."),
    Decision.REJECT: Text("Rejected by {who}, {when}."),
    Decision.REJECT_STRIKE: Text("Rejected with a strike by {who}, {when}."),
    Decision.BAN: Text("Rejected by {who}, who banned {user} from this bot, {when}."),
    Decision.WITHDRAWN: Text("Nothing to decide any more, {when}: the job has ended."),
}
NO_TIME: Final = Text("the server's settings, since nobody decided in time")


@dataclass(frozen=True, slots=True)
class CasePage:
    """What a message about a case says. history: lines about its requester. more: lines of whoever opened it."""

    case: CaseRecord
    job: JobRecord | None
    settings: GuildSettings
    history: Sequence[Text] = ()
    more: Sequence[Text] = ()


def case_text(page: CasePage, language: Language, categories: Categories) -> str:
    """The message, within MAX_CONTENT_CHARACTERS. Of why there is a case it has what fits."""
    case, job = page.case, page.job
    first = [f"**{language.tell(_HEADINGS[case.kind].replacing(number=f'#{case.number}'))}**"]
    if job is not None:
        first += [f"> {escape_shortened(job.prompt, MAX_PROMPT_UNITS)}", *_parameters(job, language)]
    first.append(language.text("Asked for by {user}.", user=f"<@{case.user_id}>"))
    last = [language.tell(line) for line in page.history]
    if case.kind is CaseKind.REPORT and case.decision is None and job is not None and job.deleted_at is not None:
        when = f"<t:{int(job.deleted_at.timestamp())}:R>"
        last.append(language.text("The result was deleted {when}; you can still decide about it.", when=when))
    if case.decision is not None:
        last.append(f"**{language.tell(decided_text(case))}**")
    elif case.deadline_at is not None:
        when = moment(case.deadline_at)
        becomes = REVIEW_DEFAULTS[page.settings.review_default]
        last.append(language.text("If nobody decides before {when}, it {becomes}.", becomes=becomes, when=when))
    why = [f"- {language.tell(line)}" for line in _reasons(case, categories)]
    why += [language.tell(line) for line in page.more]
    room = MAX_CONTENT_CHARACTERS - len("\n".join([*first, *last]))
    return "\n".join([*first, *_fitting(why, room), *last])


def case_view(case: CaseRecord, language: Language) -> discord.ui.View | None:
    """The buttons of an open case."""
    if case.decision is not None:
        return None
    secondary = discord.ButtonStyle.secondary
    return make_view(
        make_button(
            language.tell(_LABELS[choice]),
            CustomId(Action.CASE, case.job_id, f"{case.number}.{choice}"),
            style=_STYLES.get(choice, secondary),
        )
        for choice in CHOICES
    )


def case_picture(case: CaseRecord, result: Result, language: Language) -> Picture:
    """The pictures as one collage behind a click. Takes some tens of milliseconds."""
    collage = make_collage([image.pixels for image in result.images])
    data, extension = encode_within(collage, {}, MAX_PICTURE_BYTES, "webp")
    described = language.plural(
        "{n} picture that waits for a decision", "{n} pictures that wait for a decision", len(result.images)
    )
    return Picture(f"{SPOILER_PREFIX}case-{case.number}.{extension}", data, described)


def decided_text(case: CaseRecord) -> Text:
    """What became of a decided case."""
    assert case.decision is not None
    assert case.decided_at is not None
    who: Text | str = NO_TIME if case.decided_by is None else f"<@{case.decided_by}>"
    when = f"<t:{int(case.decided_at.timestamp())}:R>"
    return _DECIDED[case.decision].replacing(who=who, user=f"<@{case.user_id}>", when=when)


def open_cases_text(cases: Sequence[CaseRecord], num_open: int, language: Language) -> str:
    """For /mod review. cases: the oldest open ones."""
    if not cases:
        return language.text("No case is open.")
    lines = [language.plural("{n} case is open:", "{n} cases are open:", num_open)]
    for case in cases:
        heading = language.tell(_HEADINGS[case.kind].replacing(number=f"#{case.number}"))
        lines.append(f"- {heading}, <@{case.user_id}>, <t:{int(case.opened_at.timestamp())}:R>{_link(case)}")
    return "\n".join(lines)


def parse_decision(argument: str) -> tuple[int, Decision] | None:
    """The number and decision of a button; None for what `case_view` never makes."""
    number, _, choice = argument.partition(".")
    if not (number.isascii() and number.isdecimal() and len(number) <= 9) or choice not in CHOICES:
        return None
    return int(number), Decision(choice)


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    """The first ones that fit into `room` characters with their line breaks, and an ellipsis for the others."""
    if sum(len(line) + 1 for line in lines) <= room:
        return list(lines)
    room -= len(_LEFT_OUT) + 1
    fitting: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        fitting.append(line)
    return [*fitting, _LEFT_OUT]


def _parameters(job: JobRecord, language: Language) -> list[str]:
    where = "" if job.is_private else f" · <#{job.channel_id}>"
    lines = [f"-# {parameters_text(job)} · {job.id}{where}"]
    if job.negative_prompt is not None:
        shortened = escape_shortened(job.negative_prompt, MAX_NEGATIVE_UNITS)
        lines.insert(0, "-# " + language.text("Negative prompt: {negative}", negative=shortened))
    return lines


def _reasons(case: CaseRecord, categories: Categories) -> list[Text]:
    """Why a case was opened, by its details: rules for pictures, or rules for prompts."""
    hits: list[Mapping[str, Any]] = case.details.get("hits", [])
    if case.kind is CaseKind.HELD_PICTURES:
        return [*_redrawn(case), *hits_text(hits, categories)]
    return [
        Text("Rule {rule} fires on “{found}”", rule=_shown(hit["rule"]), found=_shown(hit["found"]))
        for hit in hits
        if "rule" in hit
    ]


def _redrawn(case: CaseRecord) -> list[Text]:
    """Why pictures wait although moderators have approved some of this job."""
    if "redrawn_after" not in case.details:
        return []
    number = f"#{case.details['redrawn_after']}"
    return [
        Text(
            "The pictures of case {number} were approved, and were lost or damaged before anybody saw them. These are "
            "drawn anew and may look different.",
            number=number,
        )
    ]


def _shown(value: object) -> str:
    return escape_shortened(str(value), MAX_REASON_UNITS)


def _link(case: CaseRecord) -> str:
    if case.message_id is None:
        return ""
    return f" https://discord.com/channels/{case.guild_id}/{case.channel_id}/{case.message_id}"
