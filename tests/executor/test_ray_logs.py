"""What Ray logs goes where the rest goes; it needs no Ray."""

import io
import logging
from collections.abc import Iterator

import pytest

from bot.executor.ray.logs import take_over_logs


@pytest.fixture
def beside() -> Iterator[io.StringIO]:
    """What Ray's own handlers write. Its loggers are afterwards as they were."""
    written = io.StringIO()
    loggers = [logging.getLogger(name) for name in ("ray", "ray.serve")]
    before = [(each.handlers[:], each.propagate, each.level) for each in loggers]
    for logger in loggers:
        logger.handlers[:] = [logging.StreamHandler(written)]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    yield written
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_warnings_are_in_the_log_and_nothing_is_beside_it(
    beside: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    take_over_logs()
    logging.getLogger("ray.serve").warning("A replica is slow.")
    logging.getLogger("ray._private.worker").warning("A worker is slow.")
    logging.getLogger("ray.serve").info("Started.")
    assert [record.getMessage() for record in caplog.records] == ["A replica is slow.", "A worker is slow."]
    assert beside.getvalue() == ""
