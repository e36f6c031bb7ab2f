"""Keeps a drawn result, for what its message's buttons do later. Used by the deliveries, on the event loop.

Encoding and writing go to a worker thread. A failure costs the buttons of one message, never its delivery.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from bot.cogs.picture_threads import PictureThreads
from bot.collage import encode_png
from bot.errors import StoreError
from bot.pictures import PictureFolder
from bot.render import picture_metadata
from bot.requests import Result
from bot.store import ImageStore, JobStore, StoredImage

KEEP_TIMEOUT_S: Final = 20.0

_log = logging.getLogger(__name__)


class ResultKeeper:
    """jobs: says whose pictures are still waited for. images: the store of tokens, scores and vectors. pictures: the
    folder of PNG files. threads: to write these."""

    def __init__(self, jobs: JobStore, images: ImageStore, pictures: PictureFolder, threads: PictureThreads) -> None:
        self._jobs = jobs
        self._images = images
        self._pictures = pictures
        self._threads = threads
        self._turn = asyncio.Lock()

    async def keep(self, result: Result) -> bool:
        """`save`, for whoever goes on without; whether it succeeded. The log says why not."""
        job_id = result.request.job_id
        try:
            await self.save(result)
        except StoreError as error:
            _log.warning("job %s: its pictures could not be kept: %s", job_id, error)
        except Exception:
            # Whatever is wrong here, the pictures are drawn and somebody waits for them.
            _log.exception("job %s: its pictures could not be kept", job_id)
        else:
            return True
        return False

    async def save(self, result: Result) -> None:
        """Stores every picture with its metadata, so that not even a power cut loses it. Raises NoRoomError if those of
        unfinished jobs take all the room, StoreError if the disk or the database doesn't take them."""
        job_id = result.request.job_id
        try:
            pngs = await self._threads.run(KEEP_TIMEOUT_S, _encode, result)
            await self._write(job_id, pngs)
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                await self._images.save(job_id, _stored_images(result))
        except TimeoutError as error:
            raise StoreError(f"That took longer than {KEEP_TIMEOUT_S:g} s.") from error

    async def drop(self, job_id: str) -> None:
        """Forgets the pictures of a job whose message will never show them; the log says if that failed."""
        try:
            await self._threads.run(KEEP_TIMEOUT_S, self._pictures.delete, job_id)
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                await self._images.delete(job_id)
        except (StoreError, TimeoutError) as error:
            _log.warning("job %s: its pictures were not removed: %s", job_id, str(error) or type(error).__name__)

    async def _write(self, job_id: str, pngs: list[bytes]) -> None:
        """Pictures of jobs that have not ended don't give way. One job at a time, so that none is kept between the
        question which these are and the making of room."""
        async with self._turn:
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                unfinished = await self._jobs.unfinished_ids()
            await self._threads.run(KEEP_TIMEOUT_S, self._pictures.save, job_id, pngs, spared=unfinished)


def _encode(result: Result) -> list[bytes]:
    about_all = picture_metadata(result.request, result.sampling, result.model)
    return [
        encode_kept(image.pixels, about_all, stored)
        for image, stored in zip(result.images, _stored_images(result), strict=True)
    ]


def encode_kept(pixels: npt.NDArray[np.uint8], about_all: Mapping[str, str], stored: StoredImage) -> bytes:
    """The PNG file of one picture. pixels: [height, width, 3]. about_all: the metadata of all pictures of its job."""
    about_one = {"rank": str(stored.rank), "index": str(stored.index), "score": f"{stored.score:.2f}"}
    return encode_png(Image.fromarray(pixels), {**about_all, **about_one})


def _stored_images(result: Result) -> list[StoredImage]:
    return [
        StoredImage(
            rank=rank,
            index=image.index,
            score=image.score,
            model=result.model,
            tokens=image.image_tokens,
            vector=image.clip_vector,
        )
        for rank, image in enumerate(result.images, 1)
    ]
