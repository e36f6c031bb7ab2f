"""Packs what the bot has of one person into zip files. Used by /privacy export, on the event loop.

First what the store has, then the pictures that were shown and are still on disk, the newest first; files are written
on the threads for pictures.
"""

import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bot.cogs.export_parts import ExportParts
from bot.cogs.picture_threads import PictureThreads
from bot.pictures import PictureFolder
from bot.store import SHOWN_STATES, ExportPage, ExportStore

STEP_TIMEOUT_S: Final = 60.0

_FORMATS: Final = {
    "*.json": "a table of the bot's database, up to 200 rows a file; times are UTC, ids are Discord's own",
    "tokens in images": "base64 of int32 numbers, little end first: the codes that the picture was decoded from",
    "vector in images": "base64 of float16 numbers, little end first: CLIP's description of the picture",
    "pictures/JOB/RANK.png": "the pictures that were shown and are still on the bot's disk; 1 is the best of its job",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """paths: the zip files. num_pictures: in them; num_left_out: pictures and tables that had no room."""

    paths: tuple[Path, ...]
    num_pictures: int
    num_left_out: int


class Packing:
    """Methods may raise StoreError, OSError and TimeoutError."""

    def __init__(self, store: ExportStore, pictures: PictureFolder, threads: PictureThreads) -> None:
        self._store = store
        self._pictures = pictures
        self._threads = threads

    @asynccontextmanager
    async def packed(self, user_id: int) -> AsyncIterator[Packed]:
        """The files, which last as long as the block."""
        folder = await self._threads.run(STEP_TIMEOUT_S, tempfile.TemporaryDirectory, prefix="dalle-bot-export-")
        try:
            yield await self._pack(user_id, Path(folder.name))
        finally:
            await self._threads.run(STEP_TIMEOUT_S, folder.cleanup)

    async def _pack(self, user_id: int, folder: Path) -> Packed:
        parts = ExportParts(folder)
        num_rows, num_pictures, num_left_out = Counter[str](), 0, 0
        jobs: list[tuple[str, str, int]] = []
        async for page in self._store.pages(user_id):
            num_rows[page.table] += len(page.rows)
            if page.table == "jobs":
                shown = (row for row in page.rows if row["state"] in SHOWN_STATES)
                jobs += [(row["created_at"], row["id"], row["num_images"]) for row in shown]
            is_packed = await self._threads.run(STEP_TIMEOUT_S, _add_page, parts, page)
            num_left_out += not is_packed
        for _, job_id, num_images in sorted(jobs, reverse=True):
            packed, left_out = await self._threads.run(STEP_TIMEOUT_S, self._add_pictures, parts, job_id, num_images)
            num_pictures += packed
            num_left_out += left_out
        about = {
            "user": str(user_id),
            "made_at": datetime.now(UTC).isoformat(),
            "rows": dict(num_rows),
            "pictures": num_pictures,
            "left_out": num_left_out,
            "formats": _FORMATS,
        }
        await self._threads.run(STEP_TIMEOUT_S, _end, parts, about)
        return Packed(tuple(parts.paths), num_pictures, num_left_out)

    def _add_pictures(self, parts: ExportParts, job_id: str, num_images: int) -> tuple[int, int]:
        """How many of a job's pictures were packed, and how many had no room."""
        found = ((rank, self._pictures.load(job_id, rank)) for rank in range(1, num_images + 1))
        packed = [parts.add(f"pictures/{job_id}/{rank}.png", png) for rank, png in found if png is not None]
        return sum(packed), len(packed) - sum(packed)


def _add_page(parts: ExportParts, page: ExportPage) -> bool:
    return parts.add(f"{page.table}/{page.number}.json", _json(page.rows))


def _end(parts: ExportParts, about: dict[str, Any]) -> None:
    with parts:
        parts.add("about.json", _json(about))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
