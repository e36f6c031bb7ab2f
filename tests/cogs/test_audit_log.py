"""/mod log and its mirror as moderators meet them: the real client in a sandbox."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.cogs.log_page import PAGE_SIZE
from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.sandbox.errors import LineError
from bot.store import AuditAction, AuditRecord, AuditStore
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually
from tests.sandbox_guild import guild_of


@pytest.fixture(autouse=True)
def quick_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.audit_mirror.INTERVAL_S", 0.02)


async def add(stage: Stage, number: int, **changes: Any) -> None:
    guild_id = (await guild_of(stage)).id
    values: dict[str, Any] = {"guild_id": guild_id, "action": AuditAction.JOB_CANCELLED, "actor_id": 1, "user_id": 2}
    records = [AuditRecord(**(values | {"reason": f"reason {n}"} | changes)) for n in range(number)]
    await stage.app.store.audit.add(*records)


async def set_log_channel(stage: Stage, name: str) -> int:
    guild = await guild_of(stage)
    channel_id = next((channel.id for channel in guild.channels if channel.name == name), 99)
    await stage.app.store.guilds.change(guild.id, 1, log_channel=channel_id)
    return channel_id


async def has_begun(stage: Stage) -> None:
    """The mirror has looked into the store."""
    async with asyncio.timeout(TIMEOUT_S):
        while await stage.app.store.values.get("audit/mirrored") is None:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


def posted(stage: Stage, channel_id: int) -> list[str]:
    found = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith(f"/{channel_id}/messages")]
    return [exchange.payload["content"] for exchange in found]


def shown_in(stage: Stage, channel_id: int) -> list[str]:
    """The same as Discord shows it: what came again with its nonce is one message."""
    found = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith(f"/{channel_id}/messages")]
    return list({exchange.answer["id"]: exchange.answer["content"] for exchange in found}.values())


def direct_messages(stage: Stage) -> list[str]:
    """What the bot has written to people."""
    opened = {e.answer["id"] for e in stage.sandbox.requests if e.path.endswith("/users/@me/channels")}
    sent = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith("/messages")]
    return [e.payload["content"] for e in sent if e.path.split("/")[-2] in opened]


async def test_what_moderators_do_with_others_jobs_is_recorded_and_shown(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle images:2")
        await stage.play("as moderator")
        await stage.play("click Cancel")
        gate.open()
        await stage.play("as user")
        await stage.play("/imagine prompt:a blue star images:1")
        await stage.play("as moderator")
        await stage.play("click Delete")
        await stage.play("click Delete for good")
        log = await stage.answer("/mod log")
        assert log.is_ephemeral
        newest, oldest = log.text.splitlines()
        assert newest.endswith(f"@moderator deleted a result of @user. · job {stage.job_ids[1]}")
        assert oldest.endswith(f"@moderator cancelled a job of @user. · job {stage.job_ids[0]}")
        assert (await stage.answer("/mod log user:@user action:job_cancelled")).text == oldest
        assert (await stage.answer("/mod log user:@owner")).text == "There is no such record."


async def test_ones_own_are_nobodys_business(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        await stage.play("/imagine prompt:a blue star images:1")
        await stage.play("click Delete")
        await stage.play("click Delete for good")
        assert (await stage.answer("/mod log")).text == "There is no such record."


async def test_pages_filters_and_their_buttons_after_a_restart(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await add(stage, 20)
        await stage.play("as moderator")
        page = await stage.answer("/mod log since:1h")
        assert "reason 19" in page.text
        assert "reason 14" in page.text
        assert "reason 13" not in page.text
        assert "[Older]" in page.text
        assert "[Newest]" not in page.text
        page = (await stage.play("click Older"))[-1]
        assert "reason 13" in page.text
    async with open_stage() as stage:
        await stage.play("click Older")
        page = (await stage.play("click Older"))[-1]
        assert "reason 0" in page.text
        assert "[Older]" not in page.text
        page = (await stage.play("click Newest"))[-1]
        assert "reason 19" in page.text
        assert (await stage.answer("/mod log action:setting_changed")).text == "There is no such record."
        assert (await stage.answer("type /mod log action:dele")).text == "Result deleted"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/mod log since:yesterday", "Write a time from 1m to 366d"),
        ("/mod log action:everything", "There is no action everything"),
    ],
)
async def test_what_is_wrong_in_a_filter_is_told(open_stage: OpenStage, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        answer = await stage.answer(line)
        assert answer.is_ephemeral
        assert answer.text.startswith(sentence)


async def test_files(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage() as stage:
        await add(stage, 3, reason="=1")
        await stage.play("as moderator")
        answer = (await stage.play("/mod log export:JSON Lines"))[-1]
        assert answer.text == "3 records."
        lines = (tmp_path / "out" / answer.files[0]).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["reason"] for line in lines] == ["=1"] * 3
        answer = (await stage.play("/mod log export:CSV"))[-1]
        with (tmp_path / "out" / answer.files[0]).open(encoding="utf-8", newline="") as file:
            assert [row["reason"] for row in csv.DictReader(file)] == ["'=1"] * 3


async def test_the_results_of_a_sweep_bury_nothing(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        staff = await set_log_channel(stage, "staff")
        await has_begun(stage)
        await add(stage, 8, action=AuditAction.RESULT_SWEPT)
        await add(stage, 1, reason="something else")
        await stage.play("as moderator")
        shown = (await stage.play("/mod log"))[-1].text
        assert "something else" in shown
        assert "The sweep of" not in shown
        assert (await stage.play("/mod log action:result_swept"))[-1].text.count("The sweep of") == PAGE_SIZE
        assert (await stage.play("/mod log export:CSV"))[-1].text == "10 records."
        await eventually(lambda: "something else" in "".join(posted(stage, staff)))
        assert "The sweep of" not in "".join(posted(stage, staff))


async def test_members_don_t_see_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        with pytest.raises(LineError, match="user doesn't see /mod: it needs the permission moderate_members"):
            await stage.play("/mod log")


async def test_a_store_that_is_down_is_told_with_an_id(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        monkeypatch.setattr(AuditStore, "page", AsyncMock(side_effect=StoreError("It is locked.")))
        assert (await stage.answer("/mod log")).text.startswith("The bot's database has a problem (id ")
        assert (await stage.play("/mod log export:CSV"))[-1].text.startswith("The bot's database has a problem (id ")


async def test_new_records_are_mirrored_once_and_no_old_ones(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await add(stage, 1, reason="before there was a mirror")
        staff = await set_log_channel(stage, "staff")
        await has_begun(stage)
        await add(stage, 2, reason="mirrored")
        await eventually(lambda: "mirrored" in "".join(posted(stage, staff)))
    async with open_stage() as stage:
        await add(stage, 1, reason="after a restart")
        await eventually(lambda: "after a restart" in "".join(posted(stage, staff)))
        said = "\n".join(shown_in(stage, staff))
        assert said.count("Reason: mirrored") == 2
        assert said.count("after a restart") == 1


async def test_a_round_that_a_stop_broke_off_is_posted_once(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        staff = await set_log_channel(stage, "staff")
        await has_begun(stage)
        values = stage.app.store.values
        before = await values.get("audit/mirrored")
        assert before is not None
        await add(stage, 2, reason="mirrored")
        await eventually(lambda: "mirrored" in "".join(posted(stage, staff)))
        end = await values.get("audit/posting")
    async with open_stage() as stage:
        # As if the stop had come between the posting and the record of it, and more had been to record since.
        await add(stage, 1, reason="after a restart")
        await stage.app.store.values.set("audit/posting", end or "")
        await stage.app.store.values.set("audit/mirrored", before)
        await eventually(lambda: "after a restart" in "".join(shown_in(stage, staff)))
        said = "\n".join(shown_in(stage, staff))
        assert said.count("Reason: mirrored") == 2


async def test_a_log_channel_that_is_gone_costs_the_mirror_and_the_owner_hears_of_it_once(
    open_stage: OpenStage,
) -> None:
    async with open_stage() as stage:
        await has_begun(stage)
        await set_log_channel(stage, "gone")
        await add(stage, 1)
        await eventually(lambda: bool(direct_messages(stage)))
        await add(stage, 1, reason="once more")
        await asyncio.sleep(0.3)
    async with open_stage() as stage:
        await add(stage, 1, reason="and more")
        await asyncio.sleep(0.3)
        (told,) = direct_messages(stage)
        assert told.startswith("**Sandbox**: I can't write into <#99>, where the log of the moderation should go.")
        await stage.play("as moderator")
        assert "and more" in (await stage.answer("/mod log")).text
