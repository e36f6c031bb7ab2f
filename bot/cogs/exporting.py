"""Sends people what the bot has of them, as zip files by direct message. Used by /privacy export, on the event loop."""

import asyncio
import io
import logging
from pathlib import Path
from typing import Final

import discord

from bot.cogs.message_removal import EXPORT_PREFIX
from bot.cogs.packing import Packed, Packing
from bot.cogs.progress_note import ProgressNote, write_to
from bot.error_handler import explain
from bot.errors import NotAdmittedError
from bot.language import Language

MAX_EXPORTS: Final = 2
EXPORT_TIMEOUT_S: Final = 30 * 60.0
CLOSE_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class Exporting:
    """One export of a person at a time, MAX_EXPORTS in all; one that a restart interrupts has to be asked for again."""

    def __init__(self, client: discord.Client, packing: Packing) -> None:
        self._client = client
        self._packing = packing
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def check(self, user_id: int) -> None:
        """Raises NotAdmittedError if no export of this person can begin now."""
        if user_id in self._tasks:
            raise NotAdmittedError("Your last export is still being packed. Wait until it has arrived.")
        if len(self._tasks) >= MAX_EXPORTS:
            raise NotAdmittedError(
                "I am packing {count} exports, as many as I can at once. Try again in some minutes.",
                count=len(self._tasks),
            )

    def start(self, user_id: int, note: ProgressNote, language: Language) -> None:
        """Begins in the background. note: is told what came of it. Raises as `check` does."""
        self.check(user_id)
        task = asyncio.create_task(self._export(user_id, note, language), name=f"export of {user_id}")
        self._tasks[user_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(user_id))

    async def aclose(self) -> None:
        """Stops those under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)

    async def _export(self, user_id: int, note: ProgressNote, language: Language) -> None:
        try:
            async with asyncio.timeout(EXPORT_TIMEOUT_S), self._packing.packed(user_id) as packed:
                said = await self._send(user_id, packed, language)
        except Exception as error:
            said = explain(error, doing=f"the export of user {user_id}", language=language)
        await note.end(said)

    async def _send(self, user_id: int, packed: Packed, language: Language) -> str:
        """What came of it."""
        count = len(packed.paths)
        for number, path in enumerate(packed.paths, start=1):
            data = await asyncio.to_thread(_read, path)
            text = language.text("What I have of you, file {number} of {count}.", number=number, count=count)
            file = discord.File(io.BytesIO(data), filename=f"{EXPORT_PREFIX}{number}.zip", description=text)
            if not await write_to(self._client, user_id, text, file):
                return language.text(
                    "I could not send you file {number} of {count}. Allow direct messages from this server's members "
                    "in its privacy settings, then use /privacy export again.",
                    number=number,
                    count=count,
                )
        _log.info("user %d got an export of %d files", user_id, count)
        sent = language.plural(
            "Sent to you as a direct message: {n} file.", "Sent to you as direct messages: {n} files.", count
        )
        if not packed.num_left_out:
            return sent
        rest = language.plural(
            "{n} picture had no room in them: save it from its own message.",
            "{n} pictures had no room in them: save them from their own messages.",
            packed.num_left_out,
        )
        return f"{sent}\n{rest}"


def _read(path: Path) -> bytes:
    return path.read_bytes()
