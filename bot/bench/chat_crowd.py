"""The simulated users of `bench chat`, and what they see. Runs on the stand-in's event loop, in its process.

Commands go out when they are due, whether or not earlier ones have been answered. Nothing that costs time is done
meanwhile: files are looked into at the end, in `record`.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bot.bench.chat_plan import NUM_CHANNELS, NUM_GUILDS, Order
from bot.bench.chat_record import ChatRecord, Seen, SeenFile, Sent
from bot.bench.pixels import pixels_of
from bot.collage import read_metadata
from bot.errors import JobFailedError
from bot.sandbox import components as parts
from bot.sandbox.guild import Channel, Member
from bot.sandbox.happenings import Happening, HappeningKind
from bot.sandbox.lines import Slash
from bot.sandbox.messages import Message
from bot.sandbox.server import SandboxServer

POLL_S: Final = 0.05


class Crowd:
    """Make it before a client connects: it founds the guilds. One run at a time."""

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        world = server.world
        self._guilds: list[list[Channel]] = [
            world.found_guild(f"Guild {guild}", [f"channel-{channel}" for channel in range(NUM_CHANNELS)])
            for guild in range(NUM_GUILDS)
        ]
        self._sent: dict[str, Sent] = {}
        self._seen: list[tuple[Seen, Message]] = []
        self._latest: dict[str, Seen] = {}
        self._open: set[str] = set()
        self._num_jobs = 0
        self._began_s = self._ended_s = 0.0
        server.board.listen(self._notice)

    async def send(self, orders: Sequence[Order]) -> None:
        """Forgets what was seen before, and sends every order when it is due."""
        self.begin()
        for order in orders:
            await asyncio.sleep(self._began_s + order.at_s - time.monotonic())
            self._send(order)
        self._ended_s = time.monotonic()

    async def keep_busy(
        self, orders: Iterator[Order], num_jobs: int, *, max_open: int, limit_s: float, burst: int = 0
    ) -> int:
        """Sends order after order, so that `max_open` are open, until `num_jobs` in all have been acknowledged as jobs;
        returns how many have. Nobody writes while the bot isn't there. What was seen before is kept. burst: how many
        more are sent in the end, whose answers are not waited for.

        Raises JobFailedError after `limit_s`."""
        end_s = time.monotonic() + limit_s
        while self._num_jobs < num_jobs:
            if time.monotonic() > end_s:
                raise JobFailedError(f"{self._num_jobs} of {num_jobs} jobs were acknowledged within {limit_s:g} s.")
            self._settle()
            is_wanted = self._num_jobs + self._num_unanswered() < num_jobs
            if is_wanted and len(self._open) < max_open and self._server.gateway.identified.is_set():
                self._send(next(orders))
                # The answers come in between.
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(POLL_S)
        for _ in range(burst):
            self._send(next(orders))
        self._ended_s = time.monotonic()
        return self._num_jobs

    async def flood(self, number: int) -> None:
        """Sends so many commands, one right after the other, of a user in each guild."""
        for sent in range(number):
            self._send(Order(0.0, sent % NUM_GUILDS, sent % NUM_GUILDS, 0, "a red circle", {}))
            # Or the connection would have none of them before the last one.
            await asyncio.sleep(0)

    def begin(self) -> None:
        """Forgets what was sent and seen before."""
        self._sent.clear()
        self._seen.clear()
        self._latest.clear()
        self._open.clear()
        self._num_jobs = 0
        self._began_s = time.monotonic()

    def _settle(self) -> None:
        self._open = {sent_id for sent_id in self._open if self._is_open(self._sent[sent_id])}

    def _num_unanswered(self) -> int:
        return sum(self._sent[sent_id].answered_s is None for sent_id in self._open)

    async def drain(self, limit_s: float, quiet_s: float) -> ChatRecord:
        """Waits until every command has its answer and every job its end, for `limit_s` at most, and looks on for
        `quiet_s` more, in which nothing should happen."""
        end_s = time.monotonic() + limit_s
        while self._is_awaiting() and time.monotonic() < end_s:  # noqa: ASYNC110 - a poll costs the bot nothing
            await asyncio.sleep(POLL_S)
        drained_s = time.monotonic()
        await asyncio.sleep(quiet_s)
        seen = await asyncio.to_thread(lambda: tuple(self._looked_into(*pair) for pair in self._seen))
        return ChatRecord(tuple(self._sent.values()), seen, self._began_s, self._ended_s, drained_s)

    def _member(self, user: int) -> Member:
        return self._server.world.member_named(f"user-{user}")

    def _send(self, order: Order) -> None:
        member, channel = self._member(order.user), self._guilds[order.guild][order.channel]
        words = [f"prompt:{order.prompt}", *(f"{name}:{value}" for name, value in order.options.items())]
        interaction = self._server.actions.begin(Slash(f"imagine {' '.join(words)}"), member, channel, None)
        self._open.add(interaction.id)
        self._sent[interaction.id] = Sent(
            interaction.id, member.id, channel.id, order.prompt, order.options, sent_s=time.monotonic()
        )
        self._server.desk.deliver(interaction)

    def _is_awaiting(self) -> bool:
        """The stand-in itself gives up on what was not answered; see Interaction.is_dead."""
        self._settle()
        return bool(self._open)

    def _is_open(self, sent: Sent) -> bool:
        if sent.refusal is not None:
            return False
        if sent.answered_s is None:
            return not self._server.desk.is_dead(sent.interaction_id)
        latest = self._latest.get(sent.interaction_id)
        return latest is None or latest.is_at_work

    def _notice(self, happening: Happening) -> None:
        now_s, message = time.monotonic(), happening.message
        if message is None:
            return
        origin_id = None if message.origin is None else message.origin.interaction_id
        sent = None if origin_id is None else self._sent.get(origin_id)
        if origin_id is not None and sent is None:
            # Of the warm-up.
            return
        if sent is not None and happening.is_acknowledgement:
            refusal = message.content if message.viewer_id is not None else None
            self._sent[sent.interaction_id] = replace(sent, answered_s=now_s, refusal=refusal)
            self._num_jobs += refusal is None
        seen = Seen(
            at_s=now_s,
            message_id=message.id,
            channel_id=message.channel_id,
            content=message.content,
            interaction_id=origin_id,
            viewer_id=message.viewer_id,
            custom_ids=tuple(c["custom_id"] for c in parts.walk(message.components) if c.get("custom_id")),
            files=tuple(SeenFile(file.filename, file.description or "") for file in message.attachments),
            is_deleted=happening.kind is HappeningKind.DELETE,
        )
        self._seen.append((seen, message))
        if origin_id is not None:
            self._latest[origin_id] = seen
            if seen.is_at_work:
                # Perhaps again: the bot was killed after it had delivered and before it could note that.
                self._open.add(origin_id)

    def _looked_into(self, seen: Seen, message: Message) -> Seen:
        """With digest and metadata of finished pictures."""
        if seen.result is None:
            return seen
        return replace(
            seen,
            files=tuple(
                file if file.job_id is None else _read(file, self._server.files.read(attachment.id))
                for file, attachment in zip(seen.files, message.attachments, strict=True)
            ),
        )


def _read(file: SeenFile, data: bytes | None) -> SeenFile:
    if data is None:
        return file
    known = replace(file, digest=hashlib.sha256(data).hexdigest())
    try:
        return replace(known, metadata=read_metadata(data), pixels=pixels_of(data))
    except (ValueError, OSError):
        return known
