"""The gateway: web sockets that clients identify on or resume, and the events that they are sent. Sandbox's event loop.

What can go wrong with it on purpose is in gateway_faults.py.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSMsgType, web
from discord import Intents

from bot.sandbox.gateway_connection import CloseCode, Connection, Op
from bot.sandbox.gateway_faults import GatewayFaults
from bot.sandbox.gateway_session import Session
from bot.sandbox.happenings import Happening, HappeningKind
from bot.sandbox.messages import Message
from bot.sandbox.objects import guild_create_json, user_json
from bot.sandbox.world import World

HEARTBEAT_INTERVAL_MS: Final = 41_250
# An answer at once would overtake the note that discord.py's thread makes of having asked, and it would then count the
# whole interval as a delay.
ACK_DELAY_S: Final = 0.05
IDENTIFY_TIMEOUT_S: Final = 30.0
MAX_SESSIONS: Final = 100
_GONE_FOR_GOOD: Final = (1000, 1001)  # how a client closes that won't resume
_PRIVILEGED: Final = Intents(members=True, presences=True, message_content=True).value

_log = logging.getLogger(__name__)


class _HangUpError(Exception):
    """Ends a connection with a close code."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Gateway:
    """Serves web sockets and dispatches events to the sessions on them. faults: what it does wrong on purpose."""

    def __init__(self, world: World, gateway_url: str, message_json: Callable[[Message], dict[str, Any]]) -> None:
        self._world = world
        self._gateway_url = gateway_url
        self._message_json = message_json
        self._sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.faults = GatewayFaults(world.now)
        self.identified = asyncio.Event()
        """Set while at least one client is there and hears what it is sent."""

    def dispatch(self, event: str, data: dict[str, Any], intent: int = 0) -> bool:
        """Sends an event to every session that has one of the intents (0: every session) and serves the event's guild:
        now, or when it is resumed. What is of no guild goes to the first shard.

        False if there was none."""
        guild_id = data.get("id" if event.startswith("GUILD_") and "guild_id" not in data else "guild_id")
        self._forget_old_sessions()
        served = [session for session in self._sessions.values() if session.serves(int(guild_id or 0), intent)]
        for session in served:
            session.dispatch(event, data)
        return bool(served)

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
        if self.faults.refuses_connection():
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=4096)
        await socket.prepare(request)
        is_compressed = request.query.get("compress") == "zlib-stream"
        assert request.transport is not None
        connection = Connection(socket, is_compressed, request.transport.abort)
        self.connections.add(connection)
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            if self.faults.hangs_up():
                raise _HangUpError(CloseCode.UNKNOWN_ERROR)
            connection.send(Op.HELLO, {"heartbeat_interval": HEARTBEAT_INTERVAL_MS, "_trace": []})
            await self._converse(socket, connection)
        except _HangUpError as reason:
            await socket.close(code=reason.code, message=reason.code.name.encode())
        finally:
            self.connections.discard(connection)
            self._leave(connection, is_for_good=socket.close_code in _GONE_FOR_GOOD)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def freeze(self, connection: Connection) -> None:
        """From now on nothing comes through, and the client isn't told."""
        connection.is_frozen = True
        self._note_who_hears()

    def invalidate(self, connection: Connection, *, is_resumable: bool) -> None:
        """Tells the client that its session is interrupted, or over."""
        connection.send(Op.INVALID_SESSION, is_resumable)
        if not is_resumable:
            self._leave(connection, is_for_good=True)

    async def aclose(self) -> None:
        """Closes every web socket."""
        for connection in tuple(self.connections):
            await connection.socket.close(code=1001)

    def _leave(self, connection: Connection, *, is_for_good: bool) -> None:
        session, connection.session = connection.session, None
        if session is not None and session.write == connection.put:
            session.leave(self._world.now())
        if session is not None and is_for_good:
            self._sessions.pop(session.id, None)
        self._note_who_hears()

    def _note_who_hears(self) -> None:
        if any(connection.session and not connection.is_frozen for connection in self.connections):
            self.identified.set()
        else:
            self.identified.clear()

    def _forget_old_sessions(self) -> None:
        now_s = self._world.now()
        for session in tuple(self._sessions.values()):
            if session.is_over(now_s):
                del self._sessions[session.id]

    async def _converse(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        while True:
            timeout_s = IDENTIFY_TIMEOUT_S if connection.session is None else 3 * HEARTBEAT_INTERVAL_MS / 1000
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
            if not connection.is_frozen:
                self._take(connection, op, data)

    def _take(self, connection: Connection, op: int, data: Any) -> None:
        if op == Op.HEARTBEAT:
            asyncio.get_running_loop().call_later(ACK_DELAY_S, connection.send, Op.HEARTBEAT_ACK, None)
        elif op == Op.IDENTIFY:
            self._identify(connection, data)
        elif op == Op.RESUME:
            self._resume(connection, data)
        elif op not in (Op.PRESENCE_UPDATE, Op.VOICE_STATE_UPDATE, Op.REQUEST_GUILD_MEMBERS):
            raise _HangUpError(CloseCode.UNKNOWN_OPCODE)
        elif connection.session is None:
            raise _HangUpError(CloseCode.NOT_AUTHENTICATED)

    def _resume(self, connection: Connection, data: Any) -> None:
        self._check_newcomer(connection, data)
        self._forget_old_sessions()
        sequence, session = data.get("seq"), self._sessions.get(str(data.get("session_id")))
        if not isinstance(sequence, int) or (session is not None and sequence > session.sequence):
            raise _HangUpError(CloseCode.INVALID_SEQUENCE)
        if self.faults.postpones_resume():
            connection.send(Op.INVALID_SESSION, True)
            return
        missed = None if session is None else session.missed_since(sequence)
        if session is None or missed is None or self.faults.refuses_resume():
            self._sessions.pop(str(data.get("session_id")), None)
            connection.send(Op.INVALID_SESSION, False)
            return
        self._enter(connection, session)
        for frame in missed:
            connection.put(frame)
        session.dispatch("RESUMED", {"_trace": []})

    def _check_newcomer(self, connection: Connection, data: Any) -> None:
        if connection.session is not None:
            raise _HangUpError(CloseCode.ALREADY_AUTHENTICATED)
        if not isinstance(data, dict) or data.get("token") != self._world.bot_token:
            raise _HangUpError(CloseCode.AUTHENTICATION_FAILED)

    def _enter(self, connection: Connection, session: Session) -> None:
        """Puts a session on a web socket; one that it was on is left alone from now on."""
        connection.session, session.write, session.lost_s = session, connection.put, None
        self._note_who_hears()

    def _identify(self, connection: Connection, data: Any) -> None:
        self._check_newcomer(connection, data)
        intents, shard = data.get("intents"), data.get("shard") or [0, 1]
        if not isinstance(intents, int) or intents & ~Intents.all().value:
            raise _HangUpError(CloseCode.INVALID_INTENTS)
        if intents & _PRIVILEGED:
            raise _HangUpError(CloseCode.DISALLOWED_INTENTS)
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            raise _HangUpError(CloseCode.INVALID_SHARD)
        if self.faults.refuses_identify():
            connection.send(Op.INVALID_SESSION, False)
            return
        session = Session(intents, (shard[0], shard[1]))
        self._sessions[session.id] = session
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._enter(connection, session)
        served = [guild_id for guild_id in self._world.guilds if (int(guild_id) >> 22) % shard[1] == shard[0]]
        ready = {
            "v": 10,
            "user": user_json(self._world.bot),
            "guilds": [{"id": guild_id, "unavailable": True} for guild_id in served],
            "session_id": session.id,
            "resume_gateway_url": self._gateway_url,
            "shard": shard,
            "application": {"id": self._world.application_id, "flags": 0},
        }
        session.dispatch("READY", ready)
        for guild_id in served if intents & Intents(guilds=True).value else ():
            session.dispatch("GUILD_CREATE", guild_create_json(self._world, guild_id))
