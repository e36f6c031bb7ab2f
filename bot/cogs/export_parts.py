"""Zip files of a bounded size, filled one entry after the other. Used by /privacy export, on worker threads.

Blocks. A part is closed when the next entry would make it too large for Discord; what no part has room for is left out.
"""

import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MAX_PARTS: Final = 10
MAX_PART_BYTES: Final = 9 * 1024 * 1024  # a little less than Discord takes without a server that pays for more
_ENTRY_BYTES: Final = 200  # of a zip's own notes on an entry, with its name twice
_STORED: Final = (".png",)  # compressed already


class ExportParts:
    """Files in `folder`, numbered from 1. Leaving the context closes the last one."""

    def __init__(self, folder: Path, *, max_part_bytes: int = MAX_PART_BYTES, max_parts: int = MAX_PARTS) -> None:
        self._folder = folder
        self._max_part_bytes = max_part_bytes
        self._max_parts = max_parts
        self._archive: zipfile.ZipFile | None = None
        self._size_bytes = 0
        self.paths: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def add(self, name: str, data: bytes) -> bool:
        """Packs an entry; False if there is no room for it. Raises OSError if the disk is at fault."""
        is_stored = name.endswith(_STORED)
        size_bytes = _ENTRY_BYTES + 2 * len(name) + (len(data) if is_stored else len(zlib.compress(data)))
        if size_bytes > self._max_part_bytes:
            return False
        if self._archive is None or self._size_bytes + size_bytes > self._max_part_bytes:
            if len(self.paths) == self._max_parts:
                return False
            self._close()
            self.paths.append(self._folder / f"{len(self.paths) + 1}.zip")
            self._archive = zipfile.ZipFile(self.paths[-1], "w")
            self._size_bytes = 0
        kind = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
        self._archive.writestr(name, data, kind)
        self._size_bytes += size_bytes
        return True

    def _close(self) -> None:
        if self._archive is not None:
            self._archive.close()
            self._archive = None
