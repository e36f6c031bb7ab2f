"""From a stored job to what it was: its request, for doing it again, and its result, for showing it. Pure.

Pictures are decoded here, which takes some milliseconds each: on a worker thread.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bot.kept_png import decode_png
from bot.language import Text
from bot.requests import GeneratedImage, GenerationRequest, Result, Sampling, SamplingOverrides
from bot.store import JobRecord, StoredImage


def request_of(job: JobRecord) -> GenerationRequest:
    """What was asked, with the job's own id, without previews."""
    return GenerationRequest(
        prompt=job.prompt,
        num_images=job.num_images,
        seed=job.seed,
        requester=str(job.user_id),
        guild=str(job.guild_id),
        weight=job.weight,
        sampling=SamplingOverrides(job.condition_scale, job.top_k, job.top_p, job.temperature),
        negative_prompt=job.negative_prompt,
        image_tokens=job.image_tokens,
        codes_of=job.model or (job.result or {}).get("model") if job.image_tokens else None,
        job_id=job.id,
    )


def result_of(job: JobRecord, images: Sequence[StoredImage], pictures: Sequence[npt.NDArray[np.uint8]]) -> Result:
    """The result as it was when it was drawn. images: at least one. pictures: of each, uint8 [height, width, 3]."""
    told = job.result or {}
    generated = tuple(
        GeneratedImage(
            index=image.index,
            pixels=pixels,
            image_tokens=image.tokens,
            score=image.score,
            clip_vector=image.vector,
        )
        for image, pixels in zip(images, pictures, strict=True)
    )
    return Result(
        request=request_of(job),
        model=images[0].model,
        sampling=Sampling(**told["sampling"]),
        images=generated,
        notices=tuple(Text.verbatim(sentence) for sentence in told.get("notices", ())),
        seconds=told["seconds"],
    )


def picture_of(png: bytes) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3] of a kept PNG file."""
    return np.asarray(decode_png(png))
