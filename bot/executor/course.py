"""A job of the RemoteExecutor since it has first been handed out to a replica. Event loop only."""

import asyncio
from dataclasses import dataclass

from bot.executor.fleet import ANYTHING, Wanted
from bot.executor.scheduler import Job


class OtherModelError(Exception):
    """Another replica has the job than was asked for, and a third one would suit better. Internal: the RemoteExecutor
    catches it."""


@dataclass(eq=False, slots=True)
class Course:
    """wanted: what is to draw it. replica_id: where it is. losses: replicas that it has lost. task: what follows its
    present one; None between two. heard_s: when that last said something, as time.monotonic. was_told: of its start."""

    job: Job
    wanted: Wanted = ANYTHING
    replica_id: str = ""
    losses: int = 0
    task: asyncio.Task[None] | None = None
    heard_s: float = 0.0
    was_told: bool = False
