"""What people read about sanctions: the direct message, the answer to the moderator, the history. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.language import Language, Text
from bot.message_text import escape, escape_shortened
from bot.moderation.sanctions import holds, moment, num_strikes
from bot.sanction_ladder import SanctionKind
from bot.store import CaseRecord, SanctionRecord

MAX_HISTORY: Final = 8
MAX_REASON_UNITS: Final = 100
MAX_TOLD_REASON_UNITS: Final = 600

KINDS: Final = {
    SanctionKind.STRIKE: Text("Strike"),
    SanctionKind.WARNING: Text("Warning"),
    SanctionKind.COOLDOWN: Text("Cooldown"),
    SanctionKind.BAN: Text("Ban"),
}
NOT_TOLD: Final = Text("I could not tell them: their direct messages are closed.")


@dataclass(frozen=True, slots=True)
class History:
    """What there is of one member of a guild. cases: newest first. sanctions: the same. lifted_because: why, by the id
    of a sanction; only those for which a moderator said so."""

    user_id: int
    created_at: datetime
    joined_at: datetime | None
    num_jobs: int
    sanctions: Sequence[SanctionRecord]
    cases: Sequence[CaseRecord]
    lifted_because: Mapping[int, str] = field(default_factory=dict)


def told_text(
    given: Sequence[SanctionRecord], guild_name: str, strikes: int, longest: SanctionRecord | None = None
) -> tuple[Text, ...]:
    """For whom it concerns, a sentence each. given: a strike with what it led to, or one sanction. strikes: how many
    count now. longest: another one that keeps them out for longer."""
    server = f"**{escape(guild_name)}**"
    said: list[Text] = []
    for sanction in given:
        until = None if sanction.expires_at is None else moment(sanction.expires_at)
        match sanction.kind, until:
            case SanctionKind.STRIKE, _:
                said.append(Text("You got a strike in {server}.", server=server))
                said.append(
                    Text.plural(
                        "{n} strike counts now, this one until {until}.",
                        "{n} strikes count now, this one until {until}.",
                        strikes,
                        until=until,
                    )
                )
            case SanctionKind.WARNING, _:
                said.append(Text("This is a warning from {server}.", server=server))
            case SanctionKind.COOLDOWN, _:
                said.append(Text("You can't draw in {server} until {until}.", server=server, until=until))
            case _, None:
                said.append(Text("You are banned from drawing in {server} for good.", server=server))
            case _:
                said.append(Text("You are banned from drawing in {server} until {until}.", server=server, until=until))
    if longest is not None:
        said.append(Text("You already had {what}, which lasts longer.", what=keeping_text(longest)))
    if given[0].reason:
        said.append(_reason(given[0].reason))
    return tuple(said)


def lifted_text(guild_name: str, reason: str | None) -> tuple[Text, ...]:
    """For whom it concerns."""
    said = Text("You can draw in {server} again.", server=f"**{escape(guild_name)}**")
    return (said, _reason(reason)) if reason else (said,)


def unbanned_text(user_id: int, reason: str | None, *, was_told: bool) -> tuple[Text, ...]:
    """For the moderator."""
    said = [Text("{user} can draw again.", user=f"<@{user_id}>")]
    if reason:
        said.append(_reason(reason))
    if not was_told:
        said.append(NOT_TOLD)
    return tuple(said)


def keeping_text(sanction: SanctionRecord) -> Text:
    """A cooldown or ban, within a sentence."""
    if sanction.expires_at is None:
        return Text("a ban for good")
    until = moment(sanction.expires_at)
    if sanction.kind is SanctionKind.COOLDOWN:
        return Text("a cooldown until {until}", until=until)
    return Text("a ban until {until}", until=until)


def _reason(reason: str) -> Text:
    return Text("Reason: {reason}", reason=escape_shortened(reason, MAX_TOLD_REASON_UNITS))


def given_text(
    given: Sequence[SanctionRecord],
    strikes: int,
    *,
    was_told: bool,
    replaced: SanctionRecord | None = None,
    longest: SanctionRecord | None = None,
) -> tuple[Text, ...]:
    """For the moderator. replaced, longest: as in Imposed."""
    user = f"<@{given[0].user_id}>"
    said: list[Text] = []
    for sanction in given:
        until = None if sanction.expires_at is None else moment(sanction.expires_at)
        match sanction.kind, until:
            case SanctionKind.STRIKE, _:
                said.append(
                    Text.plural(
                        "{user} got a strike, the only one that counts now.",
                        "{user} got a strike: {n} of them count now.",
                        strikes,
                        user=user,
                    )
                )
            case SanctionKind.WARNING, _:
                said.append(Text("{user} was warned.", user=user))
            case SanctionKind.COOLDOWN, _:
                said.append(Text("{user} can't draw until {until}.", user=user, until=until))
            case _, None:
                said.append(Text("{user} is banned from drawing for good.", user=user))
            case _:
                said.append(Text("{user} is banned from drawing until {until}.", user=user, until=until))
    if replaced is not None:
        said.append(Text("This takes the place of {what}.", what=keeping_text(replaced)))
    if longest is not None:
        said.append(Text("They already had {what}, which lasts longer.", what=keeping_text(longest)))
    if not was_told:
        said.append(NOT_TOLD)
    return tuple(said)


def history_text(history: History, now: datetime, language: Language) -> str:
    """At most a message long."""
    lines = [language.text("History of {user}", user=f"<@{history.user_id}>")]
    created = f"<t:{int(history.created_at.timestamp())}:R>"
    if history.joined_at is None:
        lines.append(language.text("Account made {created}.", created=created))
    else:
        joined = f"<t:{int(history.joined_at.timestamp())}:R>"
        lines.append(language.text("Account made {created}, here since {joined}.", created=created, joined=joined))
    open_cases = sum(case.decision is None for case in history.cases)
    lines.append(
        language.text(
            "Jobs: {jobs}. Strikes that count: {strikes}. Cases: {cases}, of which open: {open}.",
            jobs=history.num_jobs,
            strikes=num_strikes(history.sanctions, now),
            cases=len(history.cases),
            open=open_cases,
        )
    )
    shown = history.sanctions[:MAX_HISTORY]
    lines += [
        f"- {_history_line(sanction, now, language, history.lifted_because.get(sanction.id))}" for sanction in shown
    ]
    if len(history.sanctions) > len(shown):
        rest = len(history.sanctions) - len(shown)
        lines.append(language.plural("And {n} older one.", "And {n} older ones.", rest))
    if not shown:
        lines.append(language.text("Nothing was ever imposed on them."))
    numbers = [f"#{case.number}" for case in history.cases[:MAX_HISTORY]]
    if numbers:
        lines.append(language.text("Newest cases: {numbers}", numbers=", ".join(numbers)))
    return "\n".join(lines)


def _history_line(sanction: SanctionRecord, now: datetime, language: Language, lifted_because: str | None) -> str:
    given = f"<t:{int(sanction.given_at.timestamp())}:d>"
    parts = [f"{given} **{language.tell(KINDS[sanction.kind])}**"]
    by: Text | str = Text("the bot") if sanction.given_by is None else f"<@{sanction.given_by}>"
    parts.append(language.text("given by {who}", who=by))
    if sanction.reason:
        parts.append(escape_shortened(sanction.reason, MAX_REASON_UNITS))
    if sanction.revoked_at is not None:
        # Whoever lifted it may have had their data deleted.
        who = Text("a moderator") if sanction.revoked_by is None else f"<@{sanction.revoked_by}>"
        parts.append(language.text("lifted by {who}", who=who))
        if lifted_because:
            parts.append(escape_shortened(lifted_because, MAX_REASON_UNITS))
    elif sanction.expires_at is None and sanction.kind is SanctionKind.BAN:
        parts.append(language.text("for good"))
    elif sanction.expires_at is not None:
        until = f"<t:{int(sanction.expires_at.timestamp())}:f>"
        over = language.text("over since {until}", until=until)
        parts.append(language.text("until {when}", when=until) if holds(sanction, now) else over)
    if sanction.appealed_at is not None:
        decided = {"upheld": language.text("appeal rejected"), "lifted": language.text("appeal granted")}
        parts.append(decided.get(sanction.appeal_decision or "", language.text("appeal open")))
    return " · ".join(parts)
