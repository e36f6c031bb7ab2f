"""How fast the parts around the engines are, each measured alone: the event loop of a bot, the database, the pictures.

Called by scale.py and scale_database.py, on the event loop of the bench.
"""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Final

import numpy as np

from bot.app import open_app, serving
from bot.collage import encode_png, make_collage
from bot.config import QueueSettings, Settings
from bot.engine.fake import FakeEngine
from bot.requests import Result
from bot.sandbox import Sandbox
from bot.store import JobState, NewJob, Store

_TIMEOUT_S: Final = 60.0
_COURSE: Final = (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED)


async def loop_s_per_job(folder: Path, num_jobs: int) -> float:
    """Seconds of processor time that a bot's event loop takes for one job, from command to pictures, in the sandbox,
    with an engine that takes no time."""
    settings = Settings(data_dir=folder, queue=QueueSettings(max_jobs=num_jobs + 1, max_jobs_per_user=num_jobs + 1))
    async with Sandbox.start(process=True) as sandbox:
        with sandbox.patch_discord():
            async with open_app(settings, FakeEngine) as app, serving(app, sandbox.token):
                await sandbox.wait_until_connected(_TIMEOUT_S)
                line = "/imagine prompt:a red circle images:9"
                await sandbox.play(line, timeout_s=_TIMEOUT_S)
                began_s = time.thread_time()
                for _ in range(num_jobs):
                    await sandbox.play(line, timeout_s=_TIMEOUT_S)
                return (time.thread_time() - began_s) / num_jobs


async def jobs_per_s_of_store(url: str, num_jobs: int) -> float:
    """How many jobs a second go through all their states in the database, eight at a time."""
    async with Store.open(url) as store:
        numbers = iter(range(1, num_jobs + 1))

        async def one_after_the_other() -> None:
            for number in numbers:
                job = await store.jobs.create(
                    NewJob(prompt="a red circle", num_images=9, seed=1, user_id=1, channel_id=2, interaction_id=number)
                )
                await store.jobs.acknowledge(job.id, 2, number)
                for state in _COURSE:
                    await store.jobs.move(job.id, state)

        began_s = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(8)))
        return num_jobs / (time.perf_counter() - began_s)


def mean_picture_bytes(results: list[Result]) -> float:
    """Of the collages that would be uploaded."""
    return statistics.fmean(
        len(encode_png(make_collage([np.asarray(image.pixels) for image in result.images]), {})) for result in results
    )
