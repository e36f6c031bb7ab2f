"""Processes that a bench starts and talks to in lines of JSON: one order to their standard input, one answer back.

`LineProcess` is the bench's side, `serve_orders` the other one, each on its own event loop. A process ends when its
input is closed, so that it doesn't outlive the bench, however that ended.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bot.config import ENV_PREFIX, TOKEN_VARIABLE
from bot.errors import DalleBotError, JobFailedError

STOP_TIMEOUT_S: Final = 40.0
_MAX_LINE_BYTES: Final = 2**20

Order = dict[str, Any]
Answer = dict[str, Any]


class LineProcess:
    """A running process. Made by `start`."""

    def __init__(self, name: str, child: asyncio.subprocess.Process, log: Path) -> None:
        self._name = name
        self._child = child
        self._log = log

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, name: str, module: str, log: Path) -> AsyncIterator["LineProcess"]:
        """Runs `python -m module` inside the block, without this program's settings in its environment; what it
        writes to standard error goes to the file `log`. name: for errors."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.upper().startswith(ENV_PREFIX) and key != TOKEN_VARIABLE
        }
        with await asyncio.to_thread(log.open, "wb") as errors:
            # A session of its own: Ctrl+C in a terminal is for the bench, which then closes the input.
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                limit=_MAX_LINE_BYTES,
                start_new_session=True,
            )
        process = cls(name, child, log)
        try:
            yield process
        finally:
            await process.aclose()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    async def ask(self, order: Order, timeout_s: float) -> Answer:
        """Sends an order and returns the answer. Raises JobFailedError if the process says what went wrong, ends, or
        takes longer."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                self._child.stdin.write(json.dumps(order).encode() + b"\n")
                await self._child.stdin.drain()
                line = await self._child.stdout.readline()
        except TimeoutError:
            raise JobFailedError(f"{self._name} did not answer within {timeout_s:g} s.") from None
        except ConnectionError:
            line = b""
        if not line:
            raise JobFailedError(f"{self._name} ended unexpectedly. {await asyncio.to_thread(self._last_words)}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise JobFailedError(answer["error"])
        return answer

    async def aclose(self) -> None:
        """Closes the input and waits for the end, for STOP_TIMEOUT_S at most. Safe to call twice."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        if self._child.returncode is not None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()

    async def kill(self) -> None:
        """Ends it at once, wherever it is."""
        self._child.kill()
        await self._child.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"Its last words: {lines[-1]}" if lines else "It wrote nothing."


async def serve_orders(handle: Callable[[Order], Awaitable[Answer]]) -> None:
    """Answers the orders on standard input one after the other, until it is closed: then what `handle` is at is
    cancelled. A DalleBotError is the answer of an order that fails; whatever else `handle` raises ends the process."""
    orders: asyncio.Queue[Order] = asyncio.Queue(maxsize=1)
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            for line in sys.stdin.buffer:
                asyncio.run_coroutine_threadsafe(orders.put(json.loads(line)), loop).result()
            loop.call_soon_threadsafe(closed.set)

    # A daemon: nothing else ends a thread that reads.
    threading.Thread(target=read, name="orders", daemon=True).start()
    answering = asyncio.create_task(_answer_all(orders, handle), name="answer orders")
    ending = asyncio.create_task(closed.wait(), name="wait for the end of the orders")
    try:
        await asyncio.wait({answering, ending}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        answering.cancel()
        ending.cancel()
        await asyncio.gather(answering, ending, return_exceptions=True)


async def _answer_all(orders: asyncio.Queue[Order], handle: Callable[[Order], Awaitable[Answer]]) -> None:
    while True:
        try:
            answer = await handle(await orders.get())
        except DalleBotError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
