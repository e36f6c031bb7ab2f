"""The bot as a process that is killed at a chosen move of a chosen job. Tests start it; `live` and `move` run in it.

The process is forked from a server that has imported everything already, so that a life costs what the bot itself
takes. It is the product as it ships, on a fake engine, but for two hooks that are put on from outside: one that kills,
and one that tells when Discord has let the bot in.
"""

import asyncio
import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import event

from bot.app import run
from bot.client import DalleBot
from bot.config import (
    DiscordSettings,
    EngineSettings,
    QueueSettings,
    Settings,
    ShardingSettings,
    StoreSettings,
)
from bot.engine.base import PromptText
from bot.engine.fake import FakeChunk, FakeEngine, FakePrefix, Faults
from bot.errors import DalleBotError
from bot.sandbox.pointing import discord_at
from bot.shards import ALL_SHARDS, Shards
from bot.store import FINAL_STATES, JobRecord, JobState, JobStore, Store
from tests.conftest import TIMEOUT_S

PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.lives"])
KILLED: Final = -signal.SIGKILL

REFUSED_PROMPTS: Final = tuple(f"a prompt {number} that the engine refuses" for number in range(20))
NOT_FINITE_SEED: Final = 13
DEADLY_PROMPT: Final = "a prompt that ends the process"
DEADLY_PICTURE: Final = "a picture that ends the process"


@dataclass(frozen=True, slots=True)
class KillPoint:
    """The move of a job at which the process dies. prompt: of the job. source: None for its being stored.

    is_committed: right after the move; otherwise when it is written and not yet committed.
    """

    prompt: str
    source: JobState | None
    to: JobState
    is_committed: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What a life is like. url: of its database. delay_s: of each of the four chunks of a picture. may_die: what the
    deadly prompts wait for; None if they don't."""

    data_dir: Path
    url: str
    address: str
    token: str
    kill: KillPoint | None = None
    delay_s: float = 0.01
    shards: Shards = ALL_SHARDS
    may_die: ProcessEvent | None = None


class DeadlyEngine(FakeEngine):
    """Two prompts end its process, as a fault in a driver would: one at once, one while its picture is drawn."""

    def __init__(self, may_die: ProcessEvent | None, **rest: Any) -> None:
        super().__init__(**rest)
        self._may_die = may_die

    def prefill(self, prompts: Sequence[PromptText]) -> FakePrefix:
        if any(row.prompt == DEADLY_PROMPT for row in prompts):
            self._die()
        return super().prefill(prompts)

    def pass_chunk(self, chunk: FakeChunk) -> None:
        super().pass_chunk(chunk)
        if any(occupant.owner.prompt == DEADLY_PICTURE for occupant in self._slots.occupants):
            self._die()

    def _die(self) -> None:
        if self._may_die is not None:
            self._may_die.wait(2 * TIMEOUT_S)
        die()


def live(order: Order, ready: ProcessEvent) -> None:
    """Runs the bot until it is told to stop, or dies. ready: set once it is connected."""
    if order.kill is not None:
        kill_at(order.kill)
    on_ready, setup_hook = DalleBot.on_ready, DalleBot.setup_hook

    async def tell(bot: DalleBot) -> None:
        await on_ready(bot)
        ready.set()

    async def set_up(bot: DalleBot) -> None:
        # discord.py waits for guilds so long, without doing anything.
        bot._connection.guild_ready_timeout = 0.5
        await setup_hook(bot)

    DalleBot.setup_hook = set_up  # type: ignore[assignment,method-assign]
    DalleBot.on_ready = tell  # type: ignore[assignment,method-assign]
    sharding = ShardingSettings()
    if order.shards != ALL_SHARDS:
        sharding = ShardingSettings(count=order.shards.count, ids=order.shards.ids)
    settings = Settings(
        data_dir=order.data_dir,
        discord=DiscordSettings(token=SecretStr(order.token)),
        engine=EngineSettings(chunk_tokens=4),
        queue=QueueSettings(drain_s=0.0),
        sharding=sharding,
        store=StoreSettings(url=SecretStr(order.url)),
    )
    faults = Faults(refused_prompts=REFUSED_PROMPTS, not_finite=[(NOT_FINITE_SEED, 0)])
    with discord_at(order.address):
        try:
            run(settings, lambda: DeadlyEngine(order.may_die, num_slots=2, delay_s=order.delay_s, faults=faults))
        except DalleBotError as error:
            sys.exit(str(error))


def move(url: str, job_id: str, message_id: int, point: KillPoint) -> None:
    """Makes one move of a job with one picture, and dies at it. message_id: that shows it."""
    kill_at(point)

    async def make() -> None:
        async with Store.open(url) as store:
            await make_move(store.jobs, job_id, message_id, point.to)

    asyncio.run(make())


async def make_move(jobs: JobStore, job_id: str, message_id: int, to: JobState) -> None:
    """Moves a job with one picture, with everything that belongs to its new state."""
    job = await jobs.get(job_id)
    assert job is not None
    if to is JobState.ACKNOWLEDGED:
        await jobs.acknowledge(job_id, job.channel_id, message_id)
    elif to in FINAL_STATES - {JobState.DELIVERED}:
        await jobs.move(job_id, to, error="A test has ended it.")
    else:
        await jobs.move(job_id, to, result={"order": [0]} if to is JobState.DELIVERED else None)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(point: KillPoint) -> None:
    """Puts the hook on this process's job stores."""
    is_due = False

    def after_statement(connection: sqlalchemy.Connection, _: object, statement: str, *__: object) -> None:
        if is_due and not point.is_committed and statement.startswith(("INSERT INTO jobs", "UPDATE jobs")):
            connection.info["dies"] = True

    def before_commit(connection: sqlalchemy.Connection) -> None:
        if connection.info.get("dies"):
            die()

    event.listen(sqlalchemy.Engine, "after_cursor_execute", after_statement)
    event.listen(sqlalchemy.Engine, "commit", before_commit)

    def deadly(method: Callable[..., Awaitable[JobRecord]], to: JobState | None) -> Callable[..., Awaitable[JobRecord]]:
        @functools.wraps(method)
        async def moving(store: JobStore, job: Any, *args: Any, **kwargs: Any) -> JobRecord:
            nonlocal is_due
            known = await store.get(job) if isinstance(job, str) else job
            source = known.state if isinstance(known, JobRecord) else None
            target = JobState.RECEIVED if known is job else to or args[0]
            if known is None or (known.prompt, source, target) != (point.prompt, point.source, point.to):
                return await method(store, job, *args, **kwargs)
            is_due = True
            moved = await method(store, job, *args, **kwargs)
            die()
            return moved

        return moving

    for name, to in (("create", None), ("acknowledge", JobState.ACKNOWLEDGED), ("move", None)):
        setattr(JobStore, name, deadly(getattr(JobStore, name), to))
