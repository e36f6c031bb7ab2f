"""`dalle-bot sandbox`: the real client against the stand-in, which runs in a process of its own.

Called by the command line, on the client's event loop. Unless a data folder is given, the store lives in a temporary
one: the jobs of a real bot have no business in a pretended Discord. In a data folder both are kept, the store and the
pretended Discord, and what was left unfinished there is watched to its end before the first line.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.app import open_app, serving, telemetry
from bot.config import Settings, ShardingSettings, StoreSettings
from bot.engine.base import Engine
from bot.errors import ConfigError, DalleBotError, ExecutorClosedError
from bot.executor.base import EngineState
from bot.sandbox.album import make_folder
from bot.sandbox.errors import LineError
from bot.sandbox.lines import parse_line
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.transcript import Event, EventKind
from bot.startup import StartUp

LINE_TIMEOUT_S: Final = 900.0  # a large model on a slow processor draws for minutes
CONNECT_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Online:
    """A bot that is connected to a sandbox. connection: ends when the client loses it for good. settings: the bot's,
    as they are here. looking: the look at what an earlier sandbox left; ends when that is final."""

    sandbox: Sandbox
    connection: asyncio.Task[None]
    settings: Settings
    looking: asyncio.Task[None]


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
    from starting, or ExecutorClosedError if it failed later.
    """
    lines = list(lines)
    for line in lines:
        parse_line(line)
    transcript = []

    def note(event: Event) -> None:
        transcript.append(event)
        if on_event is not None:
            on_event(event)

    async with _online(settings, engine_factory, start_up, out, data_dir, note) as online:
        try:
            await online.looking
            for line in lines:
                await _play_line(online.sandbox, line, note)
        finally:
            await _write_page(online.sandbox, page)
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
    async with _online(settings, engine_factory, start_up, out, data_dir, on_event) as online:
        if on_ready is not None:
            on_ready(online)
        await online.looking
        if not await play_typed_lines(online.sandbox, on_event, page):
            await online.connection


async def play_typed_lines(sandbox: Sandbox, on_event: Callable[[Event], None], page: Path | None) -> bool:
    """Plays the lines of standard input until its end. Whether there were any."""
    was_typed = False
    async for line in _typed_lines():
        was_typed = True
        with suppress(LineError):
            await _play_line(sandbox, line, on_event)
        await _write_page(sandbox, page)
    return was_typed


@asynccontextmanager
async def _online(
    settings: Settings,
    engine_factory: Callable[[], Engine],
    start_up: StartUp | None,
    out: Path | None,
    data_dir: Path | None,
    on_event: Callable[[Event], None],
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
        look = await stack.enter_async_context(looking(sandbox, on_event))
        app = await stack.enter_async_context(open_app(settings, build, start_up))
        await stack.enter_async_context(telemetry(app, settings))
        connection = await stack.enter_async_context(serving(app, sandbox.token))
        connected = asyncio.create_task(sandbox.wait_until_connected(CONNECT_TIMEOUT_S))
        await asyncio.wait({connected, connection}, return_when=asyncio.FIRST_COMPLETED)
        if connection.done():
            connected.cancel()
            connection.result()
        await connected
        yield Online(sandbox, connection, settings, look)
        # The player saw a sentence for members of a guild; whoever started the sandbox needs the engine's own.
        if app.executor.status.state is EngineState.FAILED:
            raise failure


@asynccontextmanager
async def looking(sandbox: Sandbox, on_event: Callable[[Event], None]) -> AsyncIterator[asyncio.Task[None]]:
    """Looks at what an earlier sandbox has left, if there was one, from before the bot goes on with it."""
    look = _play_line(sandbox, "look", on_event) if sandbox.goes_on else asyncio.sleep(0)
    task = asyncio.create_task(look, name="look")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _play_line(sandbox: Sandbox, line: str, on_event: Callable[[Event], None]) -> None:
    """Raises LineError, after a note that says the same, if the line can't be played."""
    try:
        async with aclosing(sandbox.watch(line, LINE_TIMEOUT_S)) as events:
            async for event in events:
                on_event(event)
    except LineError as error:
        on_event(Event(0.0, EventKind.NOTE, str(error)))
        raise


async def _write_page(sandbox: Sandbox, page: Path | None) -> None:
    if page is None:
        return
    text = await sandbox.page()
    try:
        await asyncio.to_thread(page.write_text, text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--page: {page} can't be written ({error.strerror}).") from error


async def _typed_lines() -> AsyncGenerator[str, None]:
    """The lines of standard input, without blanks, until it is closed."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)

    def read() -> None:
        with suppress(RuntimeError, CancelledError):  # the loop has been closed, or is about to be
            for line in sys.stdin:
                asyncio.run_coroutine_threadsafe(lines.put(line.strip()), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

    # A daemon: a read of the terminal can't be interrupted, and must not keep the program from ending.
    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await lines.get()) is not None:
        if line:
            yield line
