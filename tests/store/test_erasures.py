from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.moderation.cases import CaseKind, Decision
from bot.sanction_ladder import SanctionKind
from bot.store import (
    AuditAction,
    AuditFilter,
    AuditRecord,
    Gallery,
    JobState,
    Kept,
    NewCase,
    NewSanction,
    Showing,
    Store,
    Style,
)
from bot.store.erasures import MAX_REMEMBERED
from bot.store.personal import NOBODY
from tests.store.samples import SNOWFLAKE, new_job, picture
from tests.store.test_exports import exported

USER, OTHER, GUILD = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 9
NOW = datetime.now(UTC)


async def test_one_deletion_of_a_person_at_a_time(store: Store) -> None:
    assert await store.erasures.begin(USER, "de")
    assert not await store.erasures.begin(USER, "en-US")
    assert await store.erasures.begin(OTHER, None)
    first, second = await store.erasures.under_way()
    assert (first.user_id, first.locale, first.num_jobs, first.refused) == (USER, "de", 0, ())
    assert second.user_id == OTHER
    await store.erasures.finish(first, NOW)
    assert [erasure.user_id for erasure in await store.erasures.under_way()] == [OTHER]


async def test_jobs_go_one_by_one_with_all_that_hangs_on_them(store: Store) -> None:
    first, second = await store.jobs.create(new_job(1)), await store.jobs.create(new_job(2))
    theirs = await store.jobs.create(new_job(3, user_id=OTHER))
    for job in (first, second, theirs):
        await store.images.save(job.id, [picture(1)])
    await store.showings.add(Showing(message_id=5, channel_id=3, job_id=first.id))
    await store.favourites.add(OTHER, first.id, 1)
    await store.erasures.begin(USER, None)
    later = await store.jobs.create(new_job(4))
    (erasure,) = await store.erasures.under_way()
    assert await store.erasures.count(erasure) == 2
    assert [job.id for job in await store.erasures.jobs(erasure, 1)] == [first.id]
    await store.erasures.erase_job(first.id, of=erasure, refused=("a", "b"))
    await store.erasures.erase_job(first.id, of=erasure, refused=("a", "b"))
    assert [job.id for job in await store.erasures.jobs(erasure, 9)] == [second.id]
    assert await store.jobs.get(first.id) is None
    assert await store.images.of(first.id) == []
    assert await store.favourites.of(OTHER, 9) == []
    assert await store.showings.job_of(5) is None
    (after,) = await store.erasures.under_way()
    assert (after.num_jobs, after.num_refused, after.refused) == (1, 2, ("a", "b"))
    assert await store.jobs.get(later.id) is not None
    assert await store.jobs.get(theirs.id) is not None


async def test_only_some_links_are_remembered(store: Store) -> None:
    jobs = [await store.jobs.create(new_job(number)) for number in range(2)]
    await store.erasures.begin(USER, None)
    (erasure,) = await store.erasures.under_way()
    for job in jobs:
        await store.erasures.erase_job(job.id, of=erasure, refused=(job.id,) * MAX_REMEMBERED)
    ended = await store.erasures.finish(erasure, NOW)
    assert ended is not None
    assert (ended.num_refused, len(ended.refused)) == (2 * MAX_REMEMBERED, MAX_REMEMBERED)


async def test_the_end_takes_what_is_left_and_the_name_off_what_a_guild_needs(store: Store) -> None:
    theirs = await store.jobs.create(new_job(1, user_id=OTHER))
    await store.images.save(theirs.id, [picture(1)])
    await store.favourites.add(USER, theirs.id, 1)
    of_me = Gallery(user_id=OTHER, guild_id=GUILD, of_user_id=USER)
    other = Gallery(user_id=OTHER, guild_id=GUILD)
    for gallery in (of_me, other, Gallery(user_id=USER, guild_id=GUILD, prompt="stars")):
        await store.galleries.add(gallery)
    await store.styles.add(GUILD, Style(name="oil", prompt="in oil", created_by=USER))
    await store.guilds.change(GUILD, USER, cooldown_s=5)
    await store.erasures.begin(USER, None)
    (erasure,) = await store.erasures.under_way()
    await store.erasures.finish(erasure, NOW)
    assert await exported(store, USER) == {}
    assert await store.galleries.get(of_me.id) is None
    assert await store.galleries.get(other.id) == other
    assert [style.created_by for style in await store.styles.of(GUILD)] == [NOBODY]
    assert [change.user_id for change in await store.guilds.changes(GUILD, 9)] == [NOBODY]


