"""The states of a job and the moves between them. Pure; the store enforces it, the cogs read it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job stands.

    RECEIVED: committed; its user has no answer yet. ACKNOWLEDGED: a message of ours exists and its id is stored.
    QUEUED: the executor has it. RUNNING: it holds slots. IN_REVIEW: moderators are to say whether it may be drawn, or
    its pictures be shown. DELIVERING: there are pictures, its message is being edited. The others are final. EXPIRED:
    nobody could be answered any more.
    """

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


def may_move(current: JobState, to: JobState) -> bool:
    """Whether a job in `current` may become `to`."""
    return to in TRANSITIONS[current]


def sources_of(to: JobState) -> frozenset[JobState]:
    """The states from which a job may become `to`."""
    return frozenset(state for state in JobState if may_move(state, to))
