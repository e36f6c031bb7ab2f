"""The gateway: web sockets that clients identify on, and the events that they are sent. Sandbox's event loop.

Resuming is answered with "invalid session", which makes a client identify anew; a resume belongs into `_resume`.
"""

import asyncio
import json
import logging
import secrets
import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from aiohttp import WSMsgType, web
from discord import Intents

from bot.sandbox.happenings import Happening, HappeningKind
from bot.sandbox.messages import Message
from bot.sandbox.objects import guild_create_json, user_json
from bot.sandbox.world import World

MAX_WAITING_EVENTS: Final = 10_000
HEARTBEAT_INTERVAL_MS: Final = 41_250
# An answer at once would overtake the note that discord.py's thread makes of having asked, and it would then count the
# whole interval as a delay.
ACK_DELAY_S: Final = 0.05
IDENTIFY_TIMEOUT_S: Final = 30.0
_PRIVILEGED: Final = Intents(members=True, presences=True, message_content=True).value

_log = logging.getLogger(__name__)


class Op(IntEnum):
    """Discord's gateway opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    """Why the gateway hangs up."""

    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SHARD = 4010
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


class _HangUpError(Exception):
    """Ends a connection with a close code."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class _Connection:
    """One web socket. Outgoing frames wait in a bounded queue; `cut_off` ends a client that doesn't read them."""

    def __init__(self, socket: web.WebSocketResponse, is_compressed: bool, cut_off: Callable[[], None] | None) -> None:
        self._socket = socket
        self._cut_off = cut_off
        self._compressor = zlib.compressobj() if is_compressed else None
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._sequence = 0
        self.session_id: str | None = None
        self.intents = 0
        self.shard = (0, 1)

    def send(self, op: Op, data: Any) -> None:
        self._put({"op": op, "d": data, "s": None, "t": None})

    def dispatch(self, event: str, data: Any) -> None:
        self._sequence += 1
        self._put({"op": Op.DISPATCH, "d": data, "s": self._sequence, "t": event})

    def _put(self, frame: dict[str, Any]) -> None:
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            _log.warning("a gateway client does not read its events; it is cut off")
            self.session_id = None
            if self._cut_off is not None:
                self._cut_off()

    async def write(self) -> None:
        """Sends frames as they come, until cancelled or the client is gone."""
        while True:
            text = json.dumps(await self._frames.get())
            try:
                if self._compressor is None:
                    await self._socket.send_str(text)
                else:
                    data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
                    await self._socket.send_bytes(data)
            except ConnectionError:
                return


