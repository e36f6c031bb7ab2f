"""The Executor protocol: the seam between the asyncio side and wherever the engine runs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bot.engine.base import ModelInfo
from bot.executor.scheduler import Alone
from bot.requests import GenerationRequest, Update


class EngineState(StrEnum):
    """LOADING: weights load or compile, jobs are accepted and wait. FAILED: the engine can't be used."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ExecutorStatus:
    """num_queued: accepted and waiting. num_running: jobs that hold slots. info: None until READY.

    hung_because: it is FAILED as something stopped answering, or never did, and a thread of this process waits for it
    for good; a sentence for whoever runs the bot. others: what else is drawn with while a cluster changes its model.
    """

    state: EngineState
    num_queued: int
    num_running: int
    info: ModelInfo | None
    hung_because: str | None = None
    others: tuple[ModelInfo, ...] = ()

    def model(self, name: str) -> ModelInfo | None:
        """The model of this name, if anything draws with it."""
        loaded = () if self.info is None else (self.info, *self.others)
        return next((info for info in loaded if info.name == name), None)


@dataclass(frozen=True, slots=True)
class ExecutorLoad:
    """What the engine is busy with. num_slots: 0 until it is known.

    oldest_wait_s: of the jobs that wait; 0.0 if none does. busy_s: how long the engine has been at work without a sign
    of life; 0.0 while it has nothing to do or is loading.
    """

    num_slots: int
    num_occupied: int
    oldest_wait_s: float
    busy_s: float


class UpdateStream(Protocol):
    """The updates of one job, in order: Queued (one or more), Started, Progress and Preview by turns, Finished.

    Iterating raises JobCancelledError, JobFailedError or ExecutorClosedError if the job ends otherwise. Intermediate
    updates are conflated when the reader is slow, so the stream is bounded; the last one is never dropped. Progress
    falls back when the device, or its machine, was lost and the job started again: once or twice at most.
    """

    def __aiter__(self) -> AsyncIterator[Update]: ...


@dataclass(frozen=True, slots=True, eq=False)
class TextVector:
    """CLIP's vector of a text: float32 [projection_dim], of unit length. model: whose vectors of pictures it can be
    compared with."""

    model: str
    vector: npt.NDArray[np.float32]


class Executor(Protocol):
    """Takes requests on the event loop; nothing here blocks it."""

    @property
    def status(self) -> ExecutorStatus: ...

    async def submit(
        self,
        request: GenerationRequest,
        *,
        accepted_before: bool = False,
        alone: Alone | None = None,
    ) -> UpdateStream:
        """Accepts a job at once, or raises QueueFullError, UserLimitError or ExecutorClosedError.

        accepted_before: a job that was promised already, before a restart. The limits, which are for new jobs, don't
        refuse it, but it counts in them. The caller bounds how many of these there are.

        alone: for a job that may end the process, which goes before all others and is drawn by itself. Where engines
        are in other processes it only goes first, and this is not told.
        """

    def drawing_s(self, request: GenerationRequest) -> float | None:
        """Seconds from a job's start to its end, as far as can be told; None while nothing is measured."""

    async def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        """Raises what `submit` would, unless that many new jobs of one requester, in this guild, fit now. It keeps no
        place."""

    def check_user(self, num_own: int, num_jobs: int) -> None:
        """Raises UserLimitError unless somebody who has `num_own` unfinished jobs, in all processes of the bot, may
        have that many more."""

    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector:
        """What CLIP makes of a text, computed beside what is being drawn; what is longer than it reads is cut.

        Raises NotReadyError while the model loads, if too many wait for this, or after `timeout_s`; JobFailedError if
        the model can't read the text; ExecutorClosedError.
        """

    async def cancel(self, job_id: str) -> bool:
        """Ends a waiting or running job; its slots are free from the next chunk on. False if it isn't known."""

    async def drain(self) -> None:
        """Accepts no more jobs and starts none; returns once those that have started have ended. Those that wait end
        with ExecutorClosedError at once. Whoever doesn't want to wait so long cancels this."""

    async def aclose(self) -> None:
        """Ends every job with JobCancelledError and stops the engine. Safe to call twice."""
