"""Keeps a running sandbox in its folder, so that whatever ends it, a kill -9 too, the next one goes on where it was.
Called by hosting.py; event loop of the sandbox, and a worker thread for the disk.

What a client was told has been kept before: REST answers to changes wait for it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bot.sandbox.clock import Clock
from bot.sandbox.kept_server import KeptServer, decode, kept_server
from bot.sandbox.sandbox_folder import SandboxFolder
from bot.sandbox.server import SandboxServer
from bot.sandbox.world import World

_log: Final = logging.getLogger(__name__)


class Keeper:
    """One writes at a time; those who ask meanwhile share the next write."""

    def __init__(self, folder: SandboxFolder, server: SandboxServer) -> None:
        self._folder = folder
        self._server = server
        self._num_asked = self._num_kept = 0
        self._writing: asyncio.Task[None] | None = None
        self._is_failing = False

    async def keep(self) -> None:
        """Returns once everything up to now is on disk. If the disk refuses, the log says so, and all goes on."""
        self._num_asked += 1
        asked = self._num_asked
        while self._num_kept < asked:
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(), name="keep the sandbox")
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        asked = self._num_asked
        kept = kept_server(self._server)
        ids = kept.attachment_ids
        found = {one: self._server.files.read(one) for one in self._folder.lacks(ids)}
        state, new = kept.encode(), {one: data for one, data in found.items() if data is not None}
        try:
            await asyncio.to_thread(self._folder.save, state, new, ids)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                _log.error("the sandbox can't be kept in %s: %s", self._folder.folder, error.strerror)
            self._is_failing = True
        self._num_kept = asked


def server_in(
    folder: SandboxFolder, clock: Clock, make: Callable[[World, Clock], SandboxServer]
) -> tuple[SandboxServer, bool]:
    """The server that a folder holds, or a new one; and whether it is an old one. make: makes one. Called on the
    server's event loop. Raises ConfigError if what is there can't be used."""
    state = folder.state()
    if state is None:
        return make(World(clock), clock), False
    try:
        kept: KeptServer = decode(state)
        server = make(kept.world_again(clock), clock)
    except KeyError as error:
        raise folder.damaged(f"nothing has the id {error}") from error
    except ValueError as error:
        raise folder.damaged(str(error)) from error
    for message in kept.messages:
        for attachment in message.attachments:
            data = folder.attachment(attachment.id)
            if data is not None:
                server.files.put(attachment, data)
    kept.restore(server)
    return server, True