async def test_what_is_past_a_guilds_time_is_the_oldest_that_is_finished(store: Store) -> None:
    old = [await store.jobs.create(new_job(number, guild_id=GUILD)) for number in range(4)]
    await store.jobs.create(new_job(8, guild_id=GUILD + 1))
    for job in (old[0], old[2], old[3]):
        await store.jobs.move(job.id, JobState.FAILED)
    now = datetime.now(UTC)
    assert [job.id for job in await store.erasures.expired(GUILD, now, 2)] == [old[0].id, old[2].id]
    assert await store.erasures.expired(GUILD, now - timedelta(days=1), 9) == []
    assert [job.id for job in await store.erasures.expired(GUILD, old[3].created_at, 9)] == [old[0].id, old[2].id]
    assert await store.erasures.expired(GUILD + 1, now, 9) == []


async def test_what_moderators_have_yet_to_decide_stays(store: Store) -> None:
    held = await store.jobs.create(new_job(1, guild_id=GUILD))
    decided = await store.jobs.create(new_job(2, guild_id=GUILD))
    for job in (held, decided):
        await store.jobs.move(job.id, JobState.FAILED)
        case = NewCase(guild_id=GUILD, kind=CaseKind.REPORT, job_id=job.id, user_id=USER, details={"quotes": "a word"})
        await store.cases.open(case)
    await store.cases.decide(GUILD, 2, Decision.REJECT, by=OTHER, at=datetime.now(UTC))
    await store.erasures.begin(USER, None)
    (erasure,) = await store.erasures.under_way()
    assert [job.id for job in await store.erasures.jobs(erasure, 9)] == [decided.id]
    assert await store.erasures.count(erasure) == 1
    assert [job.id for job in await store.erasures.expired(GUILD, datetime.now(UTC), 9)] == [decided.id]
    await store.erasures.erase_job(decided.id, of=erasure)
    assert await store.erasures.kept(USER, NOW) == Kept(1, ((GUILD, 1),), num_records=1)
    await store.erasures.finish(erasure, NOW)
    first, second = await store.cases.get(GUILD, 1), await store.cases.get(GUILD, 2)
    assert first is not None
    assert second is not None
    assert (first.user_id, first.details) == (USER, {"quotes": "a word"})
    assert (second.user_id, second.details, second.decision) == (NOBODY, {}, Decision.REJECT)


async def test_the_moderators_log_stays_and_is_counted(store: Store) -> None:
    about = AuditRecord(guild_id=GUILD, action=AuditAction.RESULT_DELETED, actor_id=OTHER, user_id=USER)
    await store.audit.add(about, replace(about, actor_id=USER, user_id=OTHER), replace(about, user_id=OTHER))
    await store.erasures.begin(USER, None)
    (erasure,) = await store.erasures.under_way()
    assert await store.erasures.kept(USER, NOW) == Kept(0, (), num_records=2)
    await store.erasures.finish(erasure, NOW)
    assert len(await store.audit.page(AuditFilter(guild_id=GUILD), 9)) == 3
    (row,) = (await exported(store, USER))["audit"]
    assert "actor_id" not in row


async def test_sanctions_end_by_the_given_time_and_not_by_the_hosts(store: Store) -> None:
    ban = NewSanction(
        guild_id=GUILD,
        user_id=USER,
        kind=SanctionKind.BAN,
        reason=None,
        given_by=OTHER,
        given_at=NOW - timedelta(days=9),
        expires_at=NOW - timedelta(hours=1),
    )
    await store.sanctions.give(ban, lambda given: AuditRecord(guild_id=GUILD, action=AuditAction.BAN, user_id=USER))
    for now, num_kept in ((NOW - timedelta(hours=2), 1), (NOW, 0)):
        await store.erasures.begin(USER, None)
        (erasure,) = await store.erasures.under_way()
        assert (await store.erasures.kept(USER, now)).num_sanctions == num_kept
        await store.erasures.finish(erasure, now)
        assert len(await store.sanctions.of(GUILD, USER)) == num_kept
