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


class ReplicaCounts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._there: set[str] = set()
        # One that was not heard of for a while goes on.
        self._known: OrderedDict[str, WorkDone] = OrderedDict()

    def see(self, states: Sequence[ReplicaState]) -> None:
        """These are there, and no others. What one had done before it was first seen is not counted."""
        for state in states:
            self._count(state.work.minus(self._known.pop(state.id, state.work)))
            self._known[state.id] = state.work
        while len(self._known) > max(MAX_KNOWN, len(states)):
            self._known.popitem(last=False)
        there = {state.id for state in states}
        self._metrics.replicas_lost.inc(len(self._there - there))
        self._metrics.replicas.set(len(there))
        self._there = there

    def _count(self, done: WorkDone) -> None:
        self._metrics.engine_tokens.inc(done.num_tokens)
        # Of what was done between two looks, a second or two, the mean is known.
        for _ in range(min(done.num_chunks, MAX_CHUNKS)):
            self._metrics.engine_step.observe(done.steps_s / done.num_chunks)
