"""Runs every check, one after the other. Called by the command line, on an event loop of its own.

Where one check fails, those that need what it looked at are skipped and say so; all others go on.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

import aiohttp

from bot.config import TOKEN_VARIABLE, Settings
from bot.doctor.discord_api import DISCORD_API, DiscordApi
from bot.doctor.discord_checks import (
    check_clock,
    check_intents,
    check_permissions,
    check_sessions,
    check_token,
)
from bot.doctor.executor_check import check_executor
from bot.doctor.finding import Finding, Outcome, Status, failed, look, ok, skipped
from bot.doctor.host_checks import Host, check_device, check_disk, check_memory, check_weights
from bot.doctor.store_checks import check_queue, check_running, check_shards, check_store
from bot.lone_thread import in_thread
from bot.store.database import parse_url
from bot.store.explaining import refuse_folder
from bot.store.inspection import Inspection, inspect_database

CHECKS: Final = (
    *("token", "intents", "sessions", "permissions", "clock"),
    *("executor", "device", "weights", "memory"),
    *("disk", "store", "queue", "shards"),
)
DISCORD_TIMEOUT_S: Final = 15.0
CLUSTER_TIMEOUT_S: Final = 20.0
EXECUTOR_TIMEOUT_S: Final = 60.0
DEVICE_TIMEOUT_S: Final = 60.0
WEIGHTS_TIMEOUT_S: Final = 60.0
DISK_TIMEOUT_S: Final = 15.0
STORE_TIMEOUT_S: Final = 30.0

_REACH: Final = "Check the network, a proxy or firewall in between, and discordstatus.com."
_DRIVER: Final = "See whether the device answers others (nvidia-smi), and restart the machine if it doesn't."
_ELSEWHERE: Final = (
    "Engines of the cluster need it. On a machine of theirs: `DALLE_BOT_EXECUTOR__KIND=local dalle-bot doctor`."
)
_STORE: Final = "See whether its server or its disk answers others, and whether store.url names the right one."


async def examine(settings: Settings, *, api: str = DISCORD_API) -> AsyncIterator[Finding]:
    """Each finding as soon as it is known, in the order of CHECKS. api: the address of Discord's REST API."""
    timeout = aiohttp.ClientTimeout(total=DISCORD_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        async for finding in _discord(settings, session, api):
            yield finding
        async for finding in _host(settings):
            yield finding
        async for finding in _store(settings, session):
            yield finding


async def _discord(settings: Settings, session: aiohttp.ClientSession, address: str) -> AsyncIterator[Finding]:
    token = settings.discord.token
    api = DiscordApi(session, address, token.get_secret_value() if token else "")

    async def has_token() -> Outcome:
        if token is None:
            return failed(
                f"{TOKEN_VARIABLE} is not set.",
                "Create an application at https://discord.com/developers/applications, open its Bot page, press Reset "
                f"Token and put the token into the environment variable {TOKEN_VARIABLE}.",
            )
        return await check_token(api)

    first = await _ask("token", has_token)
    yield first
    checks: dict[str, Callable[[], Awaitable[Outcome]]] = {
        "intents": lambda: check_intents(api),
        "sessions": lambda: check_sessions(api),
        "permissions": lambda: check_permissions(api, settings.discord),
    }
    for name, check in checks.items():
        if first.status is Status.OK:
            yield await _ask(name, check)
        else:
            yield Finding(name, Status.SKIPPED, "It needs a token that Discord accepts.", None, 0.0)
    yield await _ask("clock", lambda: check_clock(api))


async def _ask(name: str, check: Callable[[], Awaitable[Outcome]]) -> Finding:
    return await look(name, check, timeout_s=DISCORD_TIMEOUT_S, if_late=_REACH)


async def _host(settings: Settings) -> AsyncIterator[Finding]:
    yield await look(
        "executor",
        lambda: check_executor(settings.executor, timeout_s=CLUSTER_TIMEOUT_S),
        timeout_s=EXECUTOR_TIMEOUT_S,
        if_late="`ray status` and `serve status` on a machine of the cluster show more.",
    )
    host = Host()
    checks: dict[str, tuple[Callable[[Settings, Host], Outcome], float, str]] = {
        "device": (check_device, DEVICE_TIMEOUT_S, _DRIVER),
        "weights": (check_weights, WEIGHTS_TIMEOUT_S, "See whether the disk with the weights answers."),
        "memory": (check_memory, DEVICE_TIMEOUT_S, _DRIVER),
    }
    for name, (check, timeout_s, if_late) in checks.items():
        if settings.executor.kind == "local" or settings.executor.fallback:
            work = partial(in_thread, partial(check, settings, host))
            yield await look(name, work, timeout_s=timeout_s, if_late=if_late)
        else:
            yield Finding(name, Status.SKIPPED, _ELSEWHERE, None, 0.0)
    yield await look(
        "disk",
        lambda: in_thread(lambda: check_disk(settings)),
        timeout_s=DISK_TIMEOUT_S,
        if_late="See whether the disk of data_dir answers; a network share may be gone.",
    )


async def _store(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Finding]:
    seen: list[Inspection] = []

    async def store() -> Outcome:
        seen.append(await in_thread(lambda: _inspect(settings)))
        return check_store(seen[0])

    async def queue() -> Outcome:
        unwell = await check_running(session, settings.telemetry)
        if unwell is not None:
            return unwell
        return check_queue(seen[0]) if seen else skipped("It needs the database.")

    async def shards() -> Outcome:
        if settings.sharding.ids is None or settings.store_url.startswith("sqlite"):
            return ok("One process has them all.")
        return check_shards(seen[0], settings.shards) if seen else skipped("It needs the database.")

    yield await look("store", store, timeout_s=STORE_TIMEOUT_S, if_late=_STORE)
    yield await look("queue", queue, timeout_s=STORE_TIMEOUT_S, if_late=_STORE)
    yield await look("shards", shards, timeout_s=STORE_TIMEOUT_S, if_late=_STORE)


def _inspect(settings: Settings) -> Inspection:
    refuse_folder(parse_url(settings.store_url), settings.data_dir)
    return inspect_database(settings.store_url, settings.pictures_dir)
