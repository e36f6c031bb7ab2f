"""Engines that share a machine in a bench: each draws on a core of its own, as each would have a device of its own.

Otherwise one would be faster while the other one rests, which devices of their own are not.
"""

import os
from collections.abc import Callable
from pathlib import Path

from bot.engine.base import Engine


def on_own_core(engine_factory: Callable[[], Engine], claims: Path) -> Callable[[], Engine]:
    """The factory, on the first core that nobody has claimed in the folder `claims`; with more engines than cores the
    last ones share all. Threads that the factory starts, and no others of the process, stay on that core."""

    def build() -> Engine:
        if hasattr(os, "sched_setaffinity"):
            free = next((core for core in sorted(os.sched_getaffinity(0)) if _claim(claims / f"core-{core}")), None)
            if free is not None:
                os.sched_setaffinity(0, {free})
        return engine_factory()

    return build


def _claim(file: Path) -> bool:
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
