"""Builds the bot and takes it apart again: one stack opens store, executor and client and closes them in reverse.

`run` is `dalle-bot run`; the sandbox and the tests use `open_app` and `serving`. Everything here is on the event loop;
the engine is built on the executor's own thread, so the bot is online while weights load.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import discord

from bot import __version__
from bot.c_heap import share_freed_memory
from bot.catalogues import Languages
from bot.client import DalleBot
from bot.code_version import sources_digest
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.config import TOKEN_VARIABLE, DiscordSettings, Settings
from bot.engine.base import Engine
from bot.errors import ConfigError, DalleBotError, EngineHungError, StartCancelledError
from bot.executor.base import EngineState, Executor
from bot.executor.opening import open_executor
from bot.executor.queued import QueuedExecutor
from bot.fence import Fence
from bot.language import ENGLISH
from bot.moderation.image_categories import SHIPPED_CATEGORIES, read_categories
from bot.moderation.places import Places
from bot.moderation.rule_file import load_rules
from bot.observing import telemetry_of
from bot.pictures import PictureFolder
from bot.shard_owner import ShardOwner
from bot.startup import StartUp
from bot.stopping import Stop, cut_short, drain, first_of, opened, stop_signals
from bot.store import Store
from bot.store.database import parse_url, sqlite_file
from bot.store.explaining import refuse_folder
from bot.store.in_use import WAIT_S, store_in_use
from bot.store.upgrading import upgrade_alone
from bot.telemetry.metrics import Metrics

STOP_TIMEOUT_S: Final = 20.0
ENGINE_CHECK_S: Final = 1.0
MAX_LINGERING: Final = 100  # jobs that the executor has finished and whose messages are still being edited

_SHARDS_LOST: Final = (
    "The database did not confirm in time that the shards are still this process's, so that another one may have them: "
    "start it again. Unfinished jobs are in the database."
)
_INVALID_SESSION_TOKEN: Final = 4004  # the gateway's close code for a token that it doesn't know

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class App:
    """What `open_app` built. Closed by leaving its context. fence: closed once another process may have our shards."""

    store: Store
    executor: QueuedExecutor
    bot: DalleBot
    metrics: Metrics
    fence: Fence


@contextlib.asynccontextmanager
async def open_app(
    settings: Settings,
    engine_factory: Callable[[], Engine],
    start_up: StartUp | None = None,
    *,
    stop: Stop | None = None,
    metrics: Metrics | None = None,
    stands_by: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[App]:
    """Opens the store (migrated), the executor (loading its engine in the background) and the client (offline yet).

    engine_factory: called once, on the executor's thread. start_up: its start, which closing cancels. stop: ends
    the wait for other processes, for shards and for a cluster, with StartCancelledError. stands_by: told when that for
    shards begins and ends.
    Raises StoreError if the database can't be used or another bot uses it, ConfigError if a catalogue, the privacy
    policy or the file of rules is damaged, or a cluster can't be used; ClusterNotReadyError if that may pass by itself.
    """
    share_freed_memory()
    languages = await asyncio.to_thread(Languages.load)
    policy = PrivacyPolicy(settings.privacy.policy_file)
    await asyncio.to_thread(policy.read, ENGLISH.code)
    file = settings.moderation.rules_file
    rules = () if file is None else await asyncio.to_thread(load_rules, file)
    categories = await asyncio.to_thread(
        read_categories, settings.moderation.image_categories_file or SHIPPED_CATEGORIES
    )
    async with contextlib.AsyncExitStack() as stack:
        metrics, fence, shards = metrics or Metrics(), Fence(), settings.shards
        metrics.build.info({"version": __version__, "sources": await asyncio.to_thread(sources_digest)})
        url = parse_url(settings.store_url)
        is_shared = settings.sharding.ids is not None and sqlite_file(url) is None
        await asyncio.to_thread(refuse_folder, url, settings.data_dir)
        stop = stop or Stop()
        if is_shared:
            with cut_short(stop):
                await upgrade_alone(url)
        await stack.enter_async_context(opened(store_in_use(url, is_shared=is_shared), stop))
        store = await stack.enter_async_context(
            Store.open(settings.store_url, metrics=metrics, shards=shards, pictures=settings.pictures_dir)
        )
        owner = ShardOwner(store.leases, shards, fence, stop=stop.asked, stands_by=stands_by)
        if is_shared:
            await stack.enter_async_context(owner)
        executor = await stack.enter_async_context(
            opened(open_executor(settings, engine_factory, start_up=start_up, metrics=metrics), stop)
        )
        owner.sharing(executor)
        bot = await stack.enter_async_context(
            DalleBot(
                store=store,
                pictures=PictureFolder(settings.pictures_dir, settings.store.max_picture_bytes),
                executor=executor,
                languages=languages,
                max_deliveries=settings.queue.max_jobs + MAX_LINGERING,
                max_picture_bytes=settings.queue.max_picture_bytes,
                default_images=settings.imagine.default_images,
                max_images=settings.imagine.max_images,
                source_url=settings.discord.source_url,
                dev_guild_id=settings.discord.dev_guild_id,
                places=_places(settings.discord),
                policy=policy,
                rules=rules,
                categories=categories,
                metrics=metrics,
                shard_count=settings.sharding.count,
                fence=fence,
            )
        )
        yield App(store, executor, bot, metrics, fence)


@contextlib.asynccontextmanager
async def telemetry(app: App, settings: Settings) -> AsyncIterator[str | None]:
    """Inside, the telemetry of an app that is open is served, if the settings want it; gives its address. Raises
    ConfigError and DalleBotError if it can't be."""
    async with (
        telemetry_of(settings, app.metrics) as served,
        served.observing(store=app.store, executor=app.executor, bot=app.bot),
    ):
        yield served.address


