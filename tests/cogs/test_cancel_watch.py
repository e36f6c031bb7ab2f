"""Jobs that one process of a bot cancels while another one draws them: parts of two processes over one database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.catalogues import Languages
from bot.cogs.cancel_watch import CancelWatch
from bot.cogs.cancelling import Cancelling
from bot.cogs.delivery import Deliveries
from bot.cogs.picture_check import Held, PictureCheck
from bot.engine.fake import FakeEngine, Gate
from bot.errors import JobEndedError, StoreError
from bot.requests import GenerationRequest
from bot.shards import Shards
from bot.store import AuditStore, JobRecord, JobState, JobStore
from tests.cogs.desk import Desk, open_desk, refusal
from tests.conftest import TIMEOUT_S, eventually

CANCELLED = "**a red circle**\nCancelled by <@7>."
DELAYED = "**a red circle**\nThe pictures are drawn, and come as soon as the bot's database answers again."
GOES_ON = "**a red circle**\nThe bot is going offline. This job goes on when it is back."


@dataclass
class Processes:
    """drawing: the one whose jobs they are. watch: its own. asked: the other one's part that is told to cancel."""

    drawing: Desk
    engine: FakeEngine
    gate: Gate
    watch: CancelWatch
    asked: Cancelling

    async def begin(self) -> GenerationRequest:
        """A job that is being drawn."""
        request = await self.drawing.accept()
        await self.drawing.wait_for(request, JobState.RUNNING)
        return request

    async def cancel(self, request: GenerationRequest) -> JobRecord:
        """In the other process; what the store has then."""
        await self.asked.cancel(MagicMock(spec=discord.Interaction, user=MagicMock(id=7)), request.job_id)
        job = await self.drawing.store.get(request.job_id)
        assert job is not None
        return job

    async def end(self, request: GenerationRequest) -> None:
        """Returns once the process that draws has nothing to do with a job any more."""
        await eventually(lambda: not self.drawing.deliveries.is_under_way(request.job_id))


@asynccontextmanager
async def two_processes(folder: Path, **options: Any) -> AsyncIterator[Processes]:
    gate = Gate()
    engine = FakeEngine(num_slots=2, gate=gate)
    options = {"edit_interval_s": 60.0, **options}
    async with (
        open_desk(folder, lambda: engine, shards=Shards(2, (1,)), **options) as drawing,
        open_desk(folder, shards=Shards(2, (0,))) as other,
    ):
        # Its own message would be the same one; only the drawing process's is looked at.
        client = MagicMock(spec=discord.Client)
        partial = client.get_partial_messageable.return_value.get_partial_message.return_value
        partial.edit = AsyncMock()
        asked = Cancelling(
            client,
            store=other.store,
            audit=MagicMock(spec=AuditStore),
            deliveries=other.deliveries,
            languages=Languages.load(),
            on_withdrawn=MagicMock(),
        )
        watch = CancelWatch(drawing.store, drawing.deliveries)
        try:
            yield Processes(drawing, engine, gate, watch, asked)
        finally:
            gate.open()
            await watch.aclose()


