"""One web socket of the gateway, and the numbers that are spoken on it. Sandbox's event loop."""

import asyncio
import json
import logging
import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from aiohttp import web

from bot.sandbox.gateway_session import Frame, Session

MAX_WAITING_EVENTS: Final = 10_000

_log = logging.getLogger(__name__)


class Op(IntEnum):
    """Discord's gateway opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    """Why the gateway hangs up."""

    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQUENCE = 4007
    INVALID_SHARD = 4010
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


class Connection:
    """One web socket. Outgoing frames wait in a bounded queue; `cut_off` ends it at once, as a client that doesn't read
    them is.

    session: None before it is identified or resumed. is_frozen: it stays open and nothing comes through any more.
    """

    def __init__(self, socket: web.WebSocketResponse, is_compressed: bool, cut_off: Callable[[], None]) -> None:
        self.socket = socket
        self.cut_off = cut_off
        self._compressor = zlib.compressobj() if is_compressed else None
        self._frames: asyncio.Queue[Frame] = asyncio.Queue(MAX_WAITING_EVENTS)
        self.session: Session | None = None
        self.is_frozen = False

    def send(self, op: Op, data: Any) -> None:
        self.put({"op": op, "d": data, "s": None, "t": None})

    def put(self, frame: Frame) -> None:
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            _log.warning("a gateway client does not read its events; it is cut off")
            if self.session is not None:
                self.session.write = None
            self.cut_off()

    async def write(self) -> None:
        """Sends frames as they come, until cancelled or the client is gone."""
        while True:
            text = json.dumps(await self._frames.get())
            if self.is_frozen:
                continue
            try:
                if self._compressor is None:
                    await self.socket.send_str(text)
                else:
                    data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(data)
            except ConnectionError:
                return
