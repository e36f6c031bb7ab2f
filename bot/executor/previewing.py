"""Unfinished pictures for those who asked for them, without ever stopping the loop. Engine thread only.

One preview is under way at most, and a job has one per interval at most, of the pictures that have waited longest for
one. It is looked at between chunks, and taken once it is ready. Where pictures are dear, as on a CPU, all jobs together
have fewer: drawing comes first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bot.engine.base import Engine, PendingPreview
from bot.engine.slots import Occupant
from bot.executor.events import Event, JobUpdate
from bot.executor.running import Run
from bot.requests import Preview, PreviewImage

MAX_SHARE: Final = 0.1
"""Of the device's time, for previews."""


@dataclass(eq=False, slots=True)
class _Shown:
    """What was dispatched for a job. last_s: when; at first, when the job started. rows: image → rows of codes, the
    ones that have waited longest first."""

    last_s: float
    rows: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Dispatched:
    """A preview under way. images: in the order of its slots."""

    pending: PendingPreview
    run: Run
    images: tuple[int, ...]


class Previews:
    """Dispatches previews and posts those that are ready. clock: seconds."""

    def __init__(self, engine: Engine, *, post: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._engine = engine
        self._post = post
        self._clock = clock
        self._row_length = engine.info.image_length // engine.info.num_rows
        self._shown: dict[Run, _Shown] = {}
        self._dispatched: _Dispatched | None = None
        self._rests_until_s = clock()

    def dispatch(self, occupants: Iterable[Occupant[Run]]) -> bool:
        """Dispatches one for the job that is longest overdue, unless one is under way, the last one was too dear or
        nobody has a new row. Returns whether it did."""
        now_s = self._clock()
        if self._dispatched is not None or now_s < self._rests_until_s:
            return False
        candidates: dict[Run, list[Occupant[Run]]] = {}
        for occupant in occupants:
            if self._overdue_s(occupant.owner, now_s) >= 0 and self._has_news(occupant):
                candidates.setdefault(occupant.owner, []).append(occupant)
        if not candidates:
            return False
        run = max(candidates, key=lambda run: self._overdue_s(run, now_s))
        shown = self._shown[run]
        waited = list(shown.rows)
        chosen = sorted(candidates[run], key=lambda o: waited.index(o.image))[: self._engine.max_preview]
        pending = self._engine.preview([o.slot for o in chosen])
        self._dispatched = _Dispatched(pending, run, tuple(o.image for o in chosen))
        shown.last_s = now_s
        for occupant in chosen:
            del shown.rows[occupant.image]
            shown.rows[occupant.image] = self._num_rows(occupant)
        return True

    def charge(self, seconds: float) -> None:
        """The last preview held up the device for so long: there is none until this is MAX_SHARE of the time."""
        self._rests_until_s = self._clock() + seconds * (1 / MAX_SHARE - 1)

    def pick_up(self) -> None:
        """Posts the preview under way if it is ready."""
        if self._dispatched is None or not self._dispatched.pending.is_ready():
            return
        pending, run, images = self._dispatched.pending, self._dispatched.run, self._dispatched.images
        self._dispatched = None
        shown = zip(images, pending.wait(), pending.done_rows, strict=True)
        pictures = sorted((PreviewImage(*each) for each in shown), key=lambda image: image.index)
        self._post(JobUpdate(run.job, Preview(tuple(pictures), self._engine.info.num_rows)))

    def forget(self, run: Run) -> None:
        """The job has ended: gives up its preview."""
        self._shown.pop(run, None)
        if self._dispatched is not None and self._dispatched.run is run:
            self._dispatched = None

    def clear(self) -> None:
        """Forgets everything: the engine's state is lost."""
        self._shown.clear()
        self._dispatched = None

    def _overdue_s(self, run: Run, now_s: float) -> float:
        """Seconds since a preview was due; negative if none is."""
        interval_s = run.job.request.preview_interval_s
        if interval_s is None:
            return -1.0
        if run not in self._shown:
            self._shown[run] = _Shown(run.started_s, dict.fromkeys(range(run.job.request.num_images), 0))
        return now_s - self._shown[run].last_s - interval_s

    def _has_news(self, occupant: Occupant[Run]) -> bool:
        return self._num_rows(occupant) > self._shown[occupant.owner].rows[occupant.image]

    def _num_rows(self, occupant: Occupant[Run]) -> int:
        return occupant.owner.dispatched[occupant.image] // self._row_length
