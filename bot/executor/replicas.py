"""The seam to engines in other processes: what a bot may ask of them, and what they say.

remote.py asks, replica.py answers, and ray/ carries it between them.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.engine.base import ModelInfo
from bot.errors import DalleBotError
from bot.executor.base import TextVector
from bot.executor.forecast import EngineLoad
from bot.executor.work_done import NOTHING_DONE, WorkDone
from bot.language import Text
from bot.requests import GenerationRequest, Update


class ReplicaLostError(DalleBotError):
    """A replica is gone, or does not answer, before it has said how a job ended: another one may draw it.

    Internal: the RemoteExecutor catches it.
    """


class ClusterLostError(DalleBotError):
    """The cluster does not answer; it may again. Internal: the RemoteExecutor catches it."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica that can draw. id: its own for as long as it lives. version: of this project where it runs.

    load: what its engine is busy with, `age_s` seconds ago. demand: images of unfinished jobs, by who asked for them.
    work: what its engine has done since it is there.
    """

    id: str
    version: str
    model: ModelInfo
    load: EngineLoad
    age_s: float
    demand: Mapping[str, int]
    work: WorkDone = NOTHING_DONE


@dataclass(frozen=True, slots=True)
class Accepted:
    """The first sign: this replica has the job, which may be another one than was asked for. model: what it draws
    with."""

    replica_id: str
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing new; the replica is there."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The last sign of a job that ended without pictures, through no fault of the replica. sentence: for its user."""

    sentence: Text


Sign = Accepted | Alive | Refused | Update


class Replicas(Protocol):
    """All replicas of one model. Everything is called on the event loop, and nothing blocks it."""

    async def states(self) -> Sequence[ReplicaState]:
        """Those that can draw now. Raises ClusterLostError, and EngineHungError where only the end of the process
        helps."""

    def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        """Draws one job, on this replica if it is still there: Accepted, then its updates, the last one Finished or
        Refused, and Alive where nothing else is said for some seconds. Raises ReplicaLostError.

        client: who asks, see ReplicaState.demand. Closing the generator ends the job; its slots come free.
        """

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        """What CLIP makes of a text; Refused if the model can't read it. Raises ReplicaLostError, and NotReadyError if
        it takes longer than `timeout_s`."""

    async def aclose(self) -> None:
        """Lets go of the cluster, which goes on."""
