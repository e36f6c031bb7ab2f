"""The process of the bot in `bench chat`: `python -m bot.bench.chat_bot`. The real bot, as `dalle-bot run` opens it.

The only difference is the address of Discord. A LoopWatch beats on the bot's own event loop; nothing else of the bench
runs in this process. Orders (see line_process.py), in this sequence:

- {"do": "open", "settings", "data_dir", "address", "token", "engine", "timeout_s"} → {}: once the engine is ready.
  settings: as `dump_settings` gives them; the store goes to `data_dir`, weights and compiled code stay where the
  settings say. engine: "module:function" of an OpenEngine; "engine_arguments": more of its arguments, by name, if any.
- {"do": "watch"} → {}: forgets what the loop did before
- {"do": "report", "path"} → {}: the BotReport is in the file `path`
"""

import asyncio
import gc
import json
import logging
import pkgutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from bot.app import App, open_app, serving
from bot.bench.chat_bot_report import BotReport, Load
from bot.bench.line_process import Answer, Order, serve_orders
from bot.bench.loop_watch import LoopWatch
from bot.commands.options import engine_factory
from bot.config import DiscordSettings, Settings, ShardingSettings, StoreSettings
from bot.engine.base import Engine
from bot.errors import DalleBotError, ExecutorClosedError
from bot.executor.base import EngineState
from bot.log import configure_logging
from bot.sandbox.pointing import discord_at
from bot.startup import StartUp

SAMPLE_S: Final = 0.1
MAX_LOADS: Final = 100_000

OpenEngine = Callable[[Settings, StartUp], Engine]


def open_as_product(settings: Settings, start_up: StartUp) -> Engine:
    """The OpenEngine of the real engine."""
    return engine_factory(settings, start_up)()


def dump_settings(settings: Settings) -> dict[str, Any]:
    """As JSON, without token, shards and database, which are none of the bench's business."""
    store = StoreSettings(max_picture_bytes=settings.store.max_picture_bytes)
    others = {"discord": DiscordSettings(), "sharding": ShardingSettings(), "store": store}
    dumped = settings.model_copy(update=others)
    return dumped.model_dump(mode="json", by_alias=True)


class _LogCount(logging.Handler):
    """How many records of which level."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.levels: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.levels[record.levelname] += 1


class _Bot:
    """The bot, once it is open. Everything it opens is closed by `stack`."""

    def __init__(self, stack: AsyncExitStack, watch: LoopWatch) -> None:
        self._stack = stack
        self._watch = watch
        self._log = _LogCount()
        self._loads: list[Load] = []
        self._warm_up_longest_s = 0.0
        self._app: App | None = None

    async def handle(self, order: Order) -> Answer:
        match order["do"]:
            case "open":
                async with asyncio.timeout(order["timeout_s"]):
                    await self._open(order)
            case "watch":
                longest = self._watch.longest()
                self._warm_up_longest_s = 0.0 if longest is None else longest.seconds
                self._loads.clear()
                self._log.levels.clear()
                self._watch.restart()
            case "report":
                text = json.dumps(self._report().to_json())
                await asyncio.to_thread(Path(order["path"]).write_text, text, encoding="utf-8")
            case unknown:
                raise ValueError(f"{unknown!r} is no order")
        return {}

    async def _open(self, order: Order) -> None:
        settings = Settings(**order["settings"])
        configure_logging(settings.log.level, settings.log.as_json, secrets=[order["token"]])
        logging.getLogger().addHandler(self._log)
        open_engine: OpenEngine = partial(pkgutil.resolve_name(order["engine"]), **order.get("engine_arguments", {}))
        start_up = StartUp()
        failures: list[Exception] = []

        def build() -> Engine:
            try:
                return open_engine(settings, start_up)
            except Exception as error:
                failures.append(error)
                raise

        here = settings.model_copy(update={"data_dir": Path(order["data_dir"])})
        self._stack.enter_context(discord_at(order["address"]))
        app = await self._stack.enter_async_context(open_app(here, build, start_up))
        connection = await self._stack.enter_async_context(serving(app, order["token"]))
        # No executor announces it.
        while app.executor.status.state is EngineState.LOADING and not connection.done():  # noqa: ASYNC110
            await asyncio.sleep(SAMPLE_S)
        if connection.done():
            connection.result()
        if app.executor.status.state is not EngineState.READY:
            # The engine's own complaint says more than that there is no engine.
            own = next((error for error in failures if isinstance(error, DalleBotError)), None)
            raise own or ExecutorClosedError("The engine could not be opened: the bot's log holds the reason.")
        self._app = app
        sampling = asyncio.create_task(self._sample(app), name="load samples")
        self._stack.callback(sampling.cancel)

    async def _sample(self, app: App) -> None:
        while True:
            status = app.executor.status
            if len(self._loads) < MAX_LOADS:
                self._loads.append(Load(time.monotonic(), status.num_queued, status.num_running))
            await asyncio.sleep(SAMPLE_S)

    def _report(self) -> BotReport:
        assert self._app is not None, "opened before"
        longest = self._watch.longest()
        assert longest is not None, "the loop has beaten meanwhile"
        status = self._app.executor.status
        return BotReport(
            engine_state=str(status.state),
            model="" if status.info is None else status.info.name,
            longest=longest,
            blocks=tuple(self._watch.blocks()),
            loads=self._loads,
            log=dict(self._log.levels),
            warm_up_longest_s=self._warm_up_longest_s,
            full_collection_s=_full_collection_s(),
        )


def _full_collection_s() -> float:
    began_s = time.monotonic()
    gc.collect()
    return time.monotonic() - began_s


async def _main() -> None:
    async with LoopWatch() as watch, AsyncExitStack() as stack:
        await serve_orders(_Bot(stack, watch).handle)


if __name__ == "__main__":
    asyncio.run(_main())
