"""A stand-in for Discord in which one life of the bot follows another, and what its members have seen of them all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path

from bot.config import STORE_FILE
from bot.sandbox import Event, EventKind, Exchange, Sandbox
from bot.store import FINAL_STATES, JobRecord, JobState, Store
from tests.conftest import TIMEOUT_S
from tests.faults.lives import KILLED, PROCESSES, KillPoint, Order, live
from tests.invariants import check_store, has_settled, states_of


@dataclass
class Life:
    """A running bot."""

    process: ForkServerProcess

    async def end(self) -> int | None:
        """Its exit code once it has ended; negative for a signal."""
        async with asyncio.timeout(TIMEOUT_S):
            while self.process.is_alive():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
        return self.process.exitcode


class Theatre:
    """folder: where the bot keeps everything. url: of its database, if that is another place."""

    def __init__(self, sandbox: Sandbox, folder: Path, url: str | None = None) -> None:
        self.sandbox = sandbox
        self.url = url or f"sqlite+aiosqlite:///{folder / STORE_FILE}"
        self._order = Order(folder, self.url, sandbox.address, sandbox.token)

    @asynccontextmanager
    async def life(
        self, kill: KillPoint | None = None, *, delay_s: float = 0.01, may_die: ProcessEvent | None = None
    ) -> AsyncIterator[Life]:
        """A bot that is online, unless it was killed before. It is killed at the end, if it still lives, and then the
        store must be sound. may_die: see Order."""
        ready = PROCESSES.Event()
        order = replace(self._order, kill=kill, delay_s=delay_s, may_die=may_die)
        process = PROCESSES.Process(target=live, args=(order, ready), daemon=True)
        process.start()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not ready.is_set() and process.is_alive():  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(0.01)
            assert process.is_alive() or process.exitcode == KILLED, f"the bot ended with {process.exitcode}"
            yield Life(process)
        finally:
            process.kill()
            await asyncio.to_thread(process.join, TIMEOUT_S)
            process.close()
        check_store(self.url)

    async def say(self, line: str, life: Life, player: str = "main") -> Event | None:
        """The first answer to a line; None if the bot died before it gave one."""
        async with aclosing(self.sandbox.watch(line, TIMEOUT_S, player)) as events:
            while True:
                next_event = asyncio.ensure_future(anext(events))
                end = asyncio.ensure_future(life.end())
                await asyncio.wait({next_event, end}, return_when=asyncio.FIRST_COMPLETED)
                end.cancel()
                if not next_event.done():
                    # What it said last may be on its way.
                    await asyncio.wait({next_event}, timeout=0.2)
                if not next_event.done():
                    next_event.cancel()
                    await asyncio.gather(next_event, return_exceptions=True)
                    return None
                event = next_event.result()
                if event.kind is not EventKind.SAY:
                    assert event.kind in (EventKind.ACK, EventKind.EDIT), event
                    return event

    async def settled(self) -> None:
        """Waits until no job is under way."""
        async with asyncio.timeout(TIMEOUT_S):
            while not has_settled(self.url):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
        check_store(self.url, is_settled=True)

    async def reached(self, prompt: str, state: JobState) -> None:
        """Waits until a job is in a state."""
        async with asyncio.timeout(TIMEOUT_S):
            while (job := await self.job_of(prompt)) is None or job.state is not state:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def job_of(self, prompt: str) -> JobRecord | None:
        """The newest job with this prompt; None if it was never stored."""
        async with Store.open(self.url) as store:
            for job_id in reversed(states_of(self.url)):
                job = await store.jobs.get(job_id)
                if job is not None and job.prompt == prompt:
                    return job
        return None

    async def seen(self, message_id: int) -> list[Exchange]:
        """What made a message what it is, oldest first."""
        return [
            e
            for e in await self.sandbox.fetch_requests()
            if e.method in ("PATCH", "POST") and e.status == 200 and _message_id(e) == str(message_id)
        ]

    async def num_messages_with_pictures(self, job: JobRecord) -> int:
        """On how many messages the pictures of a job have been shown."""
        return len(
            {
                _message_id(e)
                for e in await self.sandbox.fetch_requests()
                if any(job.id in name for _, name, _ in e.files) and e.status == 200
            }
        )

    async def check_promise(self, job: JobRecord | None, message_id: str | None) -> None:
        """A job has ended, and its user knows how. message_id: of what they saw first; None if there was no answer
        before the bot died."""
        if job is None:
            assert message_id is None
            return
        assert job.state in FINAL_STATES
        if message_id is None and job.message_id is None:
            return
        assert job.message_id is not None, f"{job.prompt!r} was promised, and the store has forgotten where"
        assert message_id in (None, str(job.message_id))
        last = (await self.seen(job.message_id))[-1].payload["content"]
        num_shown = await self.num_messages_with_pictures(job)
        if job.state is JobState.DELIVERED:
            assert num_shown == 1
            assert f"{job.num_images} image" in last
        else:
            assert num_shown == 0
            assert job.error is not None
            assert job.error in last


def _message_id(exchange: Exchange) -> str | None:
    return exchange.answer.get("id") if isinstance(exchange.answer, dict) else None
