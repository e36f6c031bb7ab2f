"""Who made a result, and how, in words for moderators, also for the message of a case. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.cogs.origin import named, origin_text
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.moderation.cases import CaseKind, Decision
from bot.moderation.sanctions import keeping_out, moment, num_strikes
from bot.requests import SAMPLING_BOUNDS
from bot.sanction_ladder import SanctionKind
from bot.store import CaseRecord, JobRecord, SanctionRecord

MAX_PROMPT_UNITS: Final = 400
MAX_CASES: Final = 4

CASE_KINDS: Final[Mapping[CaseKind, Text]] = {
    CaseKind.HELD_PROMPT: Text("prompt held"),
    CaseKind.HELD_PICTURES: Text("pictures held"),
    CaseKind.REPORT: Text("reported"),
}
DECISIONS: Final[Mapping[Decision | None, Text]] = {
    None: Text("open"),
    Decision.APPROVE: Text("approved"),
    Decision.APPROVE_SPOILER: Text("approved as spoiler"),
    Decision.REJECT: Text("rejected"),
    Decision.REJECT_STRIKE: Text("rejected, with a strike"),
    Decision.BAN: Text("rejected, with a ban"),
    Decision.WITHDRAWN: Text("withdrawn"),
}


@dataclass(frozen=True, slots=True)
class Maker:
    """job: what is asked about; parent: what it comes from, if that is still known. num_jobs: of its requester in this
    guild. sanctions: theirs, newest first; now: aware. cases: about them, newest first."""

    job: JobRecord
    parent: JobRecord | None
    num_jobs: int
    sanctions: Sequence[SanctionRecord]
    now: datetime
    cases: Sequence[CaseRecord]


def maker_text(maker: Maker, language: Language) -> str:
    """All of it, within one message."""
    return "\n".join(language.tell(line) for line in _lines(maker))


def _lines(maker: Maker) -> Iterator[Text]:
    job = maker.job
    yield Text(
        "{user} (`{id}`) asked for this {when}, job {job}.",
        user=f"<@{job.user_id}>",
        id=str(job.user_id),
        when=f"<t:{int(job.created_at.timestamp())}:f>",
        job=named(job),
    )
    yield Text("**Prompt**: {prompt}", prompt=escape_shortened(job.prompt, MAX_PROMPT_UNITS))
    if job.negative_prompt is not None:
        negative = escape_shortened(job.negative_prompt, MAX_PROMPT_UNITS // 2)
        yield Text("Negative prompt: {negative}", negative=negative)
    yield Text("**Parameters**: {parameters}", parameters=parameters_text(job))
    if maker.parent is not None:
        yield origin_text(job.kind, maker.parent, job.parent_rank)
        yield Text("That job is of {user}.", user=f"<@{maker.parent.user_id}>")
    elif job.parent_id is not None:
        yield Text("It comes from job {job}, which is not known any more.", job=f"`{job.parent_id}`")
    yield Text.plural(
        "**History**: {n} job of this member in this server.",
        "**History**: {n} jobs of this member in this server.",
        maker.num_jobs,
    )
    yield from sanction_lines(maker.sanctions, maker.now)
    for case in maker.cases[:MAX_CASES]:
        yield Text(
            "Case {number}: {kind} {when}, {decision}.",
            number=f"#{case.number}",
            kind=CASE_KINDS[case.kind],
            when=f"<t:{int(case.opened_at.timestamp())}:d>",
            decision=DECISIONS[case.decision],
        )
    if len(maker.cases) > MAX_CASES:
        yield Text("There are more cases: /mod history has all of them.")


def sanction_lines(sanctions: Sequence[SanctionRecord], now: datetime) -> Iterator[Text]:
    """What holds against somebody. sanctions: all of theirs; now: aware."""
    strikes = sum(sanction.kind is SanctionKind.STRIKE for sanction in sanctions)
    holding = num_strikes(sanctions, now)
    yield Text("Strikes: {strikes}, of which {holding} still count.", strikes=strikes, holding=holding)
    barring = keeping_out(sanctions, now)
    if barring is not None and barring.expires_at is None:
        yield Text("They are banned from drawing for good.")
    elif barring is not None and barring.expires_at is not None:
        yield Text("They can't draw until {until}.", until=moment(barring.expires_at))


def parameters_text(job: JobRecord) -> str:
    """What a job was drawn with, or is to be, in the options' own words."""
    told = (job.result or {}).get("sampling") or {name: getattr(job, name) for name in SAMPLING_BOUNDS}
    model = (job.result or {}).get("model") or job.model
    parts = [f"images {job.num_images}", f"seed {job.seed}"]
    parts += [f"{name} {value:g}" for name, value in told.items() if isinstance(value, int | float)]
    return " · ".join([*parts, *([escape_shortened(str(model), 60)] if model else [])])
