"""Plays lines in a sandbox and tells what is seen, to the end: also what is posted once no more lines are wanted.
Called by play.py and hall.py, on the caller's event loop."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

from bot.errors import ConfigError
from bot.sandbox.errors import LineError
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.transcript import Event, EventKind

LINE_TIMEOUT_S: Final = 900.0  # a large model on a slow processor draws for minutes
_MOMENT_S: Final = 0.5  # in which the last word of a bot that has gone is told


class Performance:
    """Made by `begin`. A line goes on even if who plays it is cancelled: it ends with the performance."""

    def __init__(self, sandbox: Sandbox, on_event: Callable[[Event], None], page: Path | None) -> None:
        self._sandbox = sandbox
        self._on_event = on_event
        self._page = page
        self._line: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def begin(cls, sandbox: Sandbox, on_event: Callable[[Event], None], page: Path | None) -> AsyncIterator[Self]:
        """Looks at what an earlier sandbox has left, if there was one, from before the bot goes on with it.

        page: file for the conversation as HTML, written at the end too. Raises ConfigError if it can't be.
        """
        performance = cls(sandbox, on_event, page)
        if sandbox.goes_on:
            performance._begin_line("look")
        try:
            yield performance
            if performance._watching is not None:
                await asyncio.sleep(_MOMENT_S)
        finally:
            tasks = [task for task in (performance._line, performance._watching) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await performance._write_page()

    async def look(self) -> None:
        """Returns once what an earlier sandbox left is final."""
        if self._line is not None:
            await asyncio.shield(self._line)

    async def play(self, line: str) -> None:
        """Raises LineError, after a note that says the same, if the line can't be played."""
        await asyncio.shield(self._begin_line(line))

    async def play_typed(self) -> bool:
        """Plays the lines of standard input until its end. Whether there were any. One that can't be played is noted,
        and the page is written after each."""
        was_typed = False
        async for line in _typed_lines():
            was_typed = True
            with suppress(LineError):
                await self.play(line)
            await self._write_page()
        return was_typed

    def watch_on(self) -> None:
        """From now on nobody plays; how the line in play goes on is told to the end, and then all that comes."""
        self._watching = asyncio.create_task(self._watch_on(), name="watch on")

    def note(self, text: str) -> None:
        """Tells a remark of the sandbox's own."""
        self._on_event(Event(0.0, EventKind.NOTE, text))

    def _begin_line(self, line: str) -> "asyncio.Task[None]":
        self._line = asyncio.create_task(self._play(line), name="line")
        return self._line

    async def _play(self, line: str) -> None:
        try:
            async with aclosing(self._sandbox.watch(line, LINE_TIMEOUT_S)) as events:
                async for event in events:
                    self._on_event(event)
        except LineError as error:
            self.note(str(error))
            raise

    async def _watch_on(self) -> None:
        if self._line is not None:
            await asyncio.wait({self._line})
        while True:
            async with aclosing(self._sandbox.watch(f"wait {LINE_TIMEOUT_S:g}", LINE_TIMEOUT_S)) as events:
                async for event in events:
                    if event.kind is not EventKind.SAY:
                        self._on_event(event)

    async def _write_page(self) -> None:
        if self._page is None:
            return
        text = await self._sandbox.page()
        try:
            await asyncio.to_thread(self._page.write_text, text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--page: {self._page} can't be written ({error.strerror}).") from error


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
