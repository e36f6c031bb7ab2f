"""The PNG file of one picture: from its folder or, if it had to give way there, drawn again from its tokens.

Used by whatever shows kept pictures, on the event loop. Files are read and written on worker threads.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any, Final

import discord

from bot.cogs.answering import think
from bot.cogs.delivery import Deliveries
from bot.cogs.job_requests import request_of
from bot.cogs.result_keeper import encode_kept
from bot.cogs.results import KeptResult
from bot.cogs.updates import UpdateReader, submit_job
from bot.errors import JobEndedError, StoreError
from bot.executor.base import Executor
from bot.pictures import PictureFolder
from bot.render import picture_metadata
from bot.requests import Finished, GenerationRequest, Result, new_job_id
from bot.store import StoredImage

READ_TIMEOUT_S: Final = 0.5
REDRAW_TIMEOUT_S: Final = 120.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PngFile:
    """is_redrawn: whether it is not the file that was kept."""

    data: bytes
    is_redrawn: bool


class PictureSource:
    """pictures: the folder. executor: draws what the folder has no more. deliveries: wait for that when they close."""

    def __init__(self, pictures: PictureFolder, executor: Executor, deliveries: Deliveries) -> None:
        self._pictures = pictures
        self._executor = executor
        self._deliveries = deliveries

    async def png(self, interaction: discord.Interaction[Any], result: KeptResult, image: StoredImage) -> PngFile:
        """A picture of a result, with its metadata. Drawing it again counts as a job of the interaction's user.

        Raises JobEndedError if that can't be, and what submitting and drawing a job raise.
        """
        data = await self._load(result.job.id, image.rank)
        if data is not None:
            return PngFile(data, is_redrawn=False)
        check_model(self._executor, image.model)
        await think(interaction)
        return PngFile(await self._redraw(interaction, result, image), is_redrawn=True)

    async def stored(self, result: KeptResult) -> list[bytes | None]:
        """The PNG file of each picture of a result, None for one that must be drawn again.

        Raises JobEndedError if there is such a one and it can't be drawn.
        """
        files = list(await asyncio.gather(*(self._load(result.job.id, image.rank) for image in result.images)))
        for image, data in zip(result.images, files, strict=True):
            if data is None:
                check_model(self._executor, image.model)
        return files

    async def _load(self, job_id: str, rank: int) -> bytes | None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await asyncio.to_thread(self._pictures.load, job_id, rank)
        except (StoreError, TimeoutError) as error:
            _log.warning("job %s: picture %d can't be read, drawing it again: %s", job_id, rank, error)
            return None

    async def _redraw(self, interaction: discord.Interaction[Any], result: KeptResult, image: StoredImage) -> bytes:
        job = result.job
        request = replace(
            request_of(job),
            num_images=1,
            image_tokens=tuple(image.tokens.tolist()),
            codes_of=image.model,
            requester=str(interaction.user.id),
            job_id=new_job_id(),
        )
        with self._deliveries.accepting(request.job_id):
            updates, _ = await submit_job(self._executor, request)
            try:
                async with asyncio.timeout(REDRAW_TIMEOUT_S):
                    drawn = await _finished(updates)
            except TimeoutError as error:
                raise JobEndedError(
                    "The picture has to be drawn again, and the line is too long for that now. Try again later."
                ) from error
            finally:
                await self._executor.cancel(request.job_id)
                await updates.aclose()
        about_all = picture_metadata(request_of(job), drawn.sampling, drawn.model)
        return await asyncio.to_thread(encode_kept, drawn.images[0].pixels, about_all, image)


async def _finished(updates: UpdateReader) -> Result:
    while True:
        update = await updates.next(REDRAW_TIMEOUT_S)
        if isinstance(update, Finished):
            return update.result


def check_codes(executor: Executor, request: GenerationRequest) -> None:
    """Raises JobEndedError if a request brings image tokens and the model that they are codes of isn't loaded."""
    if not request.image_tokens or request.codes_of is None:
        return
    info = executor.status.info
    if info is None:
        raise JobEndedError("The model is still loading. Try again in a minute.")
    if executor.status.model(request.codes_of) is None:
        raise JobEndedError(
            "This job goes on from a picture of the model {old:.80}, and the bot has {new:.80} now. Use its prompt "
            "with /imagine instead.",
            old=request.codes_of,
            new=info.name,
        )


def check_model(executor: Executor, model: str) -> int:
    """The rows of codes of a picture of `model`, which must be loaded to go on from such a picture.

    Raises JobEndedError if it isn't.
    """
    status = executor.status
    if status.info is None:
        raise JobEndedError("The model is still loading. Try again in a minute.")
    fitting = status.model(model)
    if fitting is None:
        raise JobEndedError(
            "This picture was drawn by the model {old:.80}, and the bot has {new:.80} now, which can't go on from it.",
            old=model,
            new=status.info.name,
        )
    return fitting.num_rows
