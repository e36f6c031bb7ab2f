"""Who has reported which result, and why. Used by the cogs, on the event loop.

What became of a report stands in its case.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, exists, func, insert, literal, select, update

from bot.moderation.cases import CaseKind, Decision, outcome_of
from bot.moderation.reporting import PastReport
from bot.store.cases import CaseRecord
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.schema import cases, reports

MAX_READ: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Ids are Discord's. reason: what the reporter wrote. locale: of their client, for the answer. case_number: the
    case that it is part of. reported_at: aware, in UTC."""

    guild_id: int
    job_id: str
    reporter_id: int
    reason: str
    locale: str
    case_number: int
    reported_at: datetime


class ReportStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, case: CaseRecord, reporter_id: int, reason: str, locale: str, *, at: datetime) -> bool:
        """Adds a report to a case. False if the case was decided meanwhile, or this person has reported the job. at:
        aware, of the clock by which `past` is judged."""
        report = Report(
            guild_id=case.guild_id,
            job_id=case.job_id,
            reporter_id=reporter_id,
            reason=reason,
            locale=locale,
            case_number=case.number,
            reported_at=at,
        )
        values = asdict(report)
        is_open = exists().where(
            cases.c.guild_id == case.guild_id, cases.c.number == case.number, cases.c.decision.is_(None)
        )
        has = exists().where(reports.c.job_id == case.job_id, reports.c.reporter_id == reporter_id)
        row = select(*(literal(value, reports.c[name].type) for name, value in values.items())).where(is_open, ~has)
        async with self._database.transaction() as connection:
            return (await connection.execute(insert(reports).from_select(list(values), row))).rowcount == 1

    async def has(self, job_id: str, reporter_id: int) -> bool:
        """Whether somebody has reported a job."""
        theirs = exists().where(reports.c.job_id == job_id, reports.c.reporter_id == reporter_id)
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(theirs)))

    async def is_settled(self, job_id: str) -> bool:
        """Whether moderators have looked at reports of a job and left it as it was: then they needn't again."""
        kept = exists().where(
            cases.c.job_id == job_id, cases.c.kind == CaseKind.REPORT, cases.c.decision == Decision.APPROVE
        )
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(kept)))

    async def of_case(self, guild_id: int, number: int) -> list[Report]:
        """The reports of a case, oldest first, at most MAX_READ."""
        here = (reports.c.guild_id == guild_id) & (reports.c.case_number == number)
        return await self._select(select(*_COLUMNS).where(here).order_by(reports.c.reported_at).limit(MAX_READ))

    async def untold(self, guild_id: int, number: int) -> list[Report]:
        """Those of a case whose reporters have not heard what came of it, at most MAX_READ."""
        here = (reports.c.guild_id == guild_id) & (reports.c.case_number == number) & reports.c.told_at.is_(None)
        return await self._select(select(*_COLUMNS).where(here).order_by(reports.c.reported_at).limit(MAX_READ))

    async def set_told(self, report: Report) -> bool:
        """Its reporter hears of it. Of several callers at once, one gets True."""
        this = (reports.c.job_id == report.job_id) & (reports.c.reporter_id == report.reporter_id)
        async with self._database.transaction() as connection:
            told = update(reports).where(this, reports.c.told_at.is_(None)).values(told_at=datetime.now(UTC))
            return (await connection.execute(told)).rowcount == 1

    async def unfollowed(self, before: datetime, limit: int) -> list[tuple[int, int]]:
        """Guild and number of cases decided before then of which somebody has not heard, since the bot stopped in
        between; at most `limit`."""
        of_case = (cases.c.guild_id == reports.c.guild_id) & (cases.c.number == reports.c.case_number)
        query = select(cases.c.guild_id, cases.c.number).distinct().join(reports, of_case)
        query = query.where(cases.c.decided_at < before, reports.c.told_at.is_(None))
        query = query.where(is_served(cases.c.guild_id, self._database.shards)).limit(limit)
        async with self._database.reading() as connection:
            return [(row.guild_id, row.number) for row in await connection.execute(query)]

    async def num_of_case(self, guild_id: int, number: int) -> int:
        """How many people have reported what a case is about."""
        here = (reports.c.guild_id == guild_id) & (reports.c.case_number == number)
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(reports).where(here)) or 0

    async def past(self, guild_id: int, reporter_id: int) -> list[PastReport]:
        """Somebody's last reports in a guild, newest first, at most MAX_READ, and whether they were right."""
        of_case = (cases.c.guild_id == reports.c.guild_id) & (cases.c.number == reports.c.case_number)
        query = select(reports.c.reported_at, cases.c.decision).join(cases, of_case)
        query = query.where(reports.c.guild_id == guild_id, reports.c.reporter_id == reporter_id)
        query = query.order_by(reports.c.reported_at.desc()).limit(MAX_READ)
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return [PastReport(row.reported_at, _was_right(row.decision)) for row in rows]

    async def num_open_cases(self, guild_id: int) -> int:
        """How many cases of reports a guild's moderators have before them."""
        is_open = (cases.c.guild_id == guild_id) & (cases.c.kind == CaseKind.REPORT) & cases.c.decision.is_(None)
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(cases).where(is_open)) or 0

    async def _select(self, query: Select[Any]) -> list[Report]:
        async with self._database.reading() as connection:
            return [Report(**row._mapping) for row in await connection.execute(query)]


_COLUMNS: Final = [column for column in reports.columns if column is not reports.c.told_at]


def _was_right(decision: str | None) -> bool | None:
    """A result that stays as it was means that the report was wrong; one that nobody had to decide says nothing."""
    if decision is None or decision == Decision.WITHDRAWN:
        return None
    outcome = outcome_of(Decision(decision))
    return not outcome.is_shown or outcome.is_spoiler
