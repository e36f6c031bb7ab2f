"""How long commands and buttons let themselves wait before they answer: a sum of limits, the same on a busy machine."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

import pytest

# discord.py's names of the tasks in which they run.
_ANSWERING: Final = ("CommandTree-invoker", "discord-ui-")


@contextmanager
def allowances() -> Iterator[list[float]]:
    """Seconds that each command and button allows itself, known at the end, in the order of their first limits: what
    the cogs' limits in its task add up to, but for those inside of others. To send the answer is not among them."""
    true, depths = asyncio.timeout, Counter[asyncio.Task[Any]]()
    sums_s: dict[asyncio.Task[Any], float] = {}

    @asynccontextmanager
    async def noted(delay_s: float) -> AsyncIterator[asyncio.Timeout]:
        task = asyncio.current_task()
        assert task is not None
        if task.get_name().startswith(_ANSWERING) and not depths[task]:
            sums_s[task] = sums_s.get(task, 0.0) + delay_s
        depths[task] += 1
        try:
            async with true(delay_s) as scope:
                yield scope
        finally:
            depths[task] -= 1

    def timeout(delay_s: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        is_of_cog = sys._getframe(1).f_globals["__name__"].startswith("bot.cogs.")
        return noted(delay_s) if is_of_cog and delay_s is not None else true(delay_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "timeout", timeout)
        found: list[float] = []
        yield found
        found += sums_s.values()
