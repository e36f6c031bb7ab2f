"""Who is next, and how long anybody may have to wait."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.executor.turns import Ticket, Turns

MAX_IMAGES = 9


def ticket(name: str, num_images: int = 1, *, guild: str = "home", weight: float = 1.0) -> Ticket[str]:
    """A job that is named after its user, as in a1."""
    return Ticket(name, guild, name[0], num_images, weight)


def turns(*tickets: Ticket[str], **guild_weights: float) -> Turns[str]:
    made: Turns[str] = Turns(guild_weights)
    for each in tickets:
        made.add(each)
    return made


def drain(queue: Turns[str]) -> list[str]:
    """Takes all; what was foretold comes true."""
    foretold = list(queue)
    assert [queue.take() for _ in range(len(queue))] == foretold
    return foretold


def test_users_take_turns() -> None:
    assert drain(turns(*map(ticket, ("a1", "a2", "a3", "b1", "c1", "c2")))) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_what_counts_is_images() -> None:
    queue = turns(*(ticket(f"a{n}", 3) for n in range(3)), *(ticket(f"b{n}") for n in range(9)))
    order = "".join(name[0] for name in drain(queue))
    assert order == "bbabbbabbbab"


def test_guilds_take_turns_however_many_users_they_have() -> None:
    crowd = [ticket(f"{user}1", guild="crowd") for user in "abcdef"]
    alone = [ticket(f"z{n}", guild="alone") for n in range(3)]
    assert drain(turns(*crowd, *alone))[:6] == ["a1", "z0", "b1", "z1", "c1", "z2"]


@pytest.mark.parametrize("level", ["user", "guild"])
def test_three_times_the_weight_is_three_times_the_share(level: str) -> None:
    heavy = [ticket(f"a{n}", guild="big", weight=3.0 if level == "user" else 1.0) for n in range(40)]
    light = [ticket(f"b{n}", guild="big" if level == "user" else "small") for n in range(40)]
    weights = {"big": 3.0} if level == "guild" else {}
    assert Counter(name[0] for name in drain(turns(*heavy, *light, **weights))[:40]) == {"a": 30, "b": 10}


@pytest.mark.parametrize("level", ["user", "guild"])
def test_nobody_gains_by_having_been_idle(level: str) -> None:
    guild = "home" if level == "user" else "other"
    queue = turns(*(ticket(f"a{n}") for n in range(20)))
    for _ in range(10):
        queue.take()
    for n in range(10):
        queue.add(ticket(f"b{n}", guild=guild))
    assert Counter(name[0] for name in drain(queue)[:10]) == {"a": 5, "b": 5}


def test_newcomers_do_not_keep_anybody_from_the_second_job() -> None:
    queue = turns(ticket("a1"), ticket("a2"))
    started = []
    for newcomer in "bcdefgh":
        queue.add(ticket(f"{newcomer}1"))
        started.append(queue.take())
    assert started.index("a2") == 2


def test_who_takes_a_job_back_has_not_paid_for_it() -> None:
    queue = turns(ticket("a1", 9), ticket("a2"), ticket("b1", 5))
    assert list(queue) == ["b1", "a1", "a2"]
    assert queue.remove("a1")
    assert list(queue) == ["a2", "b1"]


def test_taking_a_job_back_brings_nobody_before_what_has_started() -> None:
    queue = turns(ticket("a1", 9), ticket("a2"), *(ticket(f"b{n}") for n in range(9)))
    for _ in range(5):
        assert queue.take().startswith("b")
    queue.remove("a1")
    # Five images of b have started, so a's is the sixth.
    assert list(queue) == ["a2", "b5", "b6", "b7", "b8"]


def test_what_does_not_wait_can_not_be_taken() -> None:
    queue = turns(ticket("a1"))
    assert not queue.remove("b1")
    assert queue.take() == "a1"
    assert not queue.remove("a1")
    with pytest.raises(ValueError):
        queue.take()
    queue.add(ticket("a1"))
    queue.clear()
    assert (len(queue), list(queue)) == (0, [])


@dataclass
class Wait:
    """A job that waits, and what its bound is made of; see bot.executor.turns."""

    ticket: Ticket[int]
    images: int  # x
    least_weight: float  # w
    overtaken_by: int = 0
    most_jobs: int = 0  # n
    greatest_weight: float = 0.0  # W
    most_guilds: int = 0  # g
    greatest_guild_weight: float = 0.0  # V

    def look(self, waiting: list[Ticket[int]], guild_weights: dict[str, float]) -> None:
        own = [each for each in waiting if each.guild == self.ticket.guild]
        guilds = {each.guild for each in waiting}
        self.most_jobs = max(self.most_jobs, len(own))
        self.greatest_weight = max(self.greatest_weight, *(each.weight for each in own))
        self.most_guilds = max(self.most_guilds, len(guilds))
        self.greatest_guild_weight = max(self.greatest_guild_weight, *(guild_weights[guild] for guild in guilds))

    def bound(self, guild_weights: dict[str, float]) -> float:
        """Without the images of a job that is partly in: here every job starts wholly."""
        x, c = self.images, MAX_IMAGES
        inside = (self.most_jobs - 1) * (c + self.greatest_weight / self.least_weight * x)
        share = self.greatest_guild_weight / guild_weights[self.ticket.guild]
        return inside + (self.most_guilds - 1) * (c + share * (inside + x))


WEIGHTS = st.sampled_from([0.1, 0.5, 1.0, 1.0, 1.0, 2.0, 10.0])
USERS = st.integers(0, 4)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("ABC"), USERS, st.integers(1, MAX_IMAGES), WEIGHTS),
        st.integers(0, 20),  # which job is taken back
        st.none(),  # the next one starts
        st.none(),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(OPERATIONS, st.fixed_dictionaries({"A": WEIGHTS, "B": WEIGHTS, "C": WEIGHTS}))
def test_nobody_waits_for_more_than_is_promised(
    operations: list[tuple[str, int, int, float] | int | None], guild_weights: dict[str, float]
) -> None:
    """Also: what the order foretells comes true, and no job is lost."""
    queue: Turns[int] = Turns(guild_weights)
    waits: dict[int, Wait] = {}
    for number, operation in enumerate(operations):
        if isinstance(operation, tuple):
            guild, user, num_images, weight = operation
            new = Ticket(number, guild, f"{guild}{user}", num_images, weight)
            own = [wait.ticket for wait in waits.values() if wait.ticket.user == new.user] + [new]
            waits[number] = Wait(new, sum(each.num_images for each in own), min(each.weight for each in own))
            queue.add(new)
        elif isinstance(operation, int) and waits:
            removed = list(waits)[operation % len(waits)]
            assert queue.remove(removed)
            del waits[removed]
        elif operation is None and waits:
            foretold = next(iter(queue))
            job = queue.take()
            assert job == foretold
            started = waits.pop(job).ticket
            for wait in waits.values():
                if wait.ticket.user != started.user:
                    wait.overtaken_by += started.num_images
        assert set(queue) == set(waits)
        waiting = [wait.ticket for wait in waits.values()]
        for wait in waits.values():
            wait.look(waiting, guild_weights)
            assert wait.overtaken_by <= wait.bound(guild_weights) + 1e-6
