import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import StoreError
from bot.sanction_ladder import SanctionKind
from bot.store import AuditAction, AuditFilter, AuditRecord, NewSanction, SanctionRecord, Store, sanctions
from tests.store.samples import SNOWFLAKE

GUILD, USER, MODERATOR = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 2
NOW = datetime(2026, 1, 2, tzinfo=UTC)
STRIKE = NewSanction(
    guild_id=GUILD,
    user_id=USER,
    kind=SanctionKind.STRIKE,
    reason="spam",
    given_by=MODERATOR,
    given_at=NOW,
    expires_at=NOW + timedelta(days=90),
)
BAN = replace(STRIKE, kind=SanctionKind.BAN, expires_at=None)


def record(given: SanctionRecord) -> AuditRecord:
    return AuditRecord(guild_id=GUILD, action=AuditAction(given.kind), actor_id=given.given_by, user_id=given.user_id)


def done(action: AuditAction) -> AuditRecord:
    return AuditRecord(guild_id=GUILD, action=action, actor_id=MODERATOR, user_id=USER)


async def audited(store: Store) -> list[str]:
    """What the audit has, oldest first."""
    return [entry.action for entry in reversed(await store.audit.page(AuditFilter(guild_id=GUILD), 50))]


async def give_both(store: Store) -> list[SanctionRecord]:
    return await store.sanctions.give(STRIKE, record, lambda _: BAN)


async def test_a_sanction_comes_back_as_it_was_given(store: Store) -> None:
    (given,) = await store.sanctions.give(replace(STRIKE, case_number=3), record)
    assert await store.sanctions.of(GUILD, USER) == [given] == [await store.sanctions.get(given.id)]
    assert (given.kind, given.reason, given.given_by, given.case_number) == (SanctionKind.STRIKE, "spam", MODERATOR, 3)
    assert (given.given_at, given.expires_at, given.revoked_at) == (NOW, NOW + timedelta(days=90), None)
    assert await store.sanctions.of(GUILD + 1, USER) == await store.sanctions.of(GUILD, USER + 1) == []
    assert await store.sanctions.get(given.id + 1) is None


async def test_what_follows_sees_all_and_names_its_cause(store: Store) -> None:
    await store.sanctions.give(STRIKE, record)
    seen: list[int] = []

    def then(theirs: Sequence[SanctionRecord]) -> NewSanction:
        seen.append(len(theirs))
        return BAN

    strike, ban = await store.sanctions.give(STRIKE, record, then)
    assert seen == [2]
    assert (ban.kind, ban.cause_id, strike.cause_id) == (SanctionKind.BAN, strike.id, None)
    assert await audited(store) == ["strike", "strike", "ban"]


async def test_neither_sanction_nor_record_is_there_without_the_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sequence[SanctionRecord]) -> NewSanction:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.sanctions.give(STRIKE, record, fail)
    with monkeypatch.context() as patched:

        async def refuse(*_: object) -> None:
            raise StoreError("The disk is full.")

        patched.setattr(sanctions, "write_audit", refuse)
        with pytest.raises(StoreError):
            await store.sanctions.give(STRIKE, record)
    assert (await store.sanctions.of(GUILD, USER), await audited(store)) == ([], [])


async def test_of_two_who_lift_a_ban_at_once_one_does(store: Store) -> None:
    (ban,) = await store.sanctions.give(BAN, record)
    lifts = (store.sanctions.revoke([ban.id], by=MODERATOR, at=NOW, audit=[done(AuditAction.LIFTED)]) for _ in range(2))
    assert sorted(len(lifted) for lifted in await asyncio.gather(*lifts)) == [0, 1]
    (after,) = await store.sanctions.of(GUILD, USER)
    assert (after.revoked_at, after.revoked_by) == (NOW, MODERATOR)
    assert await audited(store) == ["ban", "lifted"]


async def appeal(store: Store, sanction: SanctionRecord, user_id: int = USER) -> SanctionRecord | None:
    return await store.sanctions.appeal(
        sanction.id, user_id, text="Sorry", locale="de", at=NOW, audit=done(AuditAction.APPEAL)
    )


