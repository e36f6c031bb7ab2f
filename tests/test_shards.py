import pytest

from bot.shards import ALL_SHARDS, Shards, format_ids, parse_ids, shard_of


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("0-3", (0, 1, 2, 3)),
        (" 8, 0-1 ", (0, 1, 8)),
        ("5", (5,)),
        (5, (5,)),
        ([2, 0], (0, 2)),
        ((1,), (1,)),
    ],
)
def test_ids_are_ranges_or_lists(given: object, ids: tuple[int, ...]) -> None:
    assert parse_ids(given) == ids


@pytest.mark.parametrize(
    "given", ["", "a", "3-1", "-1", "1-", "0--2", "0-3,", [], [True], ["0"], [-1], 1.0, None, "0-100000"]
)
def test_what_are_no_ids_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match='shards such as "0-3"'):
        parse_ids(given)


@pytest.mark.parametrize("given", ["0-3,2", [1, 1]])
def test_a_shard_is_named_once(given: object) -> None:
    with pytest.raises(ValueError, match="each shard once"):
        parse_ids(given)


def test_ids_are_written_as_they_are_read() -> None:
    assert format_ids((0, 1, 2, 3, 8, 10, 11)) == "0-3,8,10-11"
    assert parse_ids("0-3,8,10-11") == (0, 1, 2, 3, 8, 10, 11)
    assert str(Shards(12, (4, 5, 6, 7))) == "4-7 of 12"


def test_each_guild_has_one_process() -> None:
    processes = [Shards(3, (0, 1)), Shards(3, (2,))]
    for guild_id in (5 << 22, (6 << 22) + 1, (7 << 22) + 4_194_303, 2**63 - 1):
        assert [process.serves(guild_id) for process in processes].count(True) == 1
        assert ALL_SHARDS.serves(guild_id)
    assert shard_of((5 << 22) + 4_194_303, 3) == 2


def test_direct_messages_belong_to_the_first_shard() -> None:
    assert Shards(3, (0,)).serves(None)
    assert not Shards(3, (1, 2)).serves(None)
    assert [Shards(3, ids).has_first for ids in ((0, 2), (1, 2))] == [True, False]
    assert [Shards(3, ids).are_all for ids in ((0, 1, 2), (1, 2))] == [True, False]
    assert ALL_SHARDS.are_all
