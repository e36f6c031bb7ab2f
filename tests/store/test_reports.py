from datetime import UTC, datetime, timedelta

from bot.moderation.cases import CaseKind, Decision
from bot.store import AuditAction, AuditFilter, AuditRecord, CaseRecord, JobRecord, NewCase, Scope, Store
from tests.store.samples import SNOWFLAKE, new_job, picture
from tests.store.test_exports import exported
from tests.store.test_sweeps import deliver

USER, ALICE, BOB, GUILD, MODERATOR = (SNOWFLAKE + number for number in (0, 1, 2, 9, 5))


async def open_case(store: Store, job: JobRecord) -> CaseRecord:
    return await store.cases.open(NewCase(guild_id=GUILD, kind=CaseKind.REPORT, job_id=job.id, user_id=job.user_id))


async def decide(store: Store, case: CaseRecord, decision: Decision) -> None:
    await store.cases.decide(GUILD, case.number, decision, by=MODERATOR, at=datetime.now(UTC))


async def test_reports_of_a_job_join_its_one_open_case_once_for_each_person(store: Store) -> None:
    job = await deliver(store, 1)
    case = await open_case(store, job)
    assert await open_case(store, job) == case
    assert await store.reports.add(case, ALICE, "it is rude", "de", at=datetime.now(UTC))
    assert not await store.reports.add(case, ALICE, "very", "de", at=datetime.now(UTC))
    assert await store.reports.add(case, BOB, "so it is", "en-US", at=datetime.now(UTC))
    first, second = await store.reports.of_case(GUILD, case.number)
    assert (first.reporter_id, first.reason, first.locale, first.job_id) == (ALICE, "it is rude", "de", job.id)
    assert second.reporter_id == BOB
    assert await store.reports.num_of_case(GUILD, case.number) == 2
    assert await store.reports.num_open_cases(GUILD) == 1
    assert await store.reports.has(job.id, ALICE)
    assert not await store.reports.has(job.id, USER)


async def test_a_decided_case_takes_no_more(store: Store) -> None:
    job = await deliver(store, 1)
    case = await open_case(store, job)
    await decide(store, case, Decision.APPROVE)
    assert not await store.reports.add(case, ALICE, "late", "de", at=datetime.now(UTC))
    assert await store.reports.is_settled(job.id)
    assert await store.reports.num_open_cases(GUILD) == 0


async def test_who_was_right(store: Store) -> None:
    expected = {
        Decision.APPROVE: False,
        Decision.APPROVE_SPOILER: True,
        Decision.REJECT: True,
        Decision.REJECT_STRIKE: True,
        Decision.BAN: True,
        Decision.WITHDRAWN: None,
    }
    for number, decision in enumerate(expected):
        case = await open_case(store, await deliver(store, number))
        await store.reports.add(case, ALICE, "so", "de", at=datetime.now(UTC))
        await decide(store, case, decision)
    still_open = await open_case(store, await deliver(store, 99))
    await store.reports.add(still_open, ALICE, "so", "de", at=datetime.now(UTC))
    past = await store.reports.past(GUILD, ALICE)
    assert [report.was_right for report in past] == [None, *list(expected.values())[::-1]]
    assert past[0].reported_at > past[-1].reported_at
    assert await store.reports.past(GUILD + 1, ALICE) == []


async def test_who_has_not_heard_of_a_decision(store: Store) -> None:
    case = await open_case(store, await deliver(store, 1))
    for reporter in (ALICE, BOB):
        await store.reports.add(case, reporter, "so", "de", at=datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await store.reports.unfollowed(later, 9) == []
    await decide(store, case, Decision.REJECT)
    assert await store.reports.unfollowed(later, 9) == [(GUILD, case.number)]
    assert await store.reports.unfollowed(later - timedelta(days=1), 9) == []
    first, second = await store.reports.untold(GUILD, case.number)
    assert [await store.reports.set_told(first) for _ in range(2)] == [True, False]
    assert await store.reports.untold(GUILD, case.number) == [second]
    await store.reports.set_told(second)
    assert await store.reports.unfollowed(later, 9) == []


async def test_what_is_hidden_is_in_nobodys_gallery(store: Store) -> None:
    job = await deliver(store, 1)
    await store.images.save(job.id, [picture(1)])
    scope = Scope(guild_id=GUILD, user_id=ALICE, channel_ids=frozenset({job.channel_id}))
    record = AuditRecord(guild_id=GUILD, action=AuditAction.RESULT_HIDDEN, job_id=job.id)
    assert len(await store.past.results(scope, 9)) == 1
    assert [await store.jobs.hide(job.id, record) for _ in range(2)] == [True, False]
    assert await store.past.results(scope, 9) == []
    hidden = await store.jobs.get(job.id)
    assert hidden is not None
    assert hidden.hidden_at is not None
    shows = [await store.jobs.unhide(job.id, record, is_spoiler=True) for _ in range(2)]
    assert shows == [True, False]
    shown = await store.jobs.get(job.id)
    assert shown is not None
    assert (shown.hidden_at, shown.is_spoiler) == (None, True)
    assert len(await store.past.results(scope, 9)) == 1
    assert len(await store.audit.page(AuditFilter(guild_id=GUILD, action=AuditAction.RESULT_HIDDEN), 9)) == 2
    await store.jobs.delete(job.id)
    assert not await store.jobs.hide(job.id, record)


async def test_somebodys_reports_are_theirs_and_go_but_for_open_cases(store: Store) -> None:
    decided, still_open = [await open_case(store, await deliver(store, number)) for number in range(2)]
    for case in (decided, still_open):
        await store.reports.add(case, ALICE, "it is rude", "de", at=datetime.now(UTC))
    await decide(store, decided, Decision.REJECT)
    assert [row["reason"] for row in (await exported(store, ALICE))["reports"]] == ["it is rude"] * 2
    await store.erasures.begin(ALICE, None)
    (erasure,) = await store.erasures.under_way()
    await store.erasures.finish(erasure, datetime.now(UTC))
    assert await store.reports.of_case(GUILD, decided.number) == []
    assert len(await store.reports.of_case(GUILD, still_open.number)) == 1


async def test_reports_go_with_the_job_that_they_are_about(store: Store) -> None:
    case = await open_case(store, await deliver(store, 1))
    await store.reports.add(case, ALICE, "it is rude", "de", at=datetime.now(UTC))
    await decide(store, case, Decision.REJECT)
    await store.erasures.erase_job(case.job_id)
    assert await store.reports.of_case(GUILD, case.number) == []
    assert await store.jobs.num_of(USER, GUILD) == 0
    await store.jobs.create(new_job(7, guild_id=GUILD))
    assert await store.jobs.num_of(USER, GUILD) == 1
