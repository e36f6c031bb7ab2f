"""What the engine thread tells the event loop. Made by worker.py and its parts, read by local.py."""

import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bot.engine.base import ModelInfo
from bot.errors import JobFailedError
from bot.executor.forecast import EngineLoad
from bot.executor.questions import Question
from bot.executor.scheduler import Job
from bot.language import Text
from bot.requests import Update


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The engine was built; jobs start from now on."""

    info: ModelInfo


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The thread has ended; the backlog is closed, and all its jobs are lost. sentence: why, for people."""

    sentence: Text


@dataclass(frozen=True, slots=True)
class LoadChanged:
    """The engine has dispatched a chunk, or has nothing more to do."""

    load: EngineLoad


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """The device has finished a chunk. num_steps: how many tokens it let each slot draw at most. num_tokens: drawn in
    all slots together. seconds: for all of it."""

    num_steps: int
    num_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AloneChanged:
    """The engine is about to hear of a job that is drawn alone, or of others after it. The thread waits, for a bounded
    time, until whoever reads this sets `may_go_on`."""

    job: Job
    is_alone: bool
    may_go_on: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """Started, Progress, Preview or Finished."""

    job: Job
    update: Update


@dataclass(frozen=True, slots=True)
class JobFailure:
    """The job has ended without pictures; others go on."""

    job: Job
    error: JobFailedError


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """vector: of the question's text; None if it could not be read, for which the log says the reason."""

    question: Question
    vector: npt.NDArray[np.float32] | None


Event = EngineReady | EngineFailed | LoadChanged | ChunkDone | AloneChanged | JobUpdate | JobFailure | QuestionAnswered
