import pytest

from bot.executor.sharing import may_take, share_of


@pytest.mark.parametrize(
    ("num_slots", "own", "others", "share"),
    [
        (36, 1.0, 0.0, 36),
        (36, 0.0, 0.0, 36),
        (36, 1.0, 1.0, 18),
        (36, 1.0, 3.0, 9),
        (36, 2.5, 0.5, 30),
        (8, 1.0, 2.0, 3),
        (4, 1.0, 999.0, 1),
        (4, 0.0, 1.0, 1),
        (0, 1.0, 1.0, 1),
    ],
)
def test_the_share_follows_demand(num_slots: int, own: float, others: float, share: int) -> None:
    assert share_of(num_slots, own, others) == share


@pytest.mark.parametrize("num_slots", range(1, 13))
@pytest.mark.parametrize("demands", [(1.0, 1.0), (1.0, 2.0, 5.0), (0.1, 10.0, 3.0, 3.0)])
def test_no_slot_stays_free_while_all_wait(num_slots: int, demands: tuple[float, ...]) -> None:
    shares = [share_of(num_slots, own, sum(demands) - own) for own in demands]
    assert sum(shares) >= num_slots
    assert all(1 <= share <= num_slots for share in shares)


@pytest.mark.parametrize(
    ("num_held", "has_free", "others", "may"),
    [
        (0, True, 0.0, True),
        (5, True, 0.0, True),
        (5, False, 0.0, False),
        (3, False, 1.0, True),
        (3, True, 1.0, True),
        (4, True, 1.0, False),
        # Others fill each slot again before this process can see that it was free.
        (0, False, 1.0, True),
        (0, False, 0.0, True),
    ],
)
def test_a_share_is_taken_and_a_first_job_even_where_no_slot_is_seen_free(
    num_held: int, has_free: bool, others: float, may: bool
) -> None:
    assert may_take(8, num_held, has_free=has_free, own=1.0, others=others) is may


def test_where_there_are_no_slots_nothing_is_taken() -> None:
    assert not may_take(0, 0, has_free=False, own=1.0, others=1.0)
