import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from bot.errors import InvalidParameterError
from bot.store import AuditAction, AuditFilter, AuditRecord, AuditStore, Store
from bot.store.audit import MAX_REASON_CHARACTERS
from bot.store.audit_guard import REFUSAL
from tests.store.samples import SNOWFLAKE, new_job, run_sql

GUILD, MODERATOR, MEMBER = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 2

CHANGES = {
    "sqlite": [
        "UPDATE audit SET reason = 'never mind'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (id, guild_id, at, action, details) VALUES (1, 1, '2026-01-01', 'x', '{}')",
        "UPDATE OR IGNORE audit SET actor_id = NULL",
    ],
    "postgresql": ["UPDATE audit SET reason = 'never mind'", "DELETE FROM audit", "TRUNCATE audit"],
}


def record(number: int = 1, **changes: object) -> AuditRecord:
    values = {"guild_id": GUILD, "action": AuditAction.JOB_CANCELLED, "actor_id": MODERATOR, "user_id": MEMBER}
    return AuditRecord(**(values | {"details": {"n": number}} | changes))  # type: ignore[arg-type]


async def test_records_come_back_as_they_were_given_newest_first(store: Store) -> None:
    before = datetime.now(UTC)
    await store.audit.add(
        record(1, job_id="0123456789ab", case_number=7, reason="spam"), record(2, actor_id=None, user_id=None)
    )
    newest, oldest = await store.audit.page(AuditFilter(guild_id=GUILD), 10)
    assert (newest.actor_id, newest.user_id, newest.reason, newest.details) == (None, None, None, {"n": 2})
    assert (oldest.action, oldest.actor_id, oldest.user_id) == ("job_cancelled", MODERATOR, MEMBER)
    assert (oldest.job_id, oldest.case_number, oldest.reason) == ("0123456789ab", 7, "spam")
    assert before <= oldest.at <= datetime.now(UTC)
    assert oldest.id < newest.id == await store.audit.newest_id()
    assert await store.audit.page(AuditFilter(guild_id=GUILD + 1), 10) == []


async def test_pages_follow_each_other_without_gap_or_doubling(store: Store) -> None:
    await store.audit.add(*(record(number) for number in range(7)))
    seen, before_id = [], None
    while page := await store.audit.page(AuditFilter(guild_id=GUILD), 3, before_id=before_id):
        seen += [entry.details["n"] for entry in page]
        before_id = page[-1].id
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    first, *others = await store.audit.after(0, 3)
    assert [entry.details["n"] for entry in (first, *others)] == [0, 1, 2]
    assert [entry.details["n"] for entry in await store.audit.after(first.id, 1)] == [1]


async def test_filters(store: Store) -> None:
    await store.audit.add(
        record(1),
        record(2, actor_id=MEMBER, user_id=9),
        record(3, action=AuditAction.RESULT_DELETED, user_id=9),
    )

    async def found(**values: object) -> list[int]:
        wanted = AuditFilter(guild_id=GUILD, **values)  # type: ignore[arg-type]
        return [entry.details["n"] for entry in await store.audit.page(wanted, 10)]

    assert await found(user_id=MEMBER) == [2, 1]
    assert await found(user_id=9) == [3, 2]
    assert await found(action=AuditAction.RESULT_DELETED) == [3]
    assert await found(action=AuditAction.RESULT_DELETED, user_id=MEMBER) == []
    assert await found(since=datetime.now(UTC) - timedelta(minutes=1)) == [3, 2, 1]
    assert await found(since=datetime.now(UTC) + timedelta(minutes=1)) == []


async def test_whether_something_was_recorded_of_a_job(store: Store) -> None:
    struck = record(action=AuditAction.STRIKE, job_id="0123456789ab")
    assert not await store.audit.knows(struck)
    await store.audit.add(struck)
    assert await store.audit.knows(struck)
    assert not await store.audit.knows(record(action=AuditAction.STRIKE, job_id="ba9876543210"))
    assert not await store.audit.knows(record(action=AuditAction.PICTURES_REFUSED, job_id="0123456789ab"))
    assert not await store.audit.knows(record(action=AuditAction.STRIKE, job_id="0123456789ab", user_id=MODERATOR))


async def test_a_reason_without_end_is_cut(store: Store) -> None:
    await store.audit.add(record(reason="x" * 5000))
    (entry,) = await store.audit.page(AuditFilter(guild_id=GUILD), 1)
    assert entry.reason == "x" * MAX_REASON_CHARACTERS


def test_the_store_has_no_way_to_change_a_record() -> None:
    public = {name for name in vars(AuditStore) if not name.startswith("_")}
    assert public == {"add", "knows", "page", "newest_id", "after"}


async def test_the_database_refuses_changes_by_anybody(store: Store, store_url: str) -> None:
    await store.audit.add(record(reason="spam"))
    for statement in CHANGES[make_url(store_url).get_backend_name()]:
        with pytest.raises(DBAPIError, match=REFUSAL):
            run_sql(store_url, statement)
    (entry,) = await store.audit.page(AuditFilter(guild_id=GUILD), 10)
    assert (entry.reason, entry.actor_id) == ("spam", MODERATOR)


async def test_changes_of_settings_are_recorded_with_them_or_not_at_all(store: Store) -> None:
    await store.guilds.change(GUILD, MODERATOR, max_images=4, previews=False)
    with pytest.raises(InvalidParameterError):
        await store.guilds.change(GUILD, MODERATOR, max_images=40)
    await store.guilds.change(GUILD, MODERATOR, max_images=4)
    entries = await store.audit.page(AuditFilter(guild_id=GUILD), 10)
    assert [(entry.action, entry.actor_id, entry.details) for entry in reversed(entries)] == [
        ("setting_changed", MODERATOR, {"key": "max_images", "old": None, "new": 4}),
        ("setting_changed", MODERATOR, {"key": "previews", "old": None, "new": False}),
    ]


async def test_of_two_who_delete_at_once_one_is_recorded(store: Store) -> None:
    job = new_job(guild_id=GUILD)
    await store.jobs.create(job)
    deleted = record(action=AuditAction.RESULT_DELETED, job_id=job.id)
    done = await asyncio.gather(*(store.jobs.delete(job.id, record=deleted) for _ in range(2)))
    assert sorted(done) == [False, True]
    (entry,) = await store.audit.page(AuditFilter(guild_id=GUILD), 10)
    assert entry.job_id == job.id
