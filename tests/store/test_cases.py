import asyncio
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.moderation.cases import CaseKind, Decision
from bot.store import AuditAction, AuditFilter, CaseRecord, JobState, NewCase, Store
from bot.store.schema import cases as cases_table
from tests.store.samples import SNOWFLAKE, new_job

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
GUILD = SNOWFLAKE + 7


def new_case(
    number: int = 1, *, guild_id: int = GUILD, kind: CaseKind = CaseKind.HELD_PICTURES, **changes: Any
) -> NewCase:
    values: dict[str, Any] = {
        "job_id": f"{number:012x}",
        "user_id": SNOWFLAKE,
        "details": {"pictures": [[0.5, None]]},
    } | changes
    return NewCase(guild_id=guild_id, kind=kind, **values)


def test_fields_are_the_columns() -> None:
    assert {field.name for field in fields(CaseRecord)} == {column.name for column in cases_table.columns}


async def test_a_case_and_its_decision(store: Store) -> None:
    opened = await store.cases.open(new_case(deadline_at=NOW))
    assert (opened.number, opened.kind, opened.decision, opened.message_id) == (1, CaseKind.HELD_PICTURES, None, None)
    assert (opened.details, opened.deadline_at) == ({"pictures": [[0.5, None]]}, NOW)
    await store.cases.set_message(GUILD, 1, channel_id=3, message_id=SNOWFLAKE)
    decided = await store.cases.decide(GUILD, 1, Decision.BAN, by=SNOWFLAKE + 1, at=NOW)
    assert decided == await store.cases.get(GUILD, 1)
    assert decided is not None
    assert (decided.decision, decided.decided_by, decided.decided_at) == (Decision.BAN, SNOWFLAKE + 1, NOW)
    assert (decided.channel_id, decided.message_id) == (3, SNOWFLAKE)


async def test_a_channel_that_is_gone_shows_no_open_case_any_more(store: Store) -> None:
    for number in range(1, 5):
        await store.cases.open(new_case(number, kind=CaseKind.REPORT))
        await store.cases.set_message(GUILD, number, channel_id=3 if number < 4 else 4, message_id=10 + number)
    decided = await store.cases.decide(GUILD, 1, Decision.REJECT, by=1, at=NOW)
    assert sorted(await store.cases.channels()) == [(GUILD, 3), (GUILD, 4)]
    await store.cases.forget_messages(GUILD, 3, 12)
    assert [case.number for case in await store.cases.unposted(9)] == [2]
    await store.cases.forget_messages(GUILD + 1, 4)
    await store.cases.forget_messages(GUILD, 3)
    assert [case.number for case in await store.cases.unposted(9)] == [2, 3]
    assert [case.number for case in await store.cases.unposted(9, {GUILD + 1})] == [2, 3]
    assert await store.cases.unposted(9, {GUILD}) == []
    assert await store.cases.channels() == [(GUILD, 4)]
    assert await store.cases.get(GUILD, 1) == decided


async def test_only_the_first_decision_counts(store: Store) -> None:
    await store.cases.open(new_case())
    decisions = [Decision.APPROVE, Decision.REJECT, Decision.BAN, Decision.APPROVE_SPOILER]
    made = await asyncio.gather(
        *(store.cases.decide(GUILD, 1, decision, by=by, at=NOW) for by, decision in enumerate(decisions, 1))
    )
    (won,) = [record for record in made if record is not None]
    assert await store.cases.get(GUILD, 1) == won
    assert await store.cases.decide(GUILD, 1, Decision.REJECT, by=9, at=NOW) is None
    assert await store.cases.decide(GUILD, 2, Decision.REJECT, by=9, at=NOW) is None
    assert await store.cases.decide(GUILD + 1, 1, Decision.REJECT, by=9, at=NOW) is None


async def test_numbers_of_a_guild_have_no_gaps_in_a_race(store_url: str) -> None:
    async with Store.open(store_url) as one, Store.open(store_url, busy_timeout_s=20) as two:
        stores = [one, two] * 10
        opened = await asyncio.gather(*(store.cases.open(new_case(n)) for n, store in enumerate(stores)))
        other = await one.cases.open(new_case(50, guild_id=GUILD + 1))
    assert sorted(case.number for case in opened) == list(range(1, 21))
    assert other.number == 1


async def test_a_job_has_one_open_case_of_a_kind(store: Store) -> None:
    first, second = await asyncio.gather(store.cases.open(new_case()), store.cases.open(new_case(details={"x": 1})))
    assert first == second
    report = await store.cases.open(new_case(kind=CaseKind.REPORT))
    await store.cases.decide(GUILD, 1, Decision.APPROVE, by=None, at=NOW)
    again = await store.cases.open(new_case())
    assert [first.number, report.number, again.number] == [1, 2, 3]
    assert [case.number for case in await store.cases.of_job(first.job_id)] == [3, 2, 1]


