"""The process itself, as metrics: how late its event loop is, and its log by level. Used by bot/observing.py."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bot.telemetry.metrics import LOG_LEVELS, Metrics

BEAT_S: Final = 0.25


async def watch_loop(metrics: Metrics) -> None:
    """Until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        metrics.event_loop_lag.observe(max(0.0, loop.time() - due_s))


class _Counting(logging.Handler):
    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.WARNING)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        if level in LOG_LEVELS:
            self._metrics.log_records.labels(level).inc()


@contextmanager
def counting_log(metrics: Metrics) -> Iterator[None]:
    """Inside, every warning and worse that is logged in this process is counted."""
    handler = _Counting(metrics)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
