"""Keeps a drawn result, for what its message's buttons do later. Used by the deliveries, on the event loop.

Encoding and writing go to a worker thread. A failure costs the buttons of one message, never its delivery.
"""

import asyncio
import logging
from typing import Final

from PIL import Image

from bot.collage import encode_png
from bot.errors import StoreError
from bot.pictures import PictureFolder
from bot.render import picture_metadata
from bot.requests import Result
from bot.store import ImageStore, StoredImage

KEEP_TIMEOUT_S: Final = 20.0

_log = logging.getLogger(__name__)


class ResultKeeper:
    """images: the store of tokens, scores and vectors. pictures: the folder of PNG files."""

    def __init__(self, images: ImageStore, pictures: PictureFolder) -> None:
        self._images = images
        self._pictures = pictures

    async def keep(self, result: Result) -> bool:
        """Stores every picture with its metadata; whether that succeeded. The log says why not."""
        job_id = result.request.job_id
        try:
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                await asyncio.to_thread(self._write, result)
                await self._images.save(job_id, _stored_images(result))
        except TimeoutError:
            _log.warning("job %s: its pictures could not be kept within %g s", job_id, KEEP_TIMEOUT_S)
        except StoreError as error:
            _log.warning("job %s: its pictures could not be kept: %s", job_id, error)
        except Exception:
            # Whatever is wrong here, the pictures are drawn and somebody waits for them.
            _log.exception("job %s: its pictures could not be kept", job_id)
        else:
            return True
        return False

    def _write(self, result: Result) -> None:
        about_all = picture_metadata(result)
        pngs = []
        for rank, image in enumerate(result.images, 1):
            about_one = {"rank": str(rank), "index": str(image.index), "score": f"{image.score:.2f}"}
            pngs.append(encode_png(Image.fromarray(image.pixels), {**about_all, **about_one}))
        self._pictures.save(result.request.job_id, pngs)


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