async def decide(store: Store, sanction: SanctionRecord, decision: str) -> SanctionRecord | None:
    return await store.sanctions.decide(
        sanction.id, decision, by=MODERATOR, at=NOW, audit=done(AuditAction(f"appeal_{decision}"))
    )


async def test_one_appeal_for_each_and_only_ones_own(store: Store) -> None:
    (ban,) = await store.sanctions.give(BAN, record)
    assert await appeal(store, ban, USER + 1) is None
    appealed = await appeal(store, ban)
    assert appealed is not None
    assert (appealed.appeal, appealed.appeal_locale, appealed.appealed_at) == ("Sorry", "de", NOW)
    assert await appeal(store, ban) is None
    assert await audited(store) == ["ban", "appeal"]


async def test_nobody_appeals_against_what_was_lifted(store: Store) -> None:
    (ban,) = await store.sanctions.give(BAN, record)
    await store.sanctions.revoke([ban.id], by=MODERATOR, at=NOW, audit=[])
    assert await appeal(store, ban) is None


@pytest.mark.parametrize("against", [0, 1])
async def test_what_is_lifted_takes_its_strike_along_and_nothing_else(store: Store, against: int) -> None:
    await store.sanctions.give(STRIKE, record)
    given = await give_both(store)
    await appeal(store, given[against])
    assert await decide(store, given[against], "lifted") is not None
    assert [each.revoked_at for each in await store.sanctions.of(GUILD, USER)] == [NOW, NOW, None]


async def test_an_appeal_is_decided_once(store: Store) -> None:
    _, ban = await give_both(store)
    assert await decide(store, ban, "lifted") is None, "nobody has appealed"
    await appeal(store, ban)
    decided = await asyncio.gather(decide(store, ban, "upheld"), decide(store, ban, "lifted"))
    assert sum(each is not None for each in decided) == 1
    (winner,) = {each.appeal_decision for each in decided if each is not None}
    after = await store.sanctions.get(ban.id)
    assert after is not None
    assert (after.appeal_decision, after.appeal_decided_by) == (winner, MODERATOR)
    assert (after.revoked_at is not None) is (winner == "lifted")
    assert await audited(store) == ["strike", "ban", "appeal", f"appeal_{winner}"]


async def test_old_history_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanctions, "MAX_OF_USER", 2)
    given = [(await store.sanctions.give(STRIKE, record))[0] for _ in range(3)]
    assert await store.sanctions.of(GUILD, USER) == [given[2], given[1]]


async def test_an_appeal_waits_until_moderators_see_it(store: Store) -> None:
    given = [(await store.sanctions.give(BAN, record))[0] for _ in range(5)]
    _, lifted, decided, first, second = given
    for each in given[1:]:
        await appeal(store, each)
    await store.sanctions.revoke([lifted.id], by=MODERATOR, at=NOW, audit=[done(AuditAction.LIFTED)])
    await decide(store, decided, "upheld")
    assert [each.id for each in await store.sanctions.unposted_appeals(9)] == [first.id, second.id]
    assert [each.id for each in await store.sanctions.unposted_appeals(1)] == [first.id]
    assert await store.sanctions.unposted_appeals(9, {GUILD}) == []
    await store.sanctions.set_appeal_message(first.id, channel_id=SNOWFLAKE, message_id=SNOWFLAKE + 1)
    assert [each.id for each in await store.sanctions.unposted_appeals(9)] == [second.id]
    open_ones = await store.sanctions.open_appeals(GUILD, 9)
    assert [(each.id, each.appeal_channel_id, each.appeal_message_id) for each in open_ones] == [
        (first.id, SNOWFLAKE, SNOWFLAKE + 1),
        (second.id, None, None),
    ]
    assert await store.sanctions.open_appeals(GUILD + 1, 9) == []
    assert await store.sanctions.appeal_channels() == [(GUILD, SNOWFLAKE)]
    await store.sanctions.forget_appeal_messages(GUILD, SNOWFLAKE + 1)
    assert [each.id for each in await store.sanctions.unposted_appeals(9)] == [second.id]
    await store.sanctions.forget_appeal_messages(GUILD, SNOWFLAKE)
    assert [each.id for each in await store.sanctions.unposted_appeals(9)] == [first.id, second.id]
    assert await store.sanctions.appeal_channels() == []