@pytest.mark.parametrize(
    ("kind", "hit", "action"),
    [
        (CaseKind.HELD_PROMPT, {"rule": "grass", "found": "gr4ss"}, AuditAction.PROMPT_HELD),
        (CaseKind.HELD_PICTURES, {"category": "blood", "score": 0.5}, AuditAction.PICTURES_HELD),
        (CaseKind.REPORT, {}, None),
    ],
)
async def test_what_is_held_is_recorded_once_and_without_the_prompt(
    store: Store, kind: CaseKind, hit: dict[str, Any], action: AuditAction | None
) -> None:
    for _ in range(2):
        await store.cases.open(new_case(kind=kind, details={"hits": [hit]}))
    entries = await store.audit.page(AuditFilter(guild_id=GUILD), 9)
    assert [entry.action for entry in entries] == ([] if action is None else [action])
    for entry in entries:
        assert (entry.actor_id, entry.user_id, entry.case_number) == (None, SNOWFLAKE, 1)
        assert entry.job_id == new_case().job_id
        assert entry.details == {"hits": [{name: value for name, value in hit.items() if name != "found"}]}


async def test_what_is_open_and_what_is_due(store: Store) -> None:
    for number, minutes in enumerate((5, -5, -1, None), 1):
        deadline = None if minutes is None else NOW + timedelta(minutes=minutes)
        await store.cases.open(new_case(number, deadline_at=deadline, user_id=SNOWFLAKE + number % 2))
    assert [case.number for case in await store.cases.due(NOW, 10)] == [2, 3]
    assert [case.number for case in await store.cases.due(NOW, 1)] == [2]
    await store.cases.decide(GUILD, 2, Decision.REJECT, by=None, at=NOW)
    assert [case.number for case in await store.cases.due(NOW, 10)] == [3]
    assert [case.number for case in await store.cases.open_of(GUILD, 10)] == [1, 3, 4]
    assert [case.number for case in await store.cases.open_of(GUILD, 2)] == [1, 3]
    assert await store.cases.open_of(GUILD + 1, 10) == []
    assert (await store.cases.num_open(GUILD), await store.cases.num_open(GUILD, SNOWFLAKE)) == (3, 1)
    assert [case.number for case in await store.cases.of_user(GUILD, SNOWFLAKE, 10)] == [4, 2]
    await store.cases.open(new_case(5, kind=CaseKind.REPORT))
    num_open = store.cases.num_open
    assert (await num_open(GUILD), await num_open(GUILD, SNOWFLAKE)) == (4, 2)
    assert (await num_open(GUILD, are_held=True), await num_open(GUILD, SNOWFLAKE, are_held=True)) == (3, 1)


async def test_a_decision_that_its_job_has_not_felt_yet(store: Store) -> None:
    job = await store.jobs.create(new_job())
    case = await store.cases.open(new_case(job_id=job.id, kind=CaseKind.HELD_PROMPT))
    await store.jobs.acknowledge(job.id, 1, 2)
    await store.jobs.move(job.id, JobState.IN_REVIEW)
    assert await unapplied(store) == []
    decided = await store.cases.decide(GUILD, case.number, Decision.APPROVE, by=1, at=NOW)
    assert await unapplied(store) == [decided]
    assert await store.cases.unapplied(NOW + timedelta(days=99), 10) == [decided], "its job waits however long"
    await store.jobs.move(job.id, JobState.QUEUED)
    assert await unapplied(store) == [decided]
    assert await store.cases.unapplied(NOW + timedelta(seconds=1), 10) == [], "what fails for ever is left at some time"
    await store.cases.set_applied(GUILD, case.number, NOW)
    assert await unapplied(store) == []
    await store.jobs.move(job.id, JobState.RUNNING)
    await store.jobs.move(job.id, JobState.IN_REVIEW)
    pictures = await store.cases.open(new_case(job_id=job.id))
    assert await unapplied(store) == []
    last = await store.cases.decide(GUILD, pictures.number, Decision.REJECT, by=1, at=NOW)
    assert await unapplied(store) == [last]
    await store.cases.set_applied(GUILD, pictures.number, NOW)
    assert [case.number for case in await unapplied(store)] == [pictures.number], "its delivery had not begun"


async def test_decisions_about_reports_are_applied_once_too(store: Store) -> None:
    await store.cases.open(new_case(kind=CaseKind.REPORT))
    decided = await store.cases.decide(GUILD, 1, Decision.REJECT, by=1, at=NOW)
    assert await unapplied(store) == [decided]
    await store.cases.set_applied(GUILD, 1, NOW)
    assert await unapplied(store) == []


async def unapplied(store: Store) -> list[CaseRecord]:
    return await store.cases.unapplied(NOW - timedelta(days=1), 10)


@pytest.mark.parametrize("decision", list(Decision))
async def test_every_decision_can_be_kept(store: Store, decision: Decision) -> None:
    await store.cases.open(new_case())
    decided = await store.cases.decide(GUILD, 1, decision, by=None, at=NOW)
    assert decided is not None
    assert (decided.decision, decided.decided_by) == (decision, None)
