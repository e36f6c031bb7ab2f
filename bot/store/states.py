"""The states of a job and the moves between them. Pure; the store enforces it, the cogs read it.

    received ──► acknowledged ──► queued ──► running ──► delivering ──► delivered
    acknowledged, running ──► in review ──► queued, delivering
    running, delivering ──► queued                 (drawn again after a restart)
    all of these but delivering ──► cancelled
    all of these ──► failed, expired

| state | it means | whoever moves a job here |
|---|---|---|
| received | committed; its user has no answer yet | the job desk |
| acknowledged | a message of ours exists and its id is stored | the job desk; the resume, if the answer was taken |
| queued | the executor has it | its delivery |
| running | it holds slots | its delivery |
| in review | moderators are to say whether it may be drawn, or its pictures be shown | the job desk, its delivery |
| delivering | its pictures are drawn, allowed and on disk; its message is being edited | its delivery |
| delivered | its message shows them | its delivery |
| cancelled | somebody who may has ended it, or its message is gone | its delivery, whoever cancelled it |
| failed | it ended without pictures and its message says why | its delivery, the resume |
| expired | nobody could be answered any more | its delivery, the resume |

Every move is one transaction by one function, `JobStore._move`: an UPDATE that names the states from which it is legal,
so that of several callers one wins and the others get IllegalMoveError.

A stop of the program changes no state. The next start looks at each job that is in no final state, before the gateway
connects; a bot that runs looks at those that nobody works on (bot/cogs/unfinished_jobs.py, bot/cogs/resume.py):

| state | the next start |
|---|---|
| received | asks Discord whether its answer was taken, while the interaction's token lives; else expires it |
| acknowledged, queued, running | submits it again; its seed makes the same pictures |
| in review | leaves it; what moderators have decided meanwhile is looked at once the bot is online |
| delivering | delivers what is on disk, or submits it again where that is gone |
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job stands; the module says what each means. The last four are final."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    QUEUED = "queued"
    RUNNING = "running"
    IN_REVIEW = "in_review"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


_ABANDONED: Final = frozenset({JobState.CANCELLED, JobState.FAILED, JobState.EXPIRED})

# RUNNING and DELIVERING may go back to QUEUED: after a restart the job is drawn again, and its seed makes the same
# pictures. IN_REVIEW comes before the drawing or after it, and goes on from there: a held prompt to QUEUED, held
# pictures to DELIVERING, or to QUEUED where they have been lost meanwhile. A job whose pictures are on their way can't
# be cancelled any more.
TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.RECEIVED: _ABANDONED | {JobState.ACKNOWLEDGED},
    JobState.ACKNOWLEDGED: _ABANDONED | {JobState.QUEUED, JobState.IN_REVIEW},
    JobState.QUEUED: _ABANDONED | {JobState.RUNNING},
    JobState.RUNNING: _ABANDONED | {JobState.DELIVERING, JobState.QUEUED, JobState.IN_REVIEW},
    JobState.IN_REVIEW: _ABANDONED | {JobState.QUEUED, JobState.DELIVERING},
    JobState.DELIVERING: frozenset({JobState.DELIVERED, JobState.FAILED, JobState.EXPIRED, JobState.QUEUED}),
    JobState.DELIVERED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.EXPIRED: frozenset(),
}

FINAL_STATES: Final = frozenset(state for state, targets in TRANSITIONS.items() if not targets)

SHOWN_STATES: Final = frozenset({JobState.DELIVERING, JobState.DELIVERED})
"""Those in which a job's pictures may be seen. In the others they may lie on disk all the same: before they are held,
while they are, and after whoever asked has cancelled that."""


def may_move(current: JobState, to: JobState) -> bool:
    """Whether a job in `current` may become `to`."""
    return to in TRANSITIONS[current]


def sources_of(to: JobState) -> frozenset[JobState]:
    """The states from which a job may become `to`."""
    return frozenset(state for state in JobState if may_move(state, to))
