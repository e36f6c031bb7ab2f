from itertools import pairwise

import pytest

from bot.store import FINAL_STATES, JobState, may_move
from bot.store.states import TRANSITIONS, sources_of


def test_every_state_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_final_states() -> None:
    assert {"delivered", "cancelled", "failed", "expired"} == FINAL_STATES


def test_the_straight_way_is_legal() -> None:
    way = ["received", "acknowledged", "queued", "running", "delivering", "delivered"]
    assert all(may_move(JobState(a), JobState(b)) for a, b in pairwise(way))


@pytest.mark.parametrize("state", sorted(set(JobState) - FINAL_STATES))
def test_every_open_state_can_fail_and_expire(state: JobState) -> None:
    assert may_move(state, JobState.FAILED)
    assert may_move(state, JobState.EXPIRED)


@pytest.mark.parametrize(
    ("current", "to"),
    [
        ("received", "running"),
        ("received", "received"),
        ("acknowledged", "delivered"),
        ("delivering", "cancelled"),
        ("delivered", "queued"),
        ("cancelled", "queued"),
    ],
)
def test_what_is_not_legal(current: str, to: str) -> None:
    assert not may_move(JobState(current), JobState(to))


def test_sources_are_the_inverse_of_the_table() -> None:
    assert sources_of(JobState.RECEIVED) == set()
    assert sources_of(JobState.QUEUED) == {"acknowledged", "running", "in_review", "delivering"}
