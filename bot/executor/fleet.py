"""Which replicas there are, and which of them has room for what. Pure.

A replica's slots are held by jobs of this bot, of which it knows best itself, and by those of others, of which the
replica tells now and then.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.engine.base import ModelInfo
from bot.executor.forecast import EngineLoad
from bot.executor.pace import Pace
from bot.executor.replicas import ReplicaState
from bot.executor.scheduler import Job
from bot.requests import Progress

# An engine dispatches a chunk before it has read the one before, and a completed image frees its slot with that.
_CHUNKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job is to be drawn with, if it can be. name: of a model. like: a model with which the same seeds draw the
    same pictures: of this name, these weights, on such a device."""

    name: str | None = None
    like: ModelInfo | None = None

    def fit(self, model: ModelInfo) -> int:
        """How well a model suits; 0 for not at all."""
        if model == self.like:
            return 2
        return int(model.name == (self.name or (self.like and self.like.name)))


ANYTHING: Final = Wanted()


@dataclass(slots=True)
class _Stay:
    """A job of ours at a replica. slots: how many it holds."""

    replica_id: str
    slots: int


class Fleet:
    """client: what replicas call this bot."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._states: dict[str, ReplicaState] = {}
        self._stays: dict[Job, _Stay] = {}

    @property
    def states(self) -> Mapping[str, ReplicaState]:
        """By id, as they were seen last."""
        return self._states

    def see(self, states: Sequence[ReplicaState]) -> None:
        """These are there, and no others."""
        self._states = {state.id: state for state in states}

    def forget(self, replica_id: str) -> None:
        """It was lost. If it is seen again, it is there."""
        self._states.pop(replica_id, None)

    def num_free(self, replica_id: str) -> int:
        """Slots that a replica has for this bot; 0 if it isn't there, and below for one that has too much to do."""
        state = self._states.get(replica_id)
        if state is None:
            return 0
        own = sum(stay.slots for stay in self._stays.values() if stay.replica_id == replica_id)
        others = sum(images for client, images in state.demand.items() if client != self._client)
        return state.load.num_slots - own - others

    @property
    def num_slots(self) -> int:
        """Of all replicas."""
        return sum(state.load.num_slots for state in self._states.values())

    @property
    def num_held(self) -> int:
        """Slots that jobs of this bot's process hold."""
        return sum(stay.slots for stay in self._stays.values())

    @property
    def has_room(self) -> bool:
        """Whether any replica has a free slot."""
        return any(self.num_free(replica_id) > 0 for replica_id in self._states)

    def choose(self, wanted: Wanted = ANYTHING) -> str | None:
        """The replica with the most free slots of those that suit best. None if there is no replica."""

        def value(replica_id: str) -> tuple[int, int]:
            return wanted.fit(self._states[replica_id].model), self.num_free(replica_id)

        return max(self._states, key=value, default=None)

    def has_better(self, wanted: Wanted, model: ModelInfo) -> bool:
        """Whether a replica suits better than one with this model."""
        return any(wanted.fit(state.model) > wanted.fit(model) for state in self._states.values())

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """What is drawn with, each once; first what has most slots."""
        slots: Counter[ModelInfo] = Counter()
        for state in self._states.values():
            slots[state.model] += state.load.num_slots
        return tuple(sorted(slots, key=lambda model: (-slots[model], model.name, model.version)))

    def enter(self, job: Job, replica_id: str) -> None:
        """The job is at this replica from now on, wherever it was."""
        state = self._states.get(replica_id)
        num_images = job.request.num_images
        self._stays[job] = _Stay(replica_id, num_images if state is None else min(num_images, state.load.num_slots))

    def progress(self, job: Job, progress: Progress) -> bool:
        """How far a job is. True if it gives back its slots with that."""
        stay = self._stays.get(job)
        state = None if stay is None else self._states.get(stay.replica_id)
        if stay is None or state is None or not stay.slots:
            return False
        remaining = progress.total_tokens - progress.done_tokens
        if remaining > _CHUNKS_AHEAD * state.load.chunk_tokens * stay.slots:
            return False
        stay.slots = 0
        return True

    def leave(self, job: Job) -> None:
        """The job has ended, or is nowhere."""
        self._stays.pop(job, None)

    def load(self, now_s: float) -> EngineLoad | None:
        """All engines as if they were one; None while there is none. now_s: when they were seen, on this bot's clock.

        The slowest one's pace counts, with as many slots as all have.
        """
        states = list(self._states.values())
        if not states:
            return None
        oldest = max(states, key=lambda state: state.age_s)
        paces = [state.load.pace for state in states if state.load.pace is not None]
        slowest = max(paces, key=lambda pace: pace.measured[-1][1], default=None)
        return replace(
            oldest.load,
            at_s=now_s - oldest.age_s,
            num_slots=sum(state.load.num_slots for state in states),
            remaining=tuple(tokens for state in states for tokens in state.load.remaining),
            pace=slowest and Pace(tuple((slots * len(states), s) for slots, s in slowest.measured)),
        )
