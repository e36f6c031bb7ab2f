"""A stand-in for Discord with a crowd whose guilds lie in several shards, in a thread of its own."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Collection, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from bot.bench.chat_crowd import Crowd
from bot.bench.chat_plan import NUM_GUILDS, Order
from bot.bench.chat_record import ChatRecord
from bot.sandbox import LineError, Patience
from bot.sandbox.happenings import Happening
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.lines import Click, Slash
from bot.sandbox.server import SandboxServer
from bot.shards import Shards
from tests.conftest import TIMEOUT_S

_T = TypeVar("_T")


class Town:
    """What a test asks of it, from its own event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: SandboxServer) -> None:
        self._loop = loop
        self._crowd = Crowd(server)
        self._orders = _orders()
        self.server = server

    def begin(self) -> None:
        """Forgets what was sent before."""
        self._crowd.begin()

    async def keep_busy(self, num_jobs: int) -> None:
        """Sends commands until so many jobs in all have been acknowledged."""
        await self._there(self._crowd.keep_busy(self._orders, num_jobs, max_open=10, limit_s=2 * TIMEOUT_S))

    async def cancel_from(self, shards: Shards, user_id: int) -> None:
        """Somebody with one job looks into /queue, in a server of these shards, and presses its button, if it has
        one."""
        await self._there(self._cancel_from(shards, user_id))

    async def _cancel_from(self, shards: Shards, user_id: int) -> None:
        server = self.server
        member = server.world.members[str(user_id)]
        channel = next(c for c in server.world.channels.values() if c.guild_id and shards.serves(int(c.guild_id)))
        ids = set[str]()
        with server.board.subscription() as happenings, contextlib.suppress(LineError):
            for action in (Slash("queue"), Click("Cancel 1")):
                interaction = server.actions.begin(action, member, channel, None)
                ids.add(interaction.id)
                server.desk.deliver(interaction)
                async with asyncio.timeout(TIMEOUT_S):
                    while not _answers(await happenings.get(), ids):
                        pass

    async def drain(self) -> ChatRecord:
        """What was seen of every command, once all have ended."""
        return await self._there(self._crowd.drain(TIMEOUT_S, 0.5))

    async def _there(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _answers(happening: Happening, ids: Collection[str]) -> bool:
    origin = None if happening.message is None else happening.message.origin
    return origin is not None and origin.interaction_id in ids


def _orders() -> Iterator[Order]:
    for number in itertools.count():
        options = {"images": "2", "seed": str(1000 + number)}
        yield Order(0.0, number, number % NUM_GUILDS, 0, f"a red circle {number}", options)


@contextmanager
def town() -> Iterator[Town]:
    """One that runs."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    ready: Future[Town] = Future()

    def on_ready(_: Handshake, server: SandboxServer) -> None:
        ready.set_result(Town(loop, server))

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(0, None, Patience(), stop, on_ready))

    thread = threading.Thread(target=run, name="town", daemon=True)
    thread.start()
    try:
        yield ready.result(TIMEOUT_S)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_S)