class Gateway:
    """Serves web sockets and dispatches events to the sessions on them."""

    def __init__(self, world: World, gateway_url: str, message_json: Callable[[Message], dict[str, Any]]) -> None:
        self._world = world
        self._gateway_url = gateway_url
        self._message_json = message_json
        self._connections: set[_Connection] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self.identified = asyncio.Event()
        """Set while at least one client is identified."""

    def dispatch(self, event: str, data: dict[str, Any], intent: int = 0) -> bool:
        """Sends an event to every session that has one of the intents (0: every session) and serves the event's guild.

        False if there was none."""
        guild_id = int(data.get("guild_id", self._world.guild_id))
        served = False
        for connection in tuple(self._connections):
            shard, num_shards = connection.shard
            serves_guild = (guild_id >> 22) % num_shards == shard
            if connection.session_id is None or not serves_guild or (intent and not connection.intents & intent):
                continue
            connection.dispatch(event, data)
            served = True
        return served

    def on_happening(self, happening: Happening) -> None:
        """Tells clients about messages, as Discord does: ephemeral ones count as direct messages."""
        names = {
            HappeningKind.MESSAGE: "MESSAGE_CREATE",
            HappeningKind.EDIT: "MESSAGE_UPDATE",
            HappeningKind.DELETE: "MESSAGE_DELETE",
        }
        name, message = names.get(happening.kind), happening.message
        if name is None or message is None:
            return
        channel = self._world.channel(message.channel_id)
        if channel is None or channel.is_brought:
            return
        is_public = message.viewer_id is None and message.channel_id in self._world.channels
        flags = Intents(guild_messages=True) if is_public else Intents(dm_messages=True)
        data = self._message_json(message)
        if message.author_id != self._world.bot.id and self._world.bot.id not in message.mentioned_user_ids:
            # What others write is for clients with the privileged intent, which the sandbox grants to none.
            data |= {"content": "", "embeds": [], "attachments": [], "components": []}
        if happening.kind is HappeningKind.DELETE:
            data = {key: data[key] for key in ("id", "channel_id", "guild_id") if key in data}
        self.dispatch(name, data, flags.value)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handles one web socket from its first byte to its last."""
        socket = web.WebSocketResponse(max_msg_size=4096)
        await socket.prepare(request)
        is_compressed = request.query.get("compress") == "zlib-stream"
        connection = _Connection(socket, is_compressed, request.transport.abort if request.transport else None)
        self._connections.add(connection)
        self._sockets.add(socket)
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            connection.send(Op.HELLO, {"heartbeat_interval": HEARTBEAT_INTERVAL_MS, "_trace": []})
            await self._converse(socket, connection)
        except _HangUpError as reason:
            await socket.close(code=reason.code, message=reason.code.name.encode())
        finally:
            self._connections.discard(connection)
            self._sockets.discard(socket)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if not any(other.session_id for other in self._connections):
                self.identified.clear()
        return socket

    async def aclose(self) -> None:
        """Closes every web socket."""
        for socket in tuple(self._sockets):
            await socket.close(code=1001)

    async def _converse(self, socket: web.WebSocketResponse, connection: _Connection) -> None:
        while True:
            timeout_s = IDENTIFY_TIMEOUT_S if connection.session_id is None else 3 * HEARTBEAT_INTERVAL_MS / 1000
            try:
                message = await socket.receive(timeout_s)
            except TimeoutError:
                raise _HangUpError(CloseCode.NOT_AUTHENTICATED) from None
            if message.type is not WSMsgType.TEXT:
                return
            try:
                frame = json.loads(message.data)
                op, data = frame["op"], frame.get("d")
            except (ValueError, TypeError, KeyError):
                raise _HangUpError(CloseCode.DECODE_ERROR) from None
            self._take(connection, op, data)

    def _take(self, connection: _Connection, op: int, data: Any) -> None:
        if op == Op.HEARTBEAT:
            asyncio.get_running_loop().call_later(ACK_DELAY_S, connection.send, Op.HEARTBEAT_ACK, None)
        elif op == Op.IDENTIFY:
            self._identify(connection, data)
        elif op == Op.RESUME:
            self._resume(connection)
        elif op not in (Op.PRESENCE_UPDATE, Op.VOICE_STATE_UPDATE, Op.REQUEST_GUILD_MEMBERS):
            raise _HangUpError(CloseCode.UNKNOWN_OPCODE)
        elif connection.session_id is None:
            raise _HangUpError(CloseCode.NOT_AUTHENTICATED)

    def _resume(self, connection: _Connection) -> None:
        connection.send(Op.INVALID_SESSION, False)

    def _identify(self, connection: _Connection, data: Any) -> None:
        if connection.session_id is not None:
            raise _HangUpError(CloseCode.ALREADY_AUTHENTICATED)
        if not isinstance(data, dict) or data.get("token") != self._world.bot_token:
            raise _HangUpError(CloseCode.AUTHENTICATION_FAILED)
        intents, shard = data.get("intents"), data.get("shard") or [0, 1]
        if not isinstance(intents, int) or intents & ~Intents.all().value:
            raise _HangUpError(CloseCode.INVALID_INTENTS)
        if intents & _PRIVILEGED:
            raise _HangUpError(CloseCode.DISALLOWED_INTENTS)
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            raise _HangUpError(CloseCode.INVALID_SHARD)
        connection.session_id, connection.intents = secrets.token_hex(16), intents
        connection.shard = (shard[0], shard[1])
        served = [guild_id for guild_id in self._world.guilds if (int(guild_id) >> 22) % shard[1] == shard[0]]
        ready = {
            "v": 10,
            "user": user_json(self._world.bot),
            "guilds": [{"id": guild_id, "unavailable": True} for guild_id in served],
            "session_id": connection.session_id,
            "resume_gateway_url": self._gateway_url,
            "shard": shard,
            "application": {"id": self._world.application_id, "flags": 0},
        }
        connection.dispatch("READY", ready)
        for guild_id in served if intents & Intents(guilds=True).value else ():
            connection.dispatch("GUILD_CREATE", guild_create_json(self._world, guild_id))
        self.identified.set()
