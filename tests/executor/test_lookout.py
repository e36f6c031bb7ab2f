"""A cluster that does not say which replicas it has is not one that has none. Pure."""

import logging
from collections.abc import Sequence

import pytest

from bot.errors import EngineHungError
from bot.executor.lookout import Lookout
from bot.executor.replicas import ClusterLostError, ReplicaState

from .near import NearReplicas


class Saying(NearReplicas):
    """says: one after the other, what a look gets or raises."""

    def __init__(self, *says: Sequence[ReplicaState] | Exception) -> None:
        super().__init__()
        self._says = iter(says)

    async def states(self) -> list[ReplicaState]:
        said = next(self._says)
        if isinstance(said, Exception):
            raise said
        return list(said)


async def test_none_is_told_from_unknown_and_the_log_says_why_once_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    lost = ClusterLostError("No engine answers.")
    lookout = Lookout(Saying([], lost, RuntimeError("no idea"), [], lost))
    assert [await lookout.states() for _ in range(5)] == [[], None, None, [], None]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["No engine can be asked. No engine answers."] * 2


async def test_a_process_that_has_to_end_is_told() -> None:
    with pytest.raises(EngineHungError):
        await Lookout(Saying(EngineHungError("Ray does not come back."))).states()
