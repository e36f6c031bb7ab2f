"""What /queue answers: one's unfinished jobs and the length of the line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.cogs.origin import message_address
from bot.cogs.standing import Standing
from bot.executor.base import EngineState, ExecutorStatus
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.render import status_line
from bot.requests import Finished, Started
from bot.store import JobRecord, JobState

MAX_LISTED: Final = 5
MAX_PROMPT_UNITS: Final = 120


@dataclass(frozen=True, slots=True)
class ListedJob:
    """An unfinished job. standing: None if it isn't under way in this run of the bot. is_elsewhere: it is another
    process's, and what its record says is all that is known."""

    record: JobRecord
    standing: Standing | None
    is_elsewhere: bool = False

    @property
    def may_be_cancelled(self) -> bool:
        """Whether it isn't too late."""
        if self.standing is not None:
            return not isinstance(self.standing.update, Finished)
        # One that is only just being answered has nothing yet that could tell of its end.
        is_unanswered = self.is_elsewhere and self.record.state is JobState.RECEIVED
        return self.record.state is not JobState.DELIVERING and not is_unanswered


def listed(jobs: Sequence[ListedJob]) -> Sequence[ListedJob]:
    """Those of `jobs`, oldest first, that the page names, numbered from 1."""
    return jobs[:MAX_LISTED]


def render_queue(
    jobs: Sequence[ListedJob], status: ExecutorStatus, *, language: Language, said: Text | None = None
) -> str:
    """The page, at most MAX_CONTENT_CHARACTERS long. jobs: oldest first. said: what comes before it."""
    lines = [] if said is None else [language.tell(said)]
    if not jobs:
        lines.append(language.text("You have no unfinished jobs."))
    for number, job in enumerate(listed(jobs), start=1):
        prompt = escape_shortened(job.record.prompt, MAX_PROMPT_UNITS)
        lines += [f"{number}. **{prompt}**{_link(job.record)}", _INDENT + _status(job, status, language)]
    if len(jobs) > MAX_LISTED:
        lines.append(language.plural("And {n} more job.", "And {n} more jobs.", len(jobs) - MAX_LISTED))
    lines.append(
        language.text(
            "Everybody's jobs: {queued} waiting, {running} being drawn.",
            queued=status.num_queued,
            running=status.num_running,
        )
    )
    return "\n".join(lines)


_INDENT: Final = "   "  # within the item of the list


def _status(job: ListedJob, status: ExecutorStatus, language: Language) -> str:
    if job.standing is None and job.record.state in (JobState.RECEIVED, JobState.ACKNOWLEDGED):
        return language.text("Just accepted.")
    if not job.may_be_cancelled:
        return language.text("Finished: its pictures are on their way.")
    if job.standing is None and job.record.state is JobState.IN_REVIEW:
        return language.text("Waiting for review.")
    if job.standing is None and job.is_elsewhere and job.record.state is JobState.QUEUED:
        return language.text("Waiting for its turn.")
    if job.standing is None and job.is_elsewhere:
        return status_line(job.record.num_images, Started(), language=language, loading=False)
    if job.standing is None:
        return language.text("Waiting to be taken up again.")
    loading = status.state is EngineState.LOADING
    return status_line(job.record.num_images, job.standing.update, language=language, loading=loading)


def _link(job: JobRecord) -> str:
    """A space and the job's message, if it has one; Discord shows its address as a link with the channel's name."""
    address = message_address(job)
    return "" if address is None else f" {address}"
