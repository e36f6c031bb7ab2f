"""Which replicas there are, asked again and again by the RemoteExecutor. Event loop only."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from bot.errors import EngineHungError
from bot.executor.replicas import ClusterLostError, Replicas, ReplicaState

LOOK_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Lookout:
    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._was_answered = True

    async def states(self) -> Sequence[ReplicaState] | None:
        """Those that can draw; None where nobody can say, and the first time in a row the log says why. Raises
        EngineHungError where the cluster can't be asked ever again."""
        states: Sequence[ReplicaState] | None = None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                states = await self._replicas.states()
        except (TimeoutError, ClusterLostError) as error:
            if self._was_answered:
                _log.warning("No engine can be asked. %s", str(error) or f"Not within {LOOK_TIMEOUT_S:g} s.")
        except EngineHungError:
            raise
        except Exception:
            if self._was_answered:
                _log.exception("The cluster can't be asked which replicas it has.")
        self._was_answered = states is not None
        return states
