"""Waits for what happens until nothing more is to come. Used by the player; sandbox's event loop."""

import asyncio
from collections.abc import AsyncGenerator

from bot.sandbox.finality import Judge
from bot.sandbox.happenings import Happening, HappeningKind
from bot.sandbox.messages import Message
from bot.sandbox.transcript import Event, EventKind


async def until_final(
    judge: Judge, queue: asyncio.Queue[Happening], start_s: float, timeout_s: float
) -> AsyncGenerator[Happening | Event, None]:
    """What happens until `judge` finds it final; a last event says if time is up before."""
    end_s = start_s + timeout_s
    while True:
        final_s = judge.final_at_s()
        try:
            async with asyncio.timeout_at(end_s if final_s is None else min(final_s, end_s)):
                happening = await queue.get()
        except TimeoutError:
            if final_s is None or final_s > end_s:
                yield Event(timeout_s, EventKind.TIMEOUT, f"No final answer within {timeout_s:g} s.")
            return
        yield happening


def see(judge: Judge, kind: HappeningKind, message: Message, now_s: float) -> None:
    """Shows the judge what has happened to a message."""
    if kind is HappeningKind.DELETE:
        judge.see_deleted(message, now_s)
    else:
        judge.see(message, now_s)
