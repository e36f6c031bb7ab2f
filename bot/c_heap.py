"""What the C library does with freed memory, where it is glibc; elsewhere nothing happens. Called at the start, on the
main thread, while there are hardly any others."""

import ctypes
import os
import sys
from typing import Final

# Parameters of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8
_MAX_ARENAS: Final = 2
_CHOSEN_BY_USER: Final = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")


def share_freed_memory() -> None:
    """Has threads take what others have freed. By default most have a heap of their own, up to eight for each
    processor, and what a picture left free in one is of no use to the next thread: a busy bot grew for minutes."""
    if not any(name in os.environ for name in _CHOSEN_BY_USER):
        _mallopt(_M_ARENA_MAX, _MAX_ARENAS)


def keep_freed_memory() -> None:
    """Has what a step of the training frees kept for the next one: to get hundreds of megabytes from the kernel anew
    costs up to half of a step of the VQGAN."""
    _mallopt(_M_MMAP_MAX, 0)
    _mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _mallopt(parameter: int, value: int) -> None:
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(parameter, value)
