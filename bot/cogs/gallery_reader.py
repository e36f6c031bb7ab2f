"""Reads the pages of galleries: which pictures come next, and their files. Used by the gallery, on the event loop.

Files are read, and numbered, on a worker thread.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.cogs.gallery_page import PAGE_SIZE, PageTurns
from bot.collage import number_picture
from bot.errors import StoreError, UnknownControlError
from bot.pictures import PictureFolder
from bot.store import Cursor, Gallery, PastImage, PastStore, Scope

STORE_TIMEOUT_S: Final = 5.0
FILES_TIMEOUT_S: Final = 10.0

_TURN: Final = re.compile(r"(newer|older)\.(\w+)", re.ASCII)
_JOB: Final = re.compile(r"[0-9a-f]{12}", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadPage:
    """shown: at most PAGE_SIZE pictures. is_other: there was nothing where the turn led, so this is the first page."""

    shown: Sequence[PastImage]
    turns: PageTurns
    is_other: bool = False


def parse_turn(argument: str, gallery: Gallery) -> Cursor:
    """The cursor in the argument of a TURN. Raises UnknownControlError if there is none for such a gallery."""
    match = _TURN.fullmatch(argument)
    form = _JOB if gallery.prompt is None and not gallery.is_favourites else _NUMBER
    if match is None or not form.fullmatch(match[2]):
        raise UnknownControlError
    return Cursor(match[2], is_newer=match[1] == "newer")


class GalleryReader:
    """Pages for whoever looks, of what they may see when the page is read."""

    def __init__(self, past: PastStore, pictures: PictureFolder) -> None:
        self._past = past
        self._pictures = pictures

    async def page(self, gallery: Gallery, channel_ids: frozenset[int], cursor: Cursor | None) -> ReadPage:
        """channel_ids: what its user can see. cursor: None for the first page. Raises StoreError."""
        scope = Scope(gallery.guild_id, gallery.user_id, channel_ids, gallery.of_user_id)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                page = await self._read(gallery, scope, cursor)
                if not page.shown and cursor is not None:
                    return replace(await self._read(gallery, scope, None), is_other=True)
                return page
        except TimeoutError as error:
            raise StoreError("The gallery could not be read in time.") from error

    async def files(self, shown: Sequence[PastImage]) -> list[bytes | None]:
        """The picture of each as a WebP file with its number, from 1; None where none is kept."""
        try:
            async with asyncio.timeout(FILES_TIMEOUT_S):
                return await asyncio.to_thread(self._load, shown)
        except TimeoutError:
            _log.warning("the pictures of a gallery could not be read within %g s", FILES_TIMEOUT_S)
            return [None] * len(shown)

    async def _read(self, gallery: Gallery, scope: Scope, cursor: Cursor | None) -> ReadPage:
        if gallery.prompt is not None:
            return await self._found(gallery, scope, 0 if cursor is None else int(cursor.shown))
        read = self._past.favourites if gallery.is_favourites else self._past.results
        # One more than is shown tells whether there is more in that direction.
        found = await read(scope, PAGE_SIZE + 1, cursor)
        has_more = len(found) > PAGE_SIZE
        if cursor is not None and cursor.is_newer:
            if not has_more:
                return await self._read(gallery, scope, None)
            return _page(found[1:], has_newer=True, has_older=True)
        return _page(found[:PAGE_SIZE], has_newer=cursor is not None, has_older=has_more)

    async def _found(self, gallery: Gallery, scope: Scope, start: int) -> ReadPage:
        """From the `start`-th picture that the search has found, less those that can't be seen any more."""
        end = start + PAGE_SIZE
        shown = await self._past.these(scope, gallery.found[start:end])
        newer = f"newer.{max(0, start - PAGE_SIZE)}" if start > 0 else None
        older = f"older.{end}" if end < len(gallery.found) else None
        return ReadPage(shown, PageTurns(newer, older))

    def _load(self, shown: Sequence[PastImage]) -> list[bytes | None]:
        return [self._load_one(past, number) for number, past in enumerate(shown, 1)]

    def _load_one(self, past: PastImage, number: int) -> bytes | None:
        try:
            png = self._pictures.load(past.job.id, past.rank)
            return None if png is None else number_picture(png, number)
        except (StoreError, OSError, ValueError) as error:
            _log.warning("job %s: picture %d can't be shown in a gallery: %s", past.job.id, past.rank, error)
            return None


def _page(shown: Sequence[PastImage], *, has_newer: bool, has_older: bool) -> ReadPage:
    if not shown:
        return ReadPage(shown, PageTurns())
    newer, older = (_key(past) for past in (shown[0], shown[-1]))
    return ReadPage(shown, PageTurns(f"newer.{newer}" if has_newer else None, f"older.{older}" if has_older else None))


def _key(past: PastImage) -> str:
    return past.job.id if past.favourite_id is None else str(past.favourite_id)
