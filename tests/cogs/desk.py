"""What tests of deliveries work with: the real executor and store, a fake engine and a recorded message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import MagicMock

import discord

from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.picture_check import PictureCheck
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.updates import UpdateReader
from bot.engine.fake import FakeEngine
from bot.executor.local import LocalExecutor
from bot.language import ENGLISH
from bot.pictures import PictureFolder
from bot.requests import GenerationRequest, Queued, new_job_id
from bot.shards import ALL_SHARDS, Shards
from bot.store import ImageStore, JobRecord, JobState, JobStore, NewJob, Store

TEN_MIB = 10 * 1024 * 1024
TIMEOUT_S = 20.0


@dataclass
class Recorded:
    """The edits of one message: their contents, how many files each carried, and the names of all files.

    Raises `refusals` first, if any; refuses files whose names hold `refused_name`.
    """

    contents: list[str] = field(default_factory=list)
    num_files: list[int] = field(default_factory=list)
    filenames: list[str] = field(default_factory=list)
    refusals: list[discord.HTTPException] = field(default_factory=list)
    refused_name: str | None = None
    has_picture: asyncio.Event = field(default_factory=asyncio.Event)

    async def edit(self, *, content: str, attachments: list[discord.File], **_: object) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        names = [file.filename for file in attachments or ()]
        if self.refused_name is not None and any(self.refused_name in name for name in names):
            raise refusal(403, 50001)
        self.filenames += names
        self.contents.append(content)
        self.num_files.append(len(attachments) if attachments is not discord.utils.MISSING else 0)
        if self.num_files[-1]:
            self.has_picture.set()


@dataclass
class Desk:
    """What a test works with."""

    store: JobStore
    images: ImageStore
    executor: LocalExecutor
    deliveries: Deliveries
    recorded: Recorded = field(default_factory=Recorded)

    async def accept(
        self,
        prompt: str = "a red circle",
        *,
        user_id: int = 1,
        num_images: int = 2,
        preview_interval_s: float | None = None,
        job_id: str | None = None,
    ) -> GenerationRequest:
        """Does what the job desk does, up to the delivery's start."""
        request = GenerationRequest(
            prompt,
            num_images,
            seed=3,
            requester=str(user_id),
            preview_interval_s=preview_interval_s,
            job_id=job_id or new_job_id(),
        )
        new = NewJob(
            id=request.job_id,
            prompt=prompt,
            num_images=num_images,
            seed=3,
            user_id=user_id,
            channel_id=20,
            interaction_id=int(request.job_id, 16),
        )
        await self.store.create(new)
        updates = UpdateReader(await self.executor.submit(request))
        await self.store.acknowledge(request.job_id, 20, 30)
        partial = MagicMock(spec=discord.PartialMessage, id=30, edit=self.recorded.edit)
        message = JobMessage(partial, request.job_id, ENGLISH)
        self.deliveries.start(
            AcceptedJob(
                request=request,
                user_id=user_id,
                message=message,
                updates=updates,
                first=Queued(1),
                language=ENGLISH,
                stored=JobState.ACKNOWLEDGED,
                max_bytes=TEN_MIB,
            )
        )
        return request

    async def wait_for(self, request: GenerationRequest, state: JobState) -> JobRecord:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                job = await self.store.get(request.job_id)
                assert job is not None
                if job.state is state:
                    return job
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_desk(
    folder: Path,
    engine_factory: Callable[[], FakeEngine] = FakeEngine,
    *,
    edit_interval_s: float = 0.0,
    max_deliveries: int = 10,
    max_picture_bytes: int | None = None,
    retry_pauses_s: tuple[float, ...] = (0.0,),
    record_pauses_s: tuple[float, ...] = (0.0, 0.01),
    check: PictureCheck | None = None,
    shards: Shards = ALL_SHARDS,
) -> AsyncIterator[Desk]:
    async with (
        Store.open(f"sqlite+aiosqlite:///{folder / 'store.sqlite3'}", shards=shards) as store,
        LocalExecutor(engine_factory, max_jobs=10, max_jobs_per_user=5, chunk_tokens=4) as executor,
    ):
        threads = PictureThreads()
        deliveries = Deliveries(
            store=store.jobs,
            executor=executor,
            keeper=ResultKeeper(store.jobs, store.images, PictureFolder(folder / "pictures", 2**30), threads),
            threads=threads,
            max_deliveries=max_deliveries,
            max_picture_bytes=max_picture_bytes,
            edit_interval_s=edit_interval_s,
            retry_pauses_s=retry_pauses_s,
            record_pauses_s=record_pauses_s,
            check=check,
            is_shared=not shards.are_all,
        )
        try:
            yield Desk(store.jobs, store.images, executor, deliveries)
        finally:
            await deliveries.aclose()
            threads.close()


def refusal(status: int, code: int) -> discord.HTTPException:
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    return kinds.get(status, discord.HTTPException)(
        MagicMock(status=status, reason="refused"), {"code": code, "message": "refused"}
    )
