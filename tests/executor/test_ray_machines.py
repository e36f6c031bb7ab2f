"""A bot and its Ray cluster on two machines, when one of them or the cable between them fails. See test_ray.py.

The machines are namespaces on this one; see machines.py.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from .machines import Bot, Cable, Head, missing

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

PATIENCE_S = 120.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for the names of sockets in it."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_cut_off_from_its_cluster_and_from_one_that_was_started_anew_a_bot_delivers_each_job_once(folder: Path) -> None:
    with closing(Cable()) as cable, ExitStack() as stack:
        with closing(Head(folder)) as head:
            head.wait()
            # Only now, as it gives up at once where no cluster is.
            bot = stack.enter_context(closing(Bot(folder / "bot.log", "--rejoin-after-s", "4")))
            bot.wait(lambda: bot.told("there") != [], PATIENCE_S)
            # Two are drawn, and one waits.
            bot.draw(1, 2, 3)
            bot.wait(lambda: len(bot.told("drawing")) == 2, PATIENCE_S)
            cable.cut()
            time.sleep(2.0)
            assert bot.told("delivered") == []
            cable.heal()
            bot.wait(lambda: bot.told("delivered") == [1, 2, 3], PATIENCE_S)
            bot.draw(4, 5)
            bot.wait(lambda: {4, 5} <= set(bot.told("drawing")), PATIENCE_S)
            cable.cut()
        with closing(Head(folder)) as head:
            head.wait()
            bot.draw(6)
            cable.heal()
            bot.wait(lambda: len(bot.told("delivered")) == 6, PATIENCE_S)
    # Whatever it had said more of one would be here by now.
    assert bot.told("delivered") == [1, 2, 3, 4, 5, 6]
    assert bot.told("failed") == bot.told("wrong") == []
