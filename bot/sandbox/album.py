"""Saves attachments that a player sees into a folder. Sandbox's event loop; writing happens on a worker thread."""

import asyncio
import os
import re
from pathlib import Path

from bot.errors import ConfigError
from bot.sandbox.files import FileShelf
from bot.sandbox.messages import Attachment

MAX_REMEMBERED = 10_000


class Album:
    """Gives each attachment a name of its own in `out`, which is made if need be. Without `out` nothing is saved."""

    def __init__(self, files: FileShelf, out: Path | None) -> None:
        self._files = files
        self._out = out
        self._names: dict[str, str] = {}

    async def add(self, attachment: Attachment) -> str:
        """Saves an attachment the first time that it is seen; returns its file name (without `out`, as uploaded).

        Raises OSError if it can't be written; the next call tries again."""
        if self._out is None:
            return attachment.filename
        name = self._names.get(attachment.id)
        if name is None:
            if len(self._names) >= MAX_REMEMBERED:
                self._names.clear()
            data = self._files.read(attachment.id) or b""
            name = self._names[attachment.id] = await asyncio.to_thread(_save, self._out, attachment.filename, data)
        return name


def make_folder(out: Path) -> None:
    """Makes the folder of an album. Raises ConfigError naming --out if it can't be made or written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"--out: {out} is a file; name a folder.") from None
    except OSError as error:
        raise ConfigError(f"--out: the folder {out} can't be made ({error.strerror}).") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise ConfigError(f"--out: the folder {out} can't be written to.")


def _save(folder: Path, filename: str, data: bytes) -> str:
    """Writes under a name that is safe and not taken: picture.png, picture-2.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    safe = Path(re.sub(r"[^\w.-]", "_", filename).lstrip(".") or "file")
    number = 1
    while True:
        name = safe.name if number == 1 else f"{safe.stem}-{number}{safe.suffix}"
        try:
            with (folder / name).open("xb") as file:
                file.write(data)
        except FileExistsError:
            number += 1
        else:
            return name
