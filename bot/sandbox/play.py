"""`dalle-bot sandbox`: the real client against the stand-in, which runs in a process of its own.

Called by the command line, on the client's event loop. Unless a data folder is given, the store lives in a temporary
one: the jobs of a real bot have no business in a pretended Discord. In a data folder both are kept, the store and the
pretended Discord, and what was left unfinished there is watched to its end before the first line.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bot.app import open_app, serving, telemetry
from bot.config import Settings, ShardingSettings, StoreSettings
from bot.engine.base import Engine
from bot.errors import DalleBotError, ExecutorClosedError, StartCancelledError
from bot.executor.base import EngineState, Executor
from bot.sandbox.album import make_folder
from bot.sandbox.errors import StoppedError
from bot.sandbox.lines import parse_line
from bot.sandbox.performance import Performance
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.transcript import Event
from bot.startup import StartUp
from bot.stopping import Stop, drain, first_of, stop_signals

CONNECT_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Online:
    """A bot that is connected to a sandbox. connection: ends when the client loses it for good. settings: the bot's,
    as they are here."""

    sandbox: Sandbox
    performance: Performance
    executor: Executor
    connection: asyncio.Task[None]
    settings: Settings


async def play(
    lines: Iterable[str],
    *,
    settings: Settings,
    engine_factory: Callable[[], Engine],
    start_up: StartUp | None = None,
    out: Path | None = None,
    page: Path | None = None,
    data_dir: Path | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> list[Event]:
    """Plays `lines` one after the other and returns the transcript. on_event: sees each event when it happens.

    A line without a meaning is found before anything starts. One that turns out to be impossible, with an unknown
    option or button, ends the play after a note. out: folder for the attachments; None saves none. page: file for the
    conversation as HTML. data_dir: keeps the store and the sandbox there, and goes on with what it holds; None forgets
    them.

    Raises ConfigError if `out`, `page` or `data_dir` can't be used, LineError for a line that can't be played,
    SandboxError if the sandbox doesn't start or the client doesn't connect; after the last line what kept the engine
    from starting, or ExecutorClosedError if it failed later. After SIGINT or SIGTERM no further line is played; the bot
    stops as `dalle-bot run` does, which is seen too, and StoppedError is raised.
    """
    lines = list(lines)
    for line in lines:
        parse_line(line)
    transcript = []

    def note(event: Event) -> None:
        transcript.append(event)
        if on_event is not None:
            on_event(event)

    async def in_turn(online: Online) -> None:
        await online.performance.look()
        for line in lines:
            await online.performance.play(line)

    await _perform(in_turn, partial(_online, settings, engine_factory, start_up, out, page, data_dir, note))
    return transcript


async def stay_up(
    *,
    settings: Settings,
    engine_factory: Callable[[], Engine],
    on_event: Callable[[Event], None],
    start_up: StartUp | None = None,
    out: Path | None = None,
    page: Path | None = None,
    data_dir: Path | None = None,
    on_ready: Callable[[Online], None] | None = None,
) -> None:
    """Plays the lines of standard input and returns at its end; a line that can't be played is noted.

    An input that ends without a single line, as /dev/null does, is nobody's: the sandbox then stays up until it is
    cancelled or the client loses its connection. on_ready: told when the client is connected. The other arguments are
    those of `play`, and so are the errors but LineError.
    """

    async def as_typed(online: Online) -> None:
        if on_ready is not None:
            on_ready(online)
        await online.performance.look()
        if not await online.performance.play_typed():
            await asyncio.shield(online.connection)  # stopping needs it still

    await _perform(as_typed, partial(_online, settings, engine_factory, start_up, out, page, data_dir, on_event))


async def _perform(
    script: Callable[[Online], Coroutine[Any, Any, None]],
    bring_online: Callable[[Stop], AbstractAsyncContextManager[Online]],
) -> None:
    """Brings the bot online for `script`, which SIGINT or SIGTERM ends; then it stops as `dalle-bot run` does."""
    with stop_signals() as stop, suppress(StartCancelledError):
        async with bring_online(stop) as online:
            if not stop.asked.is_set():
                await _follow(script(online), stop)
            if stop.asked.is_set():
                drain_s = online.settings.queue.drain_s
                online.performance.watch_on()
                online.performance.note(
                    f"stopping: what is being drawn has {drain_s:g} s to end; a second signal ends it at once"
                )
                await drain(online.executor, drain_s, stop, online.connection)
    if stop.number is not None:
        raise StoppedError(stop.number)


async def _follow(script: Coroutine[Any, Any, None], stop: Stop) -> None:
    """To its end or to the first signal."""
    following = asyncio.create_task(script, name="script")
    try:
        await first_of(stop.asked, following)
        if following.done():
            following.result()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def _online(
    settings: Settings,
    engine_factory: Callable[[], Engine],
    start_up: StartUp | None,
    out: Path | None,
    page: Path | None,
    data_dir: Path | None,
    on_event: Callable[[Event], None],
    stop: Stop,
) -> AsyncIterator[Online]:
    if out is not None:
        await asyncio.to_thread(make_folder, out)
    failure: DalleBotError = ExecutorClosedError("The image engine failed; the log above holds the reason.")

    def build() -> Engine:
        nonlocal failure
        try:
            return engine_factory()
        except DalleBotError as error:
            failure = error
            raise

    async with AsyncExitStack() as stack:
        kept_in = data_dir
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalle-bot-sandbox-")))
        pretended = settings.discord.model_copy(update={"token": None, "dev_guild_id": None, "allowed_guilds": None})
        here = {
            "data_dir": data_dir.absolute(),
            "store": StoreSettings(),
            "sharding": ShardingSettings(),
            "discord": pretended,
        }
        sandbox = await stack.enter_async_context(Sandbox.start(process=True, out=out, data=kept_in))
        stack.enter_context(sandbox.patch_discord())
        settings = settings.model_copy(update=here)
        performance = await stack.enter_async_context(Performance.begin(sandbox, on_event, page))
        app = await stack.enter_async_context(open_app(settings, build, start_up, stop=stop))
        await stack.enter_async_context(telemetry(app, settings))
        connection = await stack.enter_async_context(serving(app, sandbox.token))
        connected = asyncio.create_task(sandbox.wait_until_connected(CONNECT_TIMEOUT_S))
        stack.callback(connected.cancel)
        await first_of(stop.asked, connected, connection)
        if connection.done():
            connection.result()
        if connected.done():
            connected.result()
        yield Online(sandbox, performance, app.executor, connection, settings)
        # The player saw a sentence for members of a guild; whoever started the sandbox needs the engine's own.
        if app.executor.status.state is EngineState.FAILED:
            raise failure
