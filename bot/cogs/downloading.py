"""All pictures of a result as one zip file, made in memory. A handler of presses, on the event loop."""

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.picture_source import PictureSource
from bot.cogs.results import KeptResult, Results
from bot.errors import JobEndedError
from bot.render import MAX_REQUEST_BYTES, Picture
from bot.requests import SAMPLING_BOUNDS
from bot.views.custom_id import CustomId

ZIP_TIMEOUT_S: Final = 30.0
_STAMP: Final = (1980, 1, 1, 0, 0, 0)  # zip's own epoch: the same pictures give the same file


class Downloading:
    """Raises as Results and PictureSource do."""

    def __init__(self, results: Results, source: PictureSource, languages: Languages) -> None:
        self._results = results
        self._source = source
        self._languages = languages

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Answers with the zip, or with a sentence if it is too large for Discord."""
        result = await self._results.result(interaction, pressed.job_id)
        await think(interaction)
        pngs = [await self._source.png(interaction, result, image) for image in result.images]
        async with asyncio.timeout(ZIP_TIMEOUT_S):
            data = await asyncio.to_thread(make_zip, result, [png.data for png in pngs])
        limit = min(interaction.filesize_limit, MAX_REQUEST_BYTES)
        if len(data) > limit:
            raise JobEndedError(
                "The zip file has {size:.1f} MB, and Discord takes {limit:.1f} MB here. Look closer at single pictures "
                "instead.",
                size=len(data) / 1e6,
                limit=limit / 1e6,
            )
        language = self._languages.of(str(interaction.locale))
        said = language.plural(
            "{n} picture, with its prompt and parameters in job.json.",
            "{n} pictures, with their prompt and parameters in job.json.",
            len(pngs),
        )
        described = language.plural(
            "Zip file with {n} image of: {prompt}",
            "Zip file with {n} images of: {prompt}",
            len(pngs),
            prompt=result.job.prompt,
        )
        await answer_alone(interaction, said, attachment=Picture(f"dalle-bot-{result.job.id}.zip", data, described))


def make_zip(result: KeptResult, pngs: Sequence[bytes]) -> bytes:
    """`job.json` and the PNG files, best first, named by rank."""
    about = json.dumps(_about(result), ensure_ascii=False, indent=2)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(zipfile.ZipInfo("job.json", _STAMP), about, zipfile.ZIP_DEFLATED)
        for image, png in zip(result.images, pngs, strict=True):
            archive.writestr(zipfile.ZipInfo(_name(image.rank), _STAMP), png)
    return data.getvalue()


def _name(rank: int) -> str:
    return f"{rank}.png"


def _about(result: KeptResult) -> dict[str, Any]:
    job = result.job
    asked = {name: getattr(job, name) for name in SAMPLING_BOUNDS}
    return {
        "job": job.id,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "seed": job.seed,
        "model": result.images[0].model,
        "sampling": (job.result or {}).get("sampling", asked),
        "kind": job.kind,
        "parent": job.parent_id,
        "parent_rank": job.parent_rank,
        "created_at": job.created_at.isoformat(),
        "images": [
            {"rank": image.rank, "score": image.score, "index": image.index, "file": _name(image.rank)}
            for image in result.images
        ],
    }
