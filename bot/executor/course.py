"""A job of the RemoteExecutor since it has first been handed out to a replica. Event loop only."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from bot.executor.fleet import ANYTHING, Wanted
from bot.executor.scheduler import Job

# A job that so many replicas have not survived may be what costs them their lives.
MAX_DEATHS: Final = 3
# Cut off from replicas that live on, a job begins again and again; not for ever.
MAX_LOSSES: Final = 10


class OtherModelError(Exception):
    """Another replica has the job than was asked for, and a third one would suit better. Internal: the RemoteExecutor
    catches it."""


@dataclass(eq=False, slots=True)
class Course:
    """wanted: what is to draw it. replica_id: where it is. losses: how often it has lost its replica. missing: when it
    lost those of them that were not seen again. dead: those of them that a later look did not find. task: what follows
    its present one; None between two. heard_s: when that last said something. was_told: of its start. Times are as
    time.monotonic."""

    job: Job
    wanted: Wanted = ANYTHING
    replica_id: str = ""
    losses: int = 0
    missing: dict[str, float] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    heard_s: float = 0.0
    was_told: bool = False

    @property
    def is_in_vain(self) -> bool:
        """It has lost its replica once too often."""
        return len(self.dead) >= MAX_DEATHS or self.losses >= MAX_LOSSES

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is in vain, the next look tells: until then no other replica may get it."""
        return len(self.missing) >= MAX_DEATHS and not self.is_in_vain

    def lose(self, now_s: float) -> None:
        """Its replica is gone, or out of reach."""
        self.losses += 1
        self.missing[self.replica_id] = now_s
        self.dead.discard(self.replica_id)

    def see(self, replica_ids: Collection[str], asked_s: float) -> None:
        """These lived when they were asked, at least one: if they were lost before, it was the way to them that was.
        The others that were lost before have died."""
        for replica_id in [replica_id for replica_id, lost_s in self.missing.items() if lost_s < asked_s]:
            if replica_id in replica_ids:
                del self.missing[replica_id]
                self.dead.discard(replica_id)
            else:
                self.dead.add(replica_id)
