"""Watches an engine at work: when things were dispatched to the device, when it had finished them, and slots over time.

A `WatchedEngine` stands between the worker and the engine and changes nothing. It hands whatever was dispatched to a
`DeviceWatch`, whose thread blocks on each thing in turn and notes when the device had finished it. So idle time does
not depend on when the worker looks. What errors remain make the device look less busy where the host dispatches (a
thing counts from the return of the call that dispatched it), and more busy by as long as the thread takes to wake up.
"""

import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import jax
import numpy as np
import numpy.typing as npt

from bot.bench.serve_timeline import Timeline, Work
from bot.engine.base import (
    Chunk,
    Engine,
    ModelInfo,
    PendingImages,
    PendingPreview,
    PendingVector,
    Prefix,
    PromptText,
    SlotAssignment,
)
from bot.errors import JobFailedError

# Dispatched things that are not known to be finished. A worker has a chunk or two and a few collections.
_MAX_UNFINISHED: Final = 4096
_PATIENCE_S: Final = 600.0


def wait_for_arrays(work: object) -> None:
    """Blocks until the device has computed all that `work` holds."""
    for array in arrays_in(work):
        try:
            array.block_until_ready()
        except RuntimeError:
            # The device failed, or the array was given to the next program: the worker knows what to do about it.
            continue


def arrays_in(work: object) -> Iterator[jax.Array]:
    """Every array on a device that a dataclass, or a sequence, holds at any depth."""
    if isinstance(work, jax.Array):
        yield work
    elif isinstance(work, (tuple, list)):
        for item in work:
            yield from arrays_in(item)
    elif dataclasses.is_dataclass(work):
        for field in dataclasses.fields(work):
            yield from arrays_in(getattr(work, field.name))


@dataclasses.dataclass(frozen=True, slots=True)
class _Dispatched:
    """See bot.bench.serve_timeline.Work."""

    work: object
    since_s: float
    num_occupied: int
    num_images: int


class DeviceWatch:
    """`with DeviceWatch() as watch` runs the thread. wait_for: blocks until the device has finished a thing."""

    def __init__(self, wait_for: Callable[[object], None] = wait_for_arrays) -> None:
        self._wait_for = wait_for
        self._queue: queue.Queue[_Dispatched | None] = queue.Queue(_MAX_UNFINISHED)
        self._thread = threading.Thread(target=self._run, name="device watch", daemon=True)
        self._all_finished = threading.Condition()
        self._num_unfinished = 0
        self._works: list[Work] = []
        self._occupied: list[tuple[float, int]] = []

    def dispatched(self, work: object, *, num_images: int = 0) -> None:
        """Engine thread, when the call that dispatched `work` has returned. num_images: that are done with it."""
        since_s = time.perf_counter()
        num_occupied = self._occupied[-1][1] if self._occupied else 0
        with self._all_finished:
            self._num_unfinished += 1
        self._queue.put(_Dispatched(work, since_s, num_occupied, num_images), timeout=_PATIENCE_S)

    def occupied(self, num_slots: int) -> None:
        """Engine thread: so many slots are occupied from now on."""
        self._occupied.append((time.perf_counter(), num_slots))

    def take(self) -> Timeline:
        """Any thread, while no job is unfinished: what happened since the last call. Blocks until the device is done.

        Raises JobFailedError if it does not end.
        """
        with self._all_finished:
            if not self._all_finished.wait_for(lambda: self._num_unfinished == 0, _PATIENCE_S):
                raise JobFailedError(f"The device has not finished its work within {_PATIENCE_S:.0f} s.")
        timeline = Timeline(tuple(self._works), tuple(self._occupied))
        self._works, self._occupied = [], []
        return timeline

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._queue.put(None, timeout=_PATIENCE_S)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while (dispatched := self._next()) is not None:
            self._wait_for(dispatched.work)
            d = dispatched
            self._works.append(Work(d.since_s, time.perf_counter(), d.num_occupied, d.num_images))
            # A local variable would keep it, and what it holds on the device, until the next thing comes.
            del dispatched
            with self._all_finished:
                self._num_unfinished -= 1
                self._all_finished.notify_all()

    def _next(self) -> _Dispatched | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=_PATIENCE_S)


class WatchedEngine:
    """An Engine that does as `engine` does and tells `watch`. See bot.engine.base.Engine for the verbs."""

    def __init__(self, engine: Engine, watch: DeviceWatch) -> None:
        self._engine = engine
        self._watch = watch
        self._occupied: set[int] = set()

    @property
    def info(self) -> ModelInfo:
        return self._engine.info

    @property
    def num_slots(self) -> int:
        return self._engine.num_slots

    @property
    def max_preview(self) -> int:
        return self._engine.max_preview

    @property
    def num_free(self) -> int:
        """How many slots are free. Any thread."""
        return self.num_slots - len(self._occupied)

    def prefill(self, prompts: Sequence[PromptText]) -> Prefix:
        prefix = self._engine.prefill(prompts)
        self._watch.dispatched(prefix)
        return prefix

    def insert(self, prefix: Prefix, assignments: Sequence[SlotAssignment]) -> None:
        self._engine.insert(prefix, assignments)
        self._occupied.update(assignment.slot for assignment in assignments)
        self._watch.occupied(len(self._occupied))

    def step(self, num_tokens: int) -> Chunk:
        chunk = self._engine.step(num_tokens)
        self._watch.dispatched(chunk)
        return chunk

    def collect(self, slots: Sequence[int]) -> PendingImages:
        pending = self._engine.collect(slots)
        self._watch.dispatched(pending, num_images=len(slots))
        return pending

    def preview(self, slots: Sequence[int]) -> PendingPreview:
        pending = self._engine.preview(slots)
        self._watch.dispatched(pending)
        return pending

    def label_vectors(self, labels: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._engine.label_vectors(labels)

    def text_vector(self, text: str) -> PendingVector:
        return self._engine.text_vector(text)

    def free(self, slots: Sequence[int]) -> None:
        self._engine.free(slots)
        self._occupied.difference_update(slots)
        self._watch.occupied(len(self._occupied))

    def reset(self) -> None:
        self._engine.reset()
        self._occupied.clear()
        self._watch.occupied(0)
