"""Files and folders that only their owner may read: what the bot keeps is what people have asked for. Blocks. Called by
those that make them, whatever the umask is; what is there already keeps its rights.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


def make_private_folder(folder: Path) -> None:
    """With those above it that are missing. Raises OSError."""
    try:
        folder.mkdir(_FOLDER_MODE, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_private_folder(folder.parent)
        folder.mkdir(_FOLDER_MODE, exist_ok=True)


def make_private_file(file: Path) -> None:
    """An empty one, unless something is there. Raises OSError."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))


def open_private(file: Path) -> IO[bytes]:
    """For writing, without what was in it. Raises OSError."""
    return open(file, "wb", opener=lambda name, flags: os.open(name, flags, FILE_MODE))