async def test_a_job_that_another_process_draws_ends_and_frees_its_slots(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as processes:
        request = await processes.begin()
        processes.watch.start()
        job = await processes.cancel(request)
        assert (job.state, job.error) == (JobState.CANCELLED, "Cancelled by <@7>.")
        await processes.end(request)
        assert processes.drawing.executor.status.num_running == 0
        processes.gate.open()
        await eventually(lambda: processes.engine.num_occupied == 0)
    assert processes.drawing.recorded.contents == [CANCELLED]
    assert sum(processes.drawing.recorded.num_files) == 0


async def test_so_does_one_that_waits_there(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as processes:
        await processes.begin()
        waiting = await processes.drawing.accept()
        await processes.drawing.wait_for(waiting, JobState.QUEUED)
        await processes.cancel(waiting)
        await processes.watch.look()
        await processes.end(waiting)
        assert processes.drawing.executor.status.num_queued == 0
        assert processes.drawing.recorded.contents == [CANCELLED]


async def test_pictures_that_are_drawn_before_it_is_noticed_are_not_shown(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as processes:
        request = await processes.begin()
        await processes.cancel(request)
        processes.gate.open()
        await processes.end(request)
        assert processes.drawing.recorded.contents == [CANCELLED]
        assert sum(processes.drawing.recorded.num_files) == 0
        assert await processes.drawing.images.of(request.job_id) == []
        assert not list((tmp_path / "pictures").glob("**/*.png"))


async def test_pictures_that_are_on_their_way_are_delivered_and_whoever_cancels_is_told(tmp_path: Path) -> None:
    async with two_processes(tmp_path, retry_pauses_s=(600.0,)) as processes:
        processes.gate.open()
        processes.drawing.recorded.refusals = [refusal(503, 0)]
        request = await processes.drawing.accept()
        await processes.drawing.wait_for(request, JobState.DELIVERING)
        with pytest.raises(JobEndedError, match="its pictures are on their way"):
            await processes.cancel(request)
        await processes.watch.look()
        assert (await processes.drawing.wait_for(request, JobState.DELIVERING)).error is None


async def test_no_picture_is_shown_before_the_store_has_it_as_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the process that draws can't reach the database, another one may have cancelled its job there."""
    async with two_processes(tmp_path) as processes:
        request = await processes.begin()
        move, refused = JobStore._move, asyncio.Event()

        async def refusing(store: JobStore, job_id: str, to: JobState, *rest: Any, **more: Any) -> JobRecord:
            if store is processes.drawing.store:
                refused.set()
                raise StoreError("It can't be reached.")
            return await move(store, job_id, to, *rest, **more)

        with monkeypatch.context() as patched:
            patched.setattr(JobStore, "_move", refusing)
            processes.gate.open()
            await refused.wait()
            await processes.cancel(request)
            assert processes.drawing.deliveries.is_under_way(request.job_id)
        await processes.end(request)
    assert processes.drawing.recorded.contents == [DELAYED, CANCELLED]
    assert sum(processes.drawing.recorded.num_files) == 0


async def test_pictures_of_a_job_that_is_cancelled_while_they_are_held_are_not_kept(tmp_path: Path) -> None:
    check = MagicMock(spec=PictureCheck, check=AsyncMock(return_value=Held({"hits": []})))
    async with two_processes(tmp_path, check=check) as processes:
        request = await processes.begin()

        async def open_case(*_: Any) -> Any:
            assert await processes.drawing.images.of(request.job_id)
            await processes.cancel(request)
            return MagicMock(number=5)

        check.open.side_effect = open_case
        processes.gate.open()
        await processes.end(request)
        assert processes.drawing.recorded.contents == [CANCELLED]
        assert check.open.await_count == 1
        assert check.opened.call_count == 0
        assert await processes.drawing.images.of(request.job_id) == []
        assert not list((tmp_path / "pictures").glob("**/*.png"))


async def test_a_job_that_was_cancelled_just_before_its_process_closes_does_not_go_on(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as processes:
        await processes.cancel(await processes.begin())
        await processes.drawing.deliveries.aclose()
        assert processes.drawing.recorded.contents == [CANCELLED]


async def test_nor_does_one_that_is_cancelled_while_its_message_is_edited(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as processes:
        recorded = processes.drawing.recorded
        edit = recorded.edit

        async def edit_late(**what: Any) -> None:
            if what["content"] == GOES_ON:
                await processes.cancel(request)
            await edit(**what)

        recorded.edit = edit_late  # type: ignore[method-assign]
        request = await processes.begin()
        await processes.drawing.deliveries.aclose()
        assert recorded.contents == [GOES_ON, CANCELLED]


async def test_where_the_store_does_not_answer_a_process_that_closes_leaves_the_message_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_processes(tmp_path) as processes:
        await processes.begin()
        monkeypatch.setattr(JobStore, "cancelled", AsyncMock(side_effect=StoreError("It can't be reached.")))
        await processes.drawing.deliveries.aclose()
        assert processes.drawing.recorded.contents == []


async def test_a_store_that_hangs_does_not_keep_a_process_that_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.cogs.delivery.LAST_QUESTION_TIMEOUT_S", 0.05)
    async with two_processes(tmp_path) as processes:
        request = await processes.begin()

        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(JobStore, "cancelled", hang)
        await processes.drawing.deliveries.aclose()
        assert processes.drawing.recorded.contents == []
    assert f"what the store has of job {request.job_id} could not be found out in time" in caplog.text


async def test_a_job_that_moderators_have_does_not_go_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses the move until the bot closes, and takes it then."""
    check = MagicMock(spec=PictureCheck, check=AsyncMock(return_value=Held({"hits": []})))
    check.open = AsyncMock(return_value=MagicMock(number=5))
    async with two_processes(tmp_path, check=check, record_pauses_s=(TIMEOUT_S,)) as processes:
        deliveries, recorded = processes.drawing.deliveries, processes.drawing.recorded
        request = await processes.begin()
        move, refused = JobStore._move, asyncio.Event()

        async def refusing(store: JobStore, job_id: str, to: JobState, *rest: Any, **more: Any) -> JobRecord:
            # Once more after the wait has ended, and then no more.
            if to is JobState.IN_REVIEW and num_refused[0] < 2:
                num_refused[0] += 1
                refused.set()
                raise StoreError("It can't be reached.")
            return await move(store, job_id, to, *rest, **more)

        num_refused = [0]
        monkeypatch.setattr(JobStore, "_move", refusing)
        processes.gate.open()
        await refused.wait()
        await eventually(lambda: recorded.contents == [DELAYED])
        await deliveries.aclose()
        assert num_refused == [2]
        await processes.drawing.wait_for(request, JobState.IN_REVIEW)
        assert recorded.contents == [DELAYED]


async def test_an_executor_that_does_not_cancel_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_processes(tmp_path) as processes:
        drawn, waiting = await processes.begin(), await processes.drawing.accept()
        await processes.drawing.wait_for(waiting, JobState.QUEUED)
        executor = processes.drawing.executor
        cancel, fails_for = executor.cancel, [drawn.job_id]

        async def failing(job_id: str) -> bool:
            if job_id in fails_for:
                fails_for.remove(job_id)
                raise ConnectionError("It can't be reached.")
            return await cancel(job_id)

        monkeypatch.setattr(executor, "cancel", failing)
        for request in (drawn, waiting):
            await processes.cancel(request)
        await processes.watch.look()
        assert f"job {drawn.job_id} could not be ended, which is tried again" in caplog.text
        await processes.end(waiting)
        assert (executor.status.num_running, executor.status.num_queued) == (1, 0)
        await processes.watch.look()
        await processes.end(drawn)
        assert executor.status.num_running == 0
        assert processes.drawing.recorded.contents == [CANCELLED, CANCELLED]


async def test_an_executor_that_refuses_is_told_once_for_each_job(caplog: pytest.LogCaptureFixture) -> None:
    jobs = ["0" * 12, "1" * 12]
    store = MagicMock(spec=JobStore, cancelled=AsyncMock(return_value=dict.fromkeys(jobs)))
    deliveries = MagicMock(spec=Deliveries, followed=jobs)
    deliveries.cancelled_elsewhere.side_effect = ConnectionError("It can't be reached.")
    watch = CancelWatch(store, deliveries)
    for _ in range(3):
        await watch.look()
    assert deliveries.cancelled_elsewhere.await_count == 6
    assert [caplog.text.count(f"job {job} could not be ended") for job in jobs] == [1, 1]


async def test_a_store_that_does_not_answer_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    store = MagicMock(spec=JobStore, cancelled=AsyncMock(side_effect=StoreError("It can't be reached.")))
    deliveries = MagicMock(spec=Deliveries, followed=["0123456789ab"])
    watch = CancelWatch(store, deliveries)
    for _ in range(3):
        await watch.look()
    assert caplog.text.count("It can't be reached.") == 1
    store.cancelled.side_effect = None
    store.cancelled.return_value = {}
    await watch.look()
    store.cancelled.side_effect = StoreError("It can't be reached.")
    await watch.look()
    assert caplog.text.count("It can't be reached.") == 2
    assert deliveries.cancelled_elsewhere.await_count == 0


async def test_nothing_is_asked_while_nothing_is_delivered() -> None:
    store = MagicMock(spec=JobStore)
    await CancelWatch(store, MagicMock(spec=Deliveries, followed=[])).look()
    assert store.cancelled.await_count == 0