def _places(settings: DiscordSettings) -> Places:
    guilds = settings.allowed_guilds
    return Places(
        guilds=None if guilds is None else frozenset(guilds),
        direct_messages=settings.direct_messages,
        user_installs=settings.user_installs,
    )


@contextlib.asynccontextmanager
async def serving(app: App, token: str) -> AsyncIterator[asyncio.Task[None]]:
    """Keeps the client connected inside the block. The task that it gives ends when the connection does for good.

    Leaving the block says goodbye within STOP_TIMEOUT_S: finished jobs reach their messages, the others are told.
    """
    task = asyncio.create_task(_connect(app.bot, token), name="discord connection")
    try:
        yield task
    finally:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await app.bot.close()
        except TimeoutError:
            _log.warning("the connection to Discord did not close within %g s", STOP_TIMEOUT_S)
        await asyncio.wait({task}, timeout=1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(settings: Settings, engine_factory: Callable[[], Engine], start_up: StartUp | None = None) -> None:
    """`serve` on an event loop of its own."""
    asyncio.run(serve(settings, engine_factory, start_up))


async def serve(settings: Settings, engine_factory: Callable[[], Engine], start_up: StartUp | None = None) -> None:
    """Serves Discord until SIGINT or SIGTERM. Then what is being drawn has `queue.drain_s` to end, unless there is a
    second signal.

    Raises ConfigError for a missing or wrong token, StoreError, DalleBotError if Discord can't be reached at the start,
    another process has the telemetry's port or may have our shards, and what the engine was lost to, EngineHungError
    among it. Accepted jobs stay in the store.
    """
    token = settings.discord.token
    if token is None:
        raise ConfigError(f"{TOKEN_VARIABLE} is not set. {_HOW_TO_GET_A_TOKEN}")
    reasons: list[Exception] = []

    def build() -> Engine:
        try:
            return engine_factory()
        except Exception as error:
            reasons.append(error)
            raise

    metrics = Metrics()
    with stop_signals() as stop, contextlib.suppress(StartCancelledError):
        async with (
            # A predecessor that still says goodbye has both its port and its store.
            opened(telemetry_of(settings, metrics, wait_s=WAIT_S), stop) as seen,
            open_app(settings, build, start_up, stop=stop, metrics=metrics, stands_by=seen.stands_by) as app,
            seen.observing(store=app.store, executor=app.executor, bot=app.bot),
            serving(app, token.get_secret_value()) as connection,
        ):
            lost = asyncio.create_task(_engine_lost(app.executor), name="engine lost")
            fenced = asyncio.create_task(app.fence.closed(), name="shards lost")
            try:
                await first_of(stop.asked, connection, lost, fenced)
                if stop.asked.is_set() and not (connection.done() or lost.done() or fenced.done()):
                    _log.info("stopping; what is being drawn has %g s to end", settings.queue.drain_s)
                    await drain(app.executor, settings.queue.drain_s, stop, connection, lost, fenced)
            finally:
                lost.cancel()
                fenced.cancel()
            if app.fence.is_closed:
                raise DalleBotError(_SHARDS_LOST)
            if connection.done():
                connection.result()
            _log.info("stopping")
            if (because := app.executor.status.hung_because) is not None:
                raise EngineHungError(because)
            if lost.done() and not lost.cancelled():
                raise reasons[0] if reasons else DalleBotError("The image engine failed and could not recover.")


async def _engine_lost(executor: Executor) -> None:
    """Returns once the engine can't be used any more. Without one the bot would only refuse, and a supervisor that
    could start it anew would not notice."""
    while executor.status.state is not EngineState.FAILED:  # noqa: ASYNC110 - no executor announces it
        await asyncio.sleep(ENGINE_CHECK_S)


async def _connect(bot: DalleBot, token: str) -> None:
    try:
        await bot.start(token)
    except discord.LoginFailure:
        raise ConfigError(f"Discord does not accept {TOKEN_VARIABLE}. {_HOW_TO_GET_A_TOKEN}") from None
    except discord.ConnectionClosed as error:
        if error.code == _INVALID_SESSION_TOKEN:
            raise ConfigError(f"Discord does not accept {TOKEN_VARIABLE}. {_HOW_TO_GET_A_TOKEN}") from None
        raise DalleBotError(f"Discord closed the connection for good (code {error.code}).") from error
    except (discord.HTTPException, discord.GatewayNotFound, aiohttp.ClientError, OSError) as error:
        raise DalleBotError(f"Discord can't be reached: {error}. Check the network and discordstatus.com.") from error


_HOW_TO_GET_A_TOKEN: Final = (
    "Create an application at https://discord.com/developers/applications, open its Bot page, press Reset Token and "
    f"put the token into the environment variable {TOKEN_VARIABLE}."
)
