"""Whose data is where: every column that names a person, and what a deletion does there. Pure; used by the store.

A test looks through the schema for columns that name people, so that no table is forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, exists, select

from bot.store.schema import (
    audit,
    cases,
    erasures,
    favourites,
    galleries,
    images,
    jobs,
    prompt_rules,
    reports,
    sanctions,
    setting_changes,
    showings,
    styles,
    sweeps,
)
from bot.store.states import SHOWN_STATES

NOBODY: Final = 0
"""Stands where somebody's id was."""


class Fate(StrEnum):
    """What becomes of rows when somebody has their data deleted.

    WITH_JOB: they go with each job. DELETED: they go. NAMELESS: they stay, as a guild needs them, with NOBODY in the
    place of the person. KEPT: they stay as they are, since moderators still need them.
    """

    WITH_JOB = "with_job"
    DELETED = "deleted"
    NAMELESS = "nameless"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, eq=False)
class Personal:
    """One way in which rows of a table are somebody's. column: holds the person's id; of jobs, where it is theirs.

    fate: of these rows; the others stay as they are. where: which of them at a time, None for all. is_exported: whether
    they go into the person's export, once for each table. leaves_out: columns that don't, since they name others or
    say which rule counted. exports_only: which of the rows, None for all.
    """

    table: Table
    column: Column[Any]
    fate: Fate
    where: Callable[[datetime], ColumnElement[bool]] | None = None
    is_exported: bool = True
    leaves_out: tuple[str, ...] = ()
    exports_only: ColumnElement[bool] | None = None

    @property
    def name(self) -> str:
        """As the export calls it."""
        return self.table.name

    def of(self, user_id: int) -> ColumnElement[bool]:
        """Which rows are this person's."""
        if self.column.table is self.table:
            return self.column == user_id
        return self.table.c.job_id.in_(select(jobs.c.id).where(self.column == user_id))


def is_running(now: datetime) -> ColumnElement[bool]:
    """Whether a sanction still holds."""
    return sanctions.c.revoked_at.is_(None) & (sanctions.c.expires_at.is_(None) | (sanctions.c.expires_at > now))


def _is_in_an_open_case() -> ColumnElement[bool]:
    """Whether a report is still before moderators."""
    here = (cases.c.guild_id == reports.c.guild_id) & (cases.c.number == reports.c.case_number)
    return exists().where(here, cases.c.decision.is_(None))


def _is_shown() -> ColumnElement[bool]:
    """Whether a picture may be seen: not by its requester either while moderators look at it."""
    return images.c.job_id.in_(select(jobs.c.id).where(jobs.c.state.in_(SHOWN_STATES)))


PERSONAL: Final[Sequence[Personal]] = (
    Personal(jobs, jobs.c.user_id, Fate.WITH_JOB, leaves_out=("answer_token",)),
    Personal(images, jobs.c.user_id, Fate.WITH_JOB, exports_only=_is_shown()),
    Personal(showings, jobs.c.user_id, Fate.WITH_JOB),
    Personal(favourites, favourites.c.user_id, Fate.DELETED),
    Personal(galleries, galleries.c.user_id, Fate.DELETED),
    Personal(galleries, galleries.c.of_user_id, Fate.DELETED, is_exported=False),
    Personal(styles, styles.c.created_by, Fate.NAMELESS),
    Personal(prompt_rules, prompt_rules.c.created_by, Fate.NAMELESS),
    Personal(setting_changes, setting_changes.c.user_id, Fate.NAMELESS),
    Personal(
        cases,
        cases.c.user_id,
        Fate.NAMELESS,
        where=lambda now: cases.c.decision.is_not(None),
        leaves_out=("decided_by", "channel_id", "message_id", "details"),
    ),
    Personal(cases, cases.c.decided_by, Fate.NAMELESS, is_exported=False),
    Personal(audit, audit.c.user_id, Fate.KEPT, leaves_out=("actor_id", "reason", "details")),
    Personal(audit, audit.c.actor_id, Fate.KEPT, is_exported=False),
    Personal(
        sanctions,
        sanctions.c.user_id,
        Fate.DELETED,
        where=lambda now: ~is_running(now),
        leaves_out=("given_by", "revoked_by", "appeal_decided_by", "appeal_channel_id", "appeal_message_id"),
    ),
    Personal(sanctions, sanctions.c.given_by, Fate.NAMELESS, is_exported=False),
    Personal(sanctions, sanctions.c.revoked_by, Fate.NAMELESS, is_exported=False),
    Personal(sanctions, sanctions.c.appeal_decided_by, Fate.NAMELESS, is_exported=False),
    Personal(reports, reports.c.reporter_id, Fate.DELETED, where=lambda now: ~_is_in_an_open_case()),
    Personal(sweeps, sweeps.c.actor_id, Fate.NAMELESS, where=lambda now: sweeps.c.state.not_in(("asked", "running"))),
    Personal(erasures, erasures.c.user_id, Fate.KEPT, is_exported=False),
)
