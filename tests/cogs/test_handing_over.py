"""What becomes of finished results while the database is gone; with the real executor and store, and a fake check."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.cogs.picture_check import Held, Passed, PictureCheck
from bot.errors import IllegalMoveError, JobFailedError, NoRoomError, StoreError
from bot.moderation.cases import CaseKind
from bot.pictures import PictureFolder
from bot.store import ImageStore, JobState
from tests.cogs.desk import open_desk
from tests.conftest import TIMEOUT_S, eventually

GONE = StoreError("The database can't be reached.")
DELAYED = "**a red circle**\nThe pictures are drawn, and come as soon as the bot's database answers again."


class Check:
    """A PictureCheck that raises `faults` first, `open` too, and then says `passed`."""

    def __init__(self, *faults: Exception, passed: Passed | Held | None = None) -> None:
        self.faults = list(faults)
        self.passed = passed or Passed()
        self.opened_for: list[str] = []
        self.num_announced = 0

    async def check(self, job: Any, result: Any) -> Passed | Held:
        self._fail()
        return self.passed

    async def open(self, kind: CaseKind, job: Any, details: dict[str, Any]) -> Any:
        self._fail()
        self.opened_for.append(job.request.job_id)
        return SimpleNamespace(number=5)

    def opened(self) -> None:
        self.num_announced += 1

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)


def as_check(check: Check) -> PictureCheck:
    return cast(PictureCheck, check)


async def test_a_database_that_is_gone_while_pictures_are_judged_delays_them(tmp_path: Path) -> None:
    check = Check(GONE, GONE, GONE)
    async with open_desk(tmp_path, edit_interval_s=60.0, check=as_check(check)) as desk:
        await desk.wait_for(await desk.accept(), JobState.DELIVERED)
    assert desk.recorded.contents[0] == DELAYED
    assert len(desk.recorded.contents) == 2
    assert desk.recorded.num_files == [0, 1]


async def test_pictures_that_can_not_be_held_yet_are_held_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, faults = ImageStore.save, [GONE, GONE]

    async def failing(*arguments: Any) -> None:
        if faults:
            raise faults.pop()
        await save(*arguments)

    monkeypatch.setattr(ImageStore, "save", failing)
    check = Check(passed=Held({"hits": []}))
    async with open_desk(tmp_path, edit_interval_s=60.0, check=as_check(check)) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.IN_REVIEW)
        await eventually(lambda: len(desk.recorded.contents) == 2)
        assert len(await desk.images.of(request.job_id)) == 2
    assert check.opened_for == [request.job_id]
    assert check.num_announced == 1
    assert desk.recorded.contents[0] == DELAYED
    assert "#5" in desk.recorded.contents[1]


async def test_where_no_room_is_left_nothing_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Trying again would keep the job for as long as moderators take over others."""

    def full(*_: Any, **__: Any) -> None:
        raise NoRoomError("There is no room. Raise store.max_picture_bytes.")

    monkeypatch.setattr(PictureFolder, "save", full)
    check = Check(passed=Held({"hits": []}))
    async with open_desk(tmp_path, edit_interval_s=60.0, check=as_check(check)) as desk:
        request = await desk.accept()
        job = await desk.wait_for(request, JobState.FAILED)
    assert job.error is not None
    assert "has no room left for its pictures" in job.error
    assert check.opened_for == []
    assert desk.recorded.contents[-1].endswith(job.error)
    assert sum(desk.recorded.num_files) == 0
    assert f"job {request.job_id}: its pictures can't be held: There is no room. Raise store.max" in caplog.text


async def test_a_case_that_can_not_be_opened_yet_is_opened_later(tmp_path: Path) -> None:
    check = Check(passed=Held({"hits": []}))
    check_once = check.check

    async def check_and_break(job: Any, result: Any) -> Passed | Held:
        passed = await check_once(job, result)
        check.faults = [GONE, GONE]
        return passed

    check.check = check_and_break  # type: ignore[method-assign]
    async with open_desk(tmp_path, edit_interval_s=60.0, check=as_check(check)) as desk:
        request = await desk.accept()
        await desk.wait_for(request, JobState.IN_REVIEW)
    assert check.opened_for == [request.job_id]


async def test_closing_meanwhile_leaves_the_job_for_the_next_start(tmp_path: Path) -> None:
    check = Check(*[GONE] * 1000)
    async with open_desk(tmp_path, edit_interval_s=60.0, record_pauses_s=(600.0,), check=as_check(check)) as desk:
        request = await desk.accept()
        await eventually(lambda: desk.recorded.contents == [DELAYED])
        async with asyncio.timeout(TIMEOUT_S):
            await desk.deliveries.aclose()
        (job,) = await desk.store.unfinished()
    assert (job.id, job.state) == (request.job_id, JobState.RUNNING)
    assert desk.recorded.contents[-1].endswith("This job goes on when it is back.")
    assert sum(desk.recorded.num_files) == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (JobFailedError("A rule is against it."), "A rule is against it."),
        (TimeoutError(), "Something went wrong"),
        (IllegalMoveError("There is no job."), "The bot's database has a problem"),
    ],
)
async def test_nothing_else_is_tried_again(tmp_path: Path, error: Exception, sentence: str) -> None:
    check = Check(error)
    async with open_desk(tmp_path, edit_interval_s=60.0, check=as_check(check)) as desk:
        job = await desk.wait_for(await desk.accept(), JobState.FAILED)
    assert job.error is not None
    assert job.error.startswith(sentence)
