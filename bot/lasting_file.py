"""Files that outlive a power cut: their bytes, and the names that folders have for them. Blocks. Called by those that
promise it.
"""

import os
from contextlib import suppress
from pathlib import Path

from bot.private_files import open_private


def write_lasting(file: Path, data: bytes) -> None:
    """The file is there as a whole or not at all, for its owner alone. A power cut may still take its name, until
    `sync_folder` on the folder that it is in. Raises OSError, and leaves nothing then."""
    part = file.with_name(f"{file.name}.part")
    try:
        with open_private(part) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """The names in a folder are on disk as they are now. Raises OSError."""
    if os.name == "nt":
        return  # it opens no folders, and keeps their names by itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all() -> None:
    """All that was written before is on disk, as far as the system says when."""
    if hasattr(os, "sync"):
        os.sync()
