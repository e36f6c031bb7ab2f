"""Unfinished pictures on their way to a job's message: who may see them, and their encoding on a worker thread."""

import asyncio
import logging
from typing import Final

from bot.cogs.picture_threads import PictureThreads
from bot.guild_settings import GuildSettings
from bot.language import Language
from bot.render import Picture, render_preview
from bot.requests import GenerationRequest, PreviewImage

PREVIEW_TIMEOUT_S: Final = 30.0
ROUND_S: Final = 2.5  # a little less than the interval of edits, so that each of them finds something new

_log = logging.getLogger(__name__)


def previews_allowed(settings: GuildSettings) -> bool:
    """Whether a guild wants pictures to be shown before they are finished."""
    return settings.previews


def preview_interval_s(settings: GuildSettings, num_images: int, *, are_kept_from_sight: bool) -> float | None:
    """For GenerationRequest: often enough that each image has its turn within ROUND_S, even if there is one in a
    preview. None if there are to be none: where the guild switched them off, or where the pictures can be kept from
    being seen, which an unfinished one could break."""
    return ROUND_S / num_images if previews_allowed(settings) and not are_kept_from_sight else None


class PreviewEncoder:
    """The previews of one job. One is encoded at a time, and nobody waits for it. Event loop only; close it."""

    def __init__(self, request: GenerationRequest, language: Language, threads: PictureThreads) -> None:
        self._request = request
        self._language = language
        self._threads = threads
        self._offered: tuple[PreviewImage, ...] = ()
        self._encoding: asyncio.Future[Picture] | None = None
        self._is_refused = False

    @property
    def under_way(self) -> tuple[asyncio.Future[Picture], ...]:
        """What to wait for, if anything is being encoded."""
        return () if self._encoding is None or self._encoding.done() else (self._encoding,)

    def offer(self, pictures: tuple[PreviewImage, ...]) -> None:
        """Begins to encode these, unless they are the last ones again or others are still being encoded."""
        if not pictures or self._is_refused or self.under_way or pictures is self._offered:
            return
        self._offered = pictures
        encode = self._threads.run(PREVIEW_TIMEOUT_S, render_preview, self._request, pictures, language=self._language)
        self._encoding = asyncio.ensure_future(encode)

    def take(self) -> Picture | None:
        """The newest preview that is ready, once."""
        if self._encoding is None or not self._encoding.done():
            return None
        encoded, self._encoding = self._encoding, None
        try:
            return encoded.result()
        except Exception:
            _log.exception("job %s: a preview could not be made, so there are no more", self._request.job_id)
            self._is_refused = True
            return None

    def refuse(self) -> None:
        """Discord takes none: makes no more of them."""
        self._is_refused = True

    def close(self) -> None:
        """Gives up what is being encoded; the thread ends by itself."""
        if self._encoding is not None and not self._encoding.cancel():
            self._encoding.exception()  # looked at, so that asyncio does not complain of it
