"""How much one gateway shard takes, for `bench scale`: interactions that come in over one connection, with no bot
behind it. Called by scale.py, on the event loop of the bench; the stand-in for Discord is a process of its own.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from bot.bench.line_process import LineProcess
from bot.errors import JobFailedError
from bot.sandbox.listener import listening

_TIMEOUT_S: Final = 120.0


async def shard_s_per_interaction(log: Path, num_interactions: int) -> float:
    """Seconds of processor time until one is read, understood and handed on. log: of the stand-in. Raises
    JobFailedError."""
    async with LineProcess.start("The stand-in for Discord", "bot.bench.chat_stand_in", log) as stand_in:
        opened = await stand_in.ask({"do": "open"}, _TIMEOUT_S)
        async with listening(opened["address"], opened["token"], num_interactions) as listener:
            await stand_in.ask({"do": "connected", "timeout_s": _TIMEOUT_S}, 2 * _TIMEOUT_S)
            began_s = time.thread_time()
            await stand_in.ask({"do": "flood", "interactions": num_interactions}, _TIMEOUT_S)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await listener.heard_all.wait()
            except TimeoutError:
                raise JobFailedError(f"Not all interactions came in within {_TIMEOUT_S:g} s.") from None
            return (time.thread_time() - began_s) / num_interactions
