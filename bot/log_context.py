"""What the present task is about, which every line that it logs then says: the ids of its interaction, guild and job.

Bound where an interaction comes in and where a delivery begins; a task that is started inside inherits it, a thread
does not. Read by the formatters of bot/log.py, on whatever thread logs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_NOTHING: Final[Mapping[str, int | str]] = {}
_ids: Final[ContextVar[Mapping[str, int | str]]] = ContextVar("ids for the log", default=_NOTHING)


def bind(**ids: int | str | None) -> None:
    """Adds ids, such as `job_id`, for the rest of the present task. None counts as not given."""
    _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value is not None}})


@contextmanager
def bound(**ids: int | str | None) -> Iterator[None]:
    """`bind` for the block, and for the tasks that are started in it."""
    token = _ids.set(_ids.get())
    try:
        bind(**ids)
        yield
    finally:
        _ids.reset(token)


def bound_ids() -> Mapping[str, int | str]:
    """What is bound now, in the order in which it was."""
    return _ids.get()
