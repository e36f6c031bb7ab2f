from bot.moderation.likeness import SHAPE_BYTES, PictureHash
from bot.store import AuditAction, AuditFilter, Store
from tests.store.samples import SNOWFLAKE


def a_hash(number: int) -> PictureHash:
    return PictureHash(bytes([number]) * SHAPE_BYTES, 2**41 + number)


async def test_hashes_of_a_guild(store: Store) -> None:
    blocked = store.blocked_hashes
    assert await blocked.of(SNOWFLAKE) == []
    await blocked.add(SNOWFLAKE, [a_hash(1), a_hash(2), a_hash(1)], case_number=7)
    await blocked.add(SNOWFLAKE, [a_hash(2), a_hash(3)], case_number=None)
    await blocked.add(SNOWFLAKE + 1, [a_hash(1)], case_number=7)
    assert set(await blocked.of(SNOWFLAKE)) == {a_hash(1), a_hash(2), a_hash(3)}
    assert await blocked.of(SNOWFLAKE + 1) == [a_hash(1)]


async def test_what_a_case_blocked_can_be_unblocked(store: Store) -> None:
    blocked = store.blocked_hashes
    await blocked.add(SNOWFLAKE, [a_hash(1), a_hash(2)], case_number=7)
    await blocked.add(SNOWFLAKE, [a_hash(2), a_hash(3)], case_number=8)
    await blocked.add(SNOWFLAKE, [a_hash(4)], case_number=None)
    assert [(each.case_number, each.num_hashes) for each in await blocked.cases(SNOWFLAKE, 5)] == [(8, 1), (7, 2)]
    assert [each.case_number for each in await blocked.cases(SNOWFLAKE, 1)] == [8]
    assert await blocked.forget(SNOWFLAKE, 7, 99) == 2
    assert await blocked.forget(SNOWFLAKE, 7, 99) == 0
    assert await blocked.of(SNOWFLAKE) == [a_hash(3), a_hash(4)]
    (record,) = await store.audit.page(AuditFilter(guild_id=SNOWFLAKE), 5)
    assert (record.action, record.actor_id, record.case_number) == (AuditAction.PICTURES_UNBLOCKED, 99, 7)
    assert record.details == {"hashes": 2}


async def test_the_oldest_give_way(store: Store) -> None:
    blocked = store.blocked_hashes
    for number in range(5):
        await blocked.add(SNOWFLAKE, [a_hash(number)], case_number=number, limit=3)
    await blocked.add(SNOWFLAKE + 1, [a_hash(9)], case_number=1, limit=3)
    assert set(await blocked.of(SNOWFLAKE)) == {a_hash(2), a_hash(3), a_hash(4)}
