"""What the start waits for on a cluster, and what it says in the end. Without one; see test_ray.py."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.errors import ClusterNotReadyError
from bot.executor.replicas import ClusterLostError
from tests.conftest import TIMEOUT_S

from .ray_modules import ray_module

pytestmark = [pytest.mark.ray, pytest.mark.timeout(60)]


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ray_module("bot.executor.ray.connecting")
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(module, "why_there_is_none", lambda *_: ClusterNotReadyError("Nothing came up."))
    return module


class Looks:
    """A RayReplicas. look: given how often it has been asked before, says what there is, or raises."""

    def __init__(self, look: Callable[[int], list[str]]) -> None:
        self.num_asked = 0
        self._look = look

    async def states(self) -> list[str]:
        self.num_asked += 1
        return self._look(self.num_asked - 1)


def nobody(_: int) -> list[str]:
    raise ClusterLostError("No engine answers.")


async def test_engines_that_are_exchanged_meanwhile_are_waited_for(connecting: Any) -> None:
    looks = Looks(lambda number: ["of this version"] if number == 5 else [])
    await connecting._first_replica(looks, "engines", TIMEOUT_S)
    assert looks.num_asked == 6


async def test_a_start_that_finds_engines_of_another_version_alone_may_be_tried_again(connecting: Any) -> None:
    looks = Looks(lambda _: [])
    with pytest.raises(ClusterNotReadyError, match=r"The engines of engines run another version than this one, .*: in"):
        await connecting._first_replica(looks, "engines", 0.05)
    assert looks.num_asked > 1


async def test_where_others_have_gone_the_cluster_says_what_keeps_the_new_ones(connecting: Any) -> None:
    def go(number: int) -> list[str]:
        return [] if number == 0 else nobody(number)

    looks = Looks(go)
    with pytest.raises(ClusterNotReadyError, match=r"Nothing came up\."):
        await connecting._first_replica(looks, "engines", 0.2)
    assert looks.num_asked > 1


@pytest.fixture
def may_return() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def test_a_cluster_that_does_not_say_what_keeps_them_is_not_waited_for(
    connecting: Any, monkeypatch: pytest.MonkeyPatch, may_return: threading.Event
) -> None:
    monkeypatch.setattr(connecting, "CAUSE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(connecting, "why_there_is_none", lambda *_: may_return.wait(TIMEOUT_S))
    with pytest.raises(ClusterNotReadyError, match="The cluster does not answer: `serve status`"):
        await connecting._first_replica(Looks(nobody), "engines", 0.05)


def test_warnings_of_rays_are_not_dropped_on_the_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    joining = ray_module("bot.executor.ray.joining")
    logging, given = joining.logging, {}
    monkeypatch.setattr(joining.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(joining.ray, "init", lambda **options: given.update(options))
    joining.enter("auto")
    assert given["logging_level"] == logging.WARNING
