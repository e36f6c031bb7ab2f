"""A sweep in words: what it would delete, how far it is, how it ended. Pure."""

from collections.abc import Iterator
from typing import Final

from bot.cogs.origin import named
from bot.cogs.sweep_search import Found
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.moderation.sweeping import SweepCriteria
from bot.store import JobRecord, SweepRecord, SweepState

MAX_PROMPT_UNITS: Final = 120
MAX_TERM_UNITS: Final = 80


def dry_run_text(criteria: SweepCriteria, found: Found, language: Language) -> str:
    """What would be deleted, with examples."""
    meant = _criteria_text(criteria)
    if not found.num_jobs:
        nothing = language.text("I looked at as many as I could in time; give a shorter time.") if found.is_cut else ""
        return "\n".join(filter(None, [language.text("Nothing here is {meant}.", meant=meant), nothing]))
    lines = [
        language.plural(
            "{n} result of this server is {meant}. Delete its message, pictures and files?",
            "{n} results of this server are {meant}. Delete their messages, pictures and files?",
            found.num_jobs,
            meant=meant,
        )
    ]
    if found.is_cut:
        lines.append(language.text("There may be more: I counted as far as I could in time, and would delete all."))
    lines += [f"- {_example(job, language)}" for job in found.examples]
    if len(found.examples) < found.num_jobs:
        lines.append("…")
    return "\n".join(lines)


def progress_text(sweep: SweepRecord, language: Language) -> str:
    """How far it is."""
    return language.text(
        "Sweeping: {done} of about {count} results are deleted.",
        done=sweep.num_deleted,
        count=max(sweep.num_found, sweep.num_deleted),
    )


def end_text(sweep: SweepRecord, language: Language) -> str:
    """How it ended."""
    if sweep.state is SweepState.CANCELLED:
        said = Text.plural(
            "The sweep was stopped: {n} result is deleted.",
            "The sweep was stopped: {n} results are deleted.",
            sweep.num_deleted,
        )
    else:
        said = Text.plural(
            "The sweep is done: {n} result is deleted.",
            "The sweep is done: {n} results are deleted.",
            sweep.num_deleted,
        )
    lines = [language.tell(said)]
    if sweep.num_refused:
        lines.append(
            language.plural(
                "Discord did not let me delete {n} message, where its pictures stay: {links}",
                "Discord did not let me delete {n} messages, where their pictures stay: {links}",
                sweep.num_refused,
                links=" ".join(f"<{link}>" for link in sweep.refused),
            )
        )
    return "\n".join(lines)


def _example(job: JobRecord, language: Language) -> str:
    when = f"<t:{int(job.created_at.timestamp())}:d>"
    # Deleting it is the moderators' business, and reading it isn't.
    shown = language.text("private") if job.is_private else escape_shortened(job.prompt, MAX_PROMPT_UNITS)
    return f"{named(job)} · <@{job.user_id}> · {when} · {shown}"


def _criteria_text(criteria: SweepCriteria) -> Text | tuple[Text, ...]:
    found = tuple(_parts(criteria))
    return found if len(found) > 1 else found[0]


def _parts(criteria: SweepCriteria) -> Iterator[Text]:
    if criteria.user_id is not None:
        yield Text("by {user}", user=f"<@{criteria.user_id}>")
    if criteria.term is not None:
        yield Text("about “{term}”", term=escape_shortened(criteria.term, MAX_TERM_UNITS))
    if criteria.hashes:
        yield Text("like the pictures of that job")
    if criteria.is_blocked:
        yield Text("like pictures that moderators rejected")
    if criteria.since is not None:
        yield Text("since {when}", when=f"<t:{int(criteria.since.timestamp())}:f>")
    if criteria.until is not None:
        yield Text("before {when}", when=f"<t:{int(criteria.until.timestamp())}:f>")
