"""Whose data is where: every column that names a person, and what a deletion does there. Pure; used by the store.

A test looks through the schema for columns that name people, so that no table is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, select

from bot.store.schema import (
    cases,
    erasures,
    favourites,
    galleries,
    images,
    jobs,
    prompt_rules,
    setting_changes,
    showings,
    styles,
)

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

    fate: of these rows; the others stay as they are. where: which of them, None for all. is_exported: whether they go
    into the person's export: what others did about somebody doesn't.
    """

    table: Table
    column: Column[Any]
    fate: Fate
    where: ColumnElement[bool] | None = None
    is_exported: bool = True

    @property
    def name(self) -> str:
        """As the export calls it."""
        return self.table.name

    def of(self, user_id: int) -> ColumnElement[bool]:
        """Which rows are this person's."""
        if self.column.table is self.table:
            return self.column == user_id
        return self.table.c.job_id.in_(select(jobs.c.id).where(self.column == user_id))


PERSONAL: Final[Sequence[Personal]] = (
    Personal(jobs, jobs.c.user_id, Fate.WITH_JOB),
    Personal(images, jobs.c.user_id, Fate.WITH_JOB),
    Personal(showings, jobs.c.user_id, Fate.WITH_JOB),
    Personal(favourites, favourites.c.user_id, Fate.DELETED),
    Personal(galleries, galleries.c.user_id, Fate.DELETED),
    Personal(galleries, galleries.c.of_user_id, Fate.DELETED, is_exported=False),
    Personal(styles, styles.c.created_by, Fate.NAMELESS),
    Personal(prompt_rules, prompt_rules.c.created_by, Fate.NAMELESS),
    Personal(setting_changes, setting_changes.c.user_id, Fate.NAMELESS),
    Personal(cases, cases.c.user_id, Fate.NAMELESS, where=cases.c.decision.is_not(None)),
    Personal(cases, cases.c.decided_by, Fate.NAMELESS, is_exported=False),
    Personal(erasures, erasures.c.user_id, Fate.KEPT, is_exported=False),
)
