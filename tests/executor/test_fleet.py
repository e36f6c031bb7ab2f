"""Which replica has room, computed by hand."""

from dataclasses import replace

import pytest

from bot.engine.base import ModelInfo
from bot.engine.fake import FakeEngine
from bot.executor.fleet import Fleet, Wanted
from bot.executor.forecast import EngineLoad
from bot.executor.pace import Pace
from bot.executor.replicas import ReplicaState
from bot.executor.scheduler import Job
from bot.requests import Progress

from .drive import ask


def state(
    replica_id: str,
    num_slots: int = 4,
    *,
    demand: dict[str, int] | None = None,
    remaining: tuple[int, ...] = (),
    pace: Pace | None = None,
    age_s: float = 0.0,
    model: ModelInfo | None = None,
) -> ReplicaState:
    load = EngineLoad(100.0, num_slots, 10, 40, remaining, 0, pace)
    return ReplicaState(replica_id, "1", model or FakeEngine().info, load, age_s, demand or {})


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet("me")
    fleet.see([state("a"), state("b", 6)])
    return fleet


def test_the_one_with_the_most_free_slots_is_chosen(fleet: Fleet) -> None:
    assert fleet.choose() == "b"
    fleet.enter(Job(ask(num_images=3)), "b")
    assert (fleet.num_free("a"), fleet.num_free("b")) == (4, 3)
    assert fleet.choose() == "a"


def test_a_job_holds_no_more_slots_than_there_are(fleet: Fleet) -> None:
    job = Job(ask(num_images=9))
    fleet.enter(job, "a")
    assert fleet.num_free("a") == 0
    fleet.leave(job)
    assert fleet.num_free("a") == 4


def test_all_slots_and_those_of_ones_own_are_counted(fleet: Fleet) -> None:
    assert (fleet.num_slots, fleet.num_held) == (10, 0)
    fleet.enter(Job(ask(num_images=3)), "b")
    fleet.enter(Job(ask(num_images=9)), "a")
    assert (fleet.num_slots, fleet.num_held) == (10, 7)


def test_what_others_have_there_counts_and_ones_own_is_known_better(fleet: Fleet) -> None:
    fleet.see([state("a", demand={"me": 3, "another": 1})])
    assert fleet.num_free("a") == 3
    assert fleet.num_free("b") == 0
    assert fleet.has_room
    fleet.see([state("a", demand={"another": 7})])
    assert fleet.num_free("a") == -3
    assert not fleet.has_room


def test_slots_come_free_with_the_last_chunks(fleet: Fleet) -> None:
    job = Job(ask(num_images=2))
    fleet.enter(job, "a")
    assert not fleet.progress(job, Progress(20, 80))
    assert fleet.num_free("a") == 2
    assert fleet.progress(job, Progress(40, 80))
    assert fleet.num_free("a") == 4
    assert not fleet.progress(job, Progress(60, 80))
    assert not fleet.progress(Job(ask()), Progress(60, 80))


def test_a_job_that_was_sent_on_is_at_one_place(fleet: Fleet) -> None:
    job = Job(ask(num_images=2))
    fleet.enter(job, "a")
    fleet.enter(job, "b")
    assert (fleet.num_free("a"), fleet.num_free("b")) == (4, 4)


def test_a_lost_one_has_no_room_until_it_is_seen_again(fleet: Fleet) -> None:
    fleet.forget("b")
    assert fleet.choose() == "a"
    fleet.forget("a")
    assert fleet.choose() is None
    assert not fleet.has_room
    assert fleet.load(0.0) is None
    fleet.see([state("b")])
    assert fleet.choose() == "b"


def test_a_model_is_looked_for_and_any_other_is_better_than_none(fleet: Fleet) -> None:
    new, old = FakeEngine(name="new").info, FakeEngine().info
    fleet.see([state("a"), state("b", 6, model=new), state("c", 5, model=replace(new, version="2"))])
    assert fleet.choose() == "b"
    assert fleet.choose(Wanted("fake")) == "a"
    assert fleet.choose(Wanted("another")) == "b"
    assert fleet.choose(Wanted(like=old)) == "a"
    assert fleet.choose(Wanted(like=replace(new, version="2"))) == "c"
    assert fleet.choose(Wanted(like=replace(new, version="3"))) == "b"
    assert fleet.has_better(Wanted(like=new), replace(new, version="2"))
    assert not fleet.has_better(Wanted(like=new), new)
    assert not fleet.has_better(Wanted("another"), old)


def test_the_first_model_is_what_most_slots_draw_with(fleet: Fleet) -> None:
    new = FakeEngine(name="new").info
    fleet.see([state("a"), state("b", 6, model=new), state("c", 3)])
    assert [model.name for model in fleet.models] == ["fake", "new"]
    fleet.forget("a")
    assert [model.name for model in fleet.models] == ["new", "fake"]
    fleet.see([])
    assert fleet.models == ()


def test_all_engines_as_if_they_were_one(fleet: Fleet) -> None:
    slow, fast = Pace(((1, 0.1), (4, 0.4))), Pace(((1, 0.1), (4, 0.2)))
    fleet.see([state("a", remaining=(10, 20), pace=fast, age_s=1.0), state("b", 6, remaining=(30,), pace=slow)])
    load = fleet.load(50.0)
    assert load is not None
    assert (load.at_s, load.num_slots, load.remaining) == (49.0, 10, (10, 20, 30))
    assert load.pace == Pace(((2, 0.1), (8, 0.4)))
