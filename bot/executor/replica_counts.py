"""Replicas and their work, as metrics of the bot that asks them. Made by the RemoteExecutor; event loop only.

Each bot that asks them counts all of it, whoever it was done for.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from bot.executor.replicas import ReplicaState
from bot.executor.work_done import WorkDone
from bot.telemetry.metrics import Metrics

# Of chunks that one replica has done between two looks.
MAX_CHUNKS: Final = 1000
MAX_KNOWN: Final = 1000
# A replica that is too busy to answer misses a look or two.
LOST_AFTER_S: Final = 10.0


class ReplicaCounts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._there: set[str] = set()
        # Those that were there, and since when they are not.
        self._missing: dict[str, float] = {}
        # One that was not heard of for a while goes on.
        self._known: OrderedDict[str, WorkDone] = OrderedDict()

    def see(self, states: Sequence[ReplicaState] | None, asked_s: float) -> None:
        """These are there, and no others; None where nobody could say. asked_s: when, as time.monotonic. What one had
        done before it was first seen is not counted, and it is lost once it has been missing for LOST_AFTER_S."""
        self._metrics.replicas.set(len(states or ()))
        if states is None:
            return
        for state in states:
            self._count(state.work.minus(self._known.pop(state.id, state.work)))
            self._known[state.id] = state.work
        while len(self._known) > max(MAX_KNOWN, len(states)):
            self._known.popitem(last=False)
        there = {state.id for state in states}
        gone = self._there.union(self._missing) - there
        self._missing = {replica_id: self._missing.get(replica_id, asked_s) for replica_id in gone}
        for replica_id, since_s in list(self._missing.items()):
            if asked_s - since_s >= LOST_AFTER_S:
                self._metrics.replicas_lost.inc()
                del self._missing[replica_id]
        self._there = there

    def _count(self, done: WorkDone) -> None:
        self._metrics.engine_tokens.inc(done.num_tokens)
        # Of what was done between two looks, a second or two, the mean is known.
        for _ in range(min(done.num_chunks, MAX_CHUNKS)):
            self._metrics.engine_step.observe(done.steps_s / done.num_chunks)
