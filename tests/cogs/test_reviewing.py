"""Holding for review as members and moderators meet it: the real client in a sandbox."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from bot.cogs.appeal_board import AppealBoard
from bot.cogs.case_sanctions import CaseSanctions
from bot.cogs.review_board import ReviewBoard
from bot.cogs.reviewing import BATCH_CASES, Reviewing
from bot.config import ModerationSettings, Settings
from bot.engine.fake import FakeEngine
from bot.errors import JobEndedError, StoreError
from bot.image_rule import ImageAction, ImageRule
from bot.moderation.cases import CaseKind, Decision
from bot.moderation.likeness import PictureHash
from bot.moderation.prompt_rules import Rule, RuleAction
from bot.pictures import PictureFolder
from bot.sandbox import Event
from bot.store import (
    AuditAction,
    AuditEntry,
    AuditFilter,
    CaseRecord,
    JobState,
    JobStore,
    NewCase,
    SanctionRecord,
    Store,
)
from bot.views.custom_id import Action, CustomId
from tests.cogs.test_privacy import unpacked, until_told
from tests.cogs.test_sweeping import circle
from tests.conftest import ACK_LIMIT_S, TIMEOUT_S, Limits, OpenStage, Stage, eventually
from tests.faults.allowances import allowances
from tests.sandbox_guild import guild_of
from tests.store.samples import run_sql, url_of

CATEGORIES = """
neutral = ["a red circle"]
[categories.black_star]
texts = ["a black star"]
threshold = 1.0
"""
HOLD = ImageRule("black_star", ImageAction.HOLD, 0.0)
BY_RULE = {
    ImageAction.WARN: AuditAction.PICTURES_WARNED,
    ImageAction.SPOILER: AuditAction.PICTURES_SPOILERED,
    ImageAction.REFUSE: AuditAction.PICTURES_REFUSED,
    ImageAction.STRIKE: AuditAction.PICTURES_REFUSED,
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A bot that knows one category."""
    path = tmp_path / "categories.toml"
    path.write_text(CATEGORIES, encoding="utf-8")
    return settings.model_copy(update={"moderation": ModerationSettings(image_categories_file=path)})


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.reviewing.INTERVAL_S", 0.2)


async def set_up(stage: Stage, channel: str | int | None = "staff", **changes: Any) -> int:
    """Reviews in a channel, by its name; returns its id. A number is the id of a channel that isn't there."""
    guild = await guild_of(stage)
    found = next((known.id for known in guild.channels if known.name == channel), channel)
    values = {"image_rules": (HOLD,), "review_channel": found} | changes
    await stage.app.store.guilds.change(guild.id, 1, **values)
    return int(found or 0)


async def case_of(stage: Stage, number: int = 1) -> CaseRecord:
    case = await stage.app.store.cases.get((await guild_of(stage)).id, number)
    assert case is not None
    return case


async def posted(stage: Stage, number: int = 1) -> CaseRecord:
    """A case once it is there and moderators can see it."""
    guild_id = (await guild_of(stage)).id
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            case = await stage.app.store.cases.get(guild_id, number)
            if case is not None and case.message_id is not None:
                return case
            await asyncio.sleep(0.02)


def sent_to(stage: Stage, channel_id: int) -> list[Any]:
    requests = stage.sandbox.requests
    return [e for e in requests if e.method == "POST" and e.path.endswith(f"/channels/{channel_id}/messages")]


def edits_of(stage: Stage, message_id: int | None) -> list[Any]:
    return [e for e in stage.sandbox.requests if e.method == "PATCH" and e.path.endswith(f"/{message_id}")]


async def moderate(stage: Stage, *lines: str) -> Event:
    """What a moderator sees last, in the moderators' channel."""
    for line in ("as moderator", "in staff"):
        await stage.play(line)
    for line in lines[:-1]:
        await stage.play(line)
    return (await stage.play(lines[-1]))[-1]


async def answered(stage: Stage, line: str) -> Event:
    """What a moderator is answered alone, whatever else is posted meanwhile."""
    await moderate(stage, "in staff")
    return [event for event in await stage.play(line) if event.is_ephemeral][-1]


async def ask(stage: Stage, line: str = "/imagine prompt:a red circle images:2 seed:5") -> Event:
    for change in ("as user", "in general"):
        await stage.play(change)
    return (await stage.play(line))[-1]


async def sanctions_of(stage: Stage) -> list[SanctionRecord]:
    job = await stage.app.store.jobs.get(stage.job_ids[0])
    assert job is not None
    assert job.guild_id is not None
    return await stage.app.store.sanctions.of(job.guild_id, job.user_id)


async def noted(stage: Stage, *actions: AuditAction) -> list[AuditEntry]:
    """What the audit has of these actions, newest first."""
    entries = await stage.app.store.audit.page(AuditFilter(guild_id=(await guild_of(stage)).id), 50)
    return [entry for entry in entries if entry.action in actions]


async def decisions(stage: Stage) -> list[tuple[int | None, Any]]:
    wanted = AuditFilter(guild_id=(await guild_of(stage)).id, action=AuditAction.CASE_DECIDED)
    return [(entry.actor_id, entry.details["decision"]) for entry in await stage.app.store.audit.page(wanted, 10)]


async def test_nobody_sees_pictures_before_a_moderator_approves(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        channel_id = await set_up(stage)
        waiting = await ask(stage)
        assert waiting.text == "a red circle\n@user: waiting for review (case #1).\n[Cancel]"
        assert waiting.files == ()
        job = await stage.job(JobState.IN_REVIEW)
        case = await posted(stage)
        (message,) = sent_to(stage, channel_id)
        (attachment,) = message.answer["attachments"]
        assert attachment["filename"] == "SPOILER_case-1.webp"
        assert "Picture 1: black star, " in message.payload["content"]
        assert "Uncalibrated" in message.payload["content"]
        assert "There was no case about them before." in message.payload["content"]
        told = await moderate(stage, "click Approve")
        done = await stage.job(JobState.DELIVERED)
        assert done.is_spoiler is False
        assert done.message_id == job.message_id
        (delivered,) = [e for e in edits_of(stage, done.message_id) if e.answer["attachments"]]
        assert delivered.answer["attachments"][0]["filename"] == f"dalle-bot-{done.id}.png"
        await eventually(lambda: bool(edits_of(stage, case.message_id)))
        assert "Approved by <@" in edits_of(stage, case.message_id)[-1].payload["content"]
        assert [decision for _, decision in await decisions(stage)] == ["approve"]
        (held,) = await noted(stage, AuditAction.PICTURES_HELD)
        assert (held.actor_id, held.user_id, held.job_id, held.case_number) == (None, job.user_id, job.id, 1)
    assert told is not None


async def test_an_export_has_no_pictures_that_were_not_shown(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        await ask(stage)
        await posted(stage, 2)
        await ask(stage, "click Cancel")
        await stage.job(JobState.CANCELLED)
        await ask(stage)
        await posted(stage, 3)
        await moderate(stage, "click Approve")
        shown = await stage.job(JobState.DELIVERED)
        assert len({path.parent for path in settings.pictures_dir.glob("*/*/*.png")}) == 3
        await ask(stage, "wait 0.1")
        await until_told(stage, "/privacy export", "Sent to you as a direct message: 1 file.")
        archive = await unpacked(stage)
        assert {row["job_id"] for row in json.loads(archive.read("images/1.json"))} == {shown.id}
        assert {name.split("/")[1] for name in archive.namelist() if name.startswith("pictures/")} == {shown.id}
        assert "hits" not in archive.read("cases/1.json").decode()


async def test_approved_as_a_spoiler(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        await moderate(stage, "click Approve as spoiler")
        done = await stage.job(JobState.DELIVERED)
        assert done.is_spoiler
        (delivered,) = [e for e in edits_of(stage, done.message_id) if e.answer["attachments"]]
        assert delivered.answer["attachments"][0]["filename"].startswith("SPOILER_")
        shown = await ask(stage, f"/show job:{done.id}")
        assert [file.name.startswith("SPOILER_") for file in map(Path, shown.files)] == [True]


async def test_rejected_pictures_are_gone_and_the_requester_is_told(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        assert list(settings.pictures_dir.glob("*/*/*.png"))
        await moderate(stage, "click Reject")
        job = await stage.job(JobState.FAILED)
        assert job.error == "Case #1: moderators of this server have rejected this."
        assert edits_of(stage, job.message_id)[-1].payload["content"] == f"**a red circle**\n{job.error}"
        assert not list(settings.pictures_dir.glob("*/*/*.png"))
        assert await stage.app.store.images.of(job.id) == []
        await eventually(lambda: bool(edits_of(stage, case.message_id)))
        assert edits_of(stage, case.message_id)[-1].answer["attachments"] == []
        assert await sanctions_of(stage) == []


async def test_a_ban_keeps_its_requester_out_and_moderators_are_spared(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        await moderate(stage, "click Ban")
        await stage.job(JobState.FAILED)
        await eventually(lambda: bool(direct_messages(stage)))
        assert [(each.kind, each.case_number) for each in await sanctions_of(stage)] == [("ban", 1)]
        assert "Reason: Case #1: pictures that moderators rejected" in direct_messages(stage)[0]
        await moderate(stage, "in general", "/imagine prompt:a red circle images:1")
        await posted(stage, 2)
        for line in ("as owner", "in staff"):
            await stage.play(line)
        assert (await stage.play("click Ban"))[-1].text == "You can't do this to a moderator or an administrator."
        assert (await case_of(stage, 2)).decision is None


async def test_two_moderators_decide_once(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        await moderate(stage, "wait 0.1")
        for line in ("as owner", "in staff"):
            await stage.sandbox.play(line, timeout_s=TIMEOUT_S, player="second")
        first, second = await asyncio.gather(
            stage.play("click Approve"), stage.sandbox.play("click Ban", timeout_s=TIMEOUT_S, player="second")
        )
        made = await decisions(stage)
        assert len(made) == 1
        is_approved = made[0][1] == "approve"
        loser = second if is_approved else first
        assert any(("Approved by" if is_approved else "who banned") in event.text for event in loser)
        await stage.job(JobState.DELIVERED if is_approved else JobState.FAILED)


async def test_a_decision_after_a_restart(open_stage: OpenStage) -> None:
    engines: list[FakeEngine] = []

    def engine() -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    async with open_stage(engine) as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
    async with open_stage(engine) as stage:
        assert (await stage.job(JobState.IN_REVIEW)).id == stage.job_ids[0]
        await moderate(stage, "click Approve")
        await stage.job(JobState.DELIVERED)
    assert engines[1].calls["insert"] == 0, "the pictures waited on disk"


def scramble(file: Path) -> None:
    """Damages a picture where a look at its ends does not show it."""
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(8)
    file.write_bytes(data)


@pytest.mark.parametrize("spoil", [Path.unlink, scramble])
async def test_approved_pictures_that_are_lost_are_drawn_and_looked_at_again(
    open_stage: OpenStage, settings: Settings, spoil: Callable[[Path], None]
) -> None:
    async with open_stage() as stage:
        channel_id = await set_up(stage)
        await ask(stage)
        await posted(stage)
        for file in settings.pictures_dir.glob("*/*/2.png"):
            spoil(file)
        await moderate(stage, "click Approve as spoiler")
        await posted(stage, 2)
        job = await stage.job(JobState.IN_REVIEW)
        assert not [e for e in edits_of(stage, job.message_id) if e.answer["attachments"]], "nobody has approved these"
        page = sent_to(stage, channel_id)[-1].payload["content"]
        assert "The pictures of case #1 were approved, and were lost or damaged before anybody saw them." in page
        assert "Picture 1: black star, " in page
        await moderate(stage, "click Approve")
        done = await stage.job(JobState.DELIVERED)
        assert done.is_spoiler is False
        assert [e for e in edits_of(stage, job.message_id) if e.answer["attachments"]]


async def test_pictures_that_wait_keep_their_room(open_stage: OpenStage, caplog: pytest.LogCaptureFixture) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        stage.app.bot.services.pictures._max_bytes = 3 * 4096
        assert "has no room left for its pictures" in (await ask(stage)).text
        await stage.job(JobState.FAILED)
        assert "Raise store.max_picture_bytes" in caplog.text
        await moderate(stage, "click Approve")
        await stage.job(JobState.DELIVERED, index=0)
        assert "(case #2)" in (await ask(stage)).text, "what was shown gives way"


async def test_a_decision_that_a_crash_cut_short_is_followed_at_the_next_start(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        await stage.app.bot.services.review.reviewing.aclose()
        await stage.app.store.cases.decide(case.guild_id, 1, Decision.APPROVE_SPOILER, by=7, at=datetime.now(UTC))
    async with open_stage() as stage:
        assert (await stage.job(JobState.DELIVERED)).is_spoiler


@pytest.mark.parametrize(
    ("default", "state"),
    [("reject", JobState.FAILED), ("approve", JobState.DELIVERED), ("approve_spoiler", JobState.DELIVERED)],
)
async def test_time_decides_where_nobody_does(open_stage: OpenStage, default: str, state: JobState) -> None:
    async with open_stage() as stage:
        await set_up(stage, review_default=default)
        stage.app.bot.services.check._now = lambda: datetime.now(UTC) - timedelta(hours=47, minutes=59, seconds=58)
        await ask(stage)
        await stage.job(state)
        case = await case_of(stage)
        assert (case.decision, case.decided_by) == (default, None)
        job = await stage.job(state)
        assert job.is_spoiler is (default == "approve_spoiler")
        if default == "reject":
            assert job.error == "Case #1: this is not shown, since no moderator decided about it in time."


async def test_a_channel_that_vanished_keeps_the_job_and_the_owner_is_told_once(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage, 99)
        await ask(stage)
        await ask(stage)
        await eventually(lambda: len(direct_messages(stage)) == 1)
        assert "Requests or appeals wait for moderators" in direct_messages(stage)[0]
        assert (await stage.job(JobState.IN_REVIEW)).error is None
        listed = await answered(stage, "/mod review")
        assert listed.text.startswith("2 cases are open:")
        assert "I could not post them" in listed.text
        await set_up(stage)
        listed = await answered(stage, "/mod review")
        assert "I could not post them" not in listed.text
        assert listed.text.count("discord.com/channels") == 2
        await moderate(stage, "click Approve")
        await stage.job(JobState.DELIVERED, index=1)
        assert len(direct_messages(stage)) == 1


async def test_a_channel_that_is_deleted_later_loses_no_case(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        staff = await set_up(stage)
        await ask(stage)
        await posted(stage)
        await stage.sandbox.happens("channel deleted", "staff")
        await eventually(lambda: len(direct_messages(stage)) == 1)
        assert "I can't show them in the moderators' channel: it is gone" in direct_messages(stage)[0]
        assert (await case_of(stage)).message_id is None
        assert staff not in [channel.id for channel in (await guild_of(stage)).channels]


async def test_a_guild_without_a_channel_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        for number in range(BATCH_CASES + 1):
            guild_id = 1 if number < BATCH_CASES else 2
            new = NewCase(guild_id=guild_id, kind=CaseKind.REPORT, job_id=f"{number:012x}", user_id=3)
            await store.cases.open(new)
        tried: list[int] = []

        async def post(case: CaseRecord) -> bool:
            tried.append(case.guild_id)
            if case.guild_id == 2:
                await store.cases.set_message(2, case.number, channel_id=4, message_id=5)
            return case.guild_id == 2

        board = MagicMock(spec=ReviewBoard, post=post)
        appeals, sanctions = MagicMock(spec=AppealBoard), MagicMock(spec=CaseSanctions)
        await Reviewing(store, board=board, appeals=appeals, followers={}, sanctions=sanctions).look()
        assert tried == [1, 2]


async def test_a_button_of_a_job_that_has_ended_may_be_slow_and_answers_in_time(limits: Limits) -> None:
    """Somebody else withdraws the case between two of its questions, so that it asks as often as it ever does."""
    held = CaseRecord(
        guild_id=1,
        kind=CaseKind.HELD_PROMPT,
        job_id="0" * 12,
        user_id=2,
        number=5,
        opened_at=datetime(2026, 1, 1, tzinfo=UTC),
        decision=None,
        decided_by=None,
        decided_at=None,
        channel_id=3,
        message_id=4,
    )
    withdrawn = replace(held, decision=Decision.WITHDRAWN, decided_at=held.opened_at)
    store, board = MagicMock(spec=Store), MagicMock(spec=ReviewBoard)
    store.cases.get = AsyncMock(side_effect=[held, withdrawn])
    store.cases.decide = AsyncMock(return_value=None)
    store.jobs.get = AsyncMock(return_value=None)
    reviewing = Reviewing(
        store, board=board, appeals=MagicMock(spec=AppealBoard), followers={}, sanctions=MagicMock(spec=CaseSanctions)
    )
    pressed = CustomId(Action.CASE, held.job_id, "5.approve")
    interaction = MagicMock(guild_id=1)
    with limits.as_users_have_them(), allowances() as allowed_s:
        pressing = asyncio.create_task(reviewing.press(interaction, pressed), name="discord-ui-button")
        with pytest.raises(JobEndedError, match="Nothing to decide any more"):
            await pressing
    assert interaction.response.defer.call_count == 0
    assert [seconds < ACK_LIMIT_S for seconds in allowed_s] == [True], allowed_s
    await reviewing.aclose()
    board.update.assert_awaited_once_with(withdrawn)


async def test_a_message_that_is_deleted_by_hand_is_posted_anew(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        await stage.sandbox.happens("messages deleted", "staff")
        await stage.app.bot.services.review.board.update(case)
        again = await posted(stage)
        assert again.message_id != case.message_id
        await moderate(stage, "click Approve")
        await stage.job(JobState.DELIVERED)


async def test_without_a_channel_holding_is_refusing(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage, None)
        said = await ask(stage)
        assert "has set no channel for that" in said.text
        assert (await stage.job(JobState.FAILED)).result is None
        assert await stage.app.store.cases.num_open((await guild_of(stage)).id) == 0


async def test_members_decide_nothing(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        await posted(stage)
        for line in ("as user", "give Moderator", "in staff", "take Moderator"):
            await stage.play(line)
        assert (await stage.play("click Approve"))[-1].text.startswith("Only moderators can do this")
        await stage.job(JobState.IN_REVIEW)


async def test_a_requester_may_withdraw(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        await stage.play("click Cancel")
        await stage.job(JobState.CANCELLED)
        await eventually(lambda: bool(edits_of(stage, case.message_id)))
        assert "Nothing to decide any more" in edits_of(stage, case.message_id)[-1].payload["content"]
        assert (await case_of(stage)).decision is Decision.WITHDRAWN


async def test_a_cancelled_job_needs_no_decision_at_once(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cogs.reviewing.INTERVAL_S", 600.0)
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        await stage.play("click Cancel")
        await eventually(lambda: bool(edits_of(stage, case.message_id)))
        assert (await case_of(stage)).decision is Decision.WITHDRAWN
        assert (await moderate(stage, "/mod review")).text == "No case is open."


async def test_whoever_decides_about_what_has_ended_is_told_so(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has told moderators yet."""
    monkeypatch.setattr("bot.cogs.reviewing.INTERVAL_S", 600.0)
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        await stage.app.store.jobs.move(case.job_id, JobState.CANCELLED)
        await moderate(stage, "in staff")
        said = [event.text for event in await stage.play("click Approve") if event.is_ephemeral]
        assert [text.startswith("Nothing to decide any more") for text in said] == [True]
        assert (await case_of(stage)).decision is Decision.WITHDRAWN
        await eventually(lambda: bool(edits_of(stage, case.message_id)))


async def test_a_rejection_can_be_undone(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        assert (await moderate(stage, "/mod blocked")).text == "No pictures are blocked: moderators have rejected none."
        # The fake engine's own are plain, and plain ones block nothing.
        folder = PictureFolder(settings.pictures_dir, 2**30)
        await asyncio.to_thread(folder.save, case.job_id, [circle(20), circle(50)])
        await moderate(stage, "click Reject")
        await stage.job(JobState.FAILED)
        assert "- case #1: 2 pictures, " in (await moderate(stage, "/mod blocked")).text
        allowed = "Case #1: 2 pictures are allowed again, and so are those like them."
        assert (await moderate(stage, "/mod blocked allow:1")).text == allowed
        assert (await moderate(stage, "/mod blocked allow:1")).text.startswith("This case has blocked no pictures")
        assert await stage.app.store.blocked_hashes.of(case.guild_id) == []
        log = (await moderate(stage, "/mod log")).text
        assert "allowed pictures again that were rejected. · 2 pictures · case #1" in log


async def test_a_clock_blocks_no_pictures(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage() as stage:
        await set_up(stage)
        await ask(stage)
        case = await posted(stage)
        folder = PictureFolder(settings.pictures_dir, 2**30)
        await asyncio.to_thread(folder.save, case.job_id, [circle(20), circle(50)])
        await stage.app.store.cases.decide(case.guild_id, 1, Decision.REJECT, by=None, at=datetime.now(UTC))
        await stage.job(JobState.FAILED)
        assert await stage.app.store.blocked_hashes.of(case.guild_id) == []


async def test_what_trusted_members_ask_for_is_not_held(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        await stage.play("give Trusted")
        await eventually(lambda: any(role.name == "Trusted" for role in guild.roles))
        trusted = next(role.id for role in guild.roles if role.name == "Trusted")
        await set_up(stage, trusted_roles=(trusted,))
        await hold_prompts(stage)
        assert (await ask(stage)).files
        assert (await ask(stage, "/imagine prompt:a secret garden images:1")).files
        await stage.play("take Trusted")
        assert (await ask(stage, "/imagine prompt:a secret garden images:1")).text.startswith(
            "@user: waiting for review"
        )


@pytest.mark.parametrize(
    ("action", "files", "said"),
    [
        (ImageAction.WARN, 1, "A rule of this server is against black star: keep to it."),
        (ImageAction.SPOILER, 1, "a red circle"),
        (ImageAction.REFUSE, 0, "The pictures are not shown: a rule of this server is against black star."),
        (ImageAction.STRIKE, 0, "The pictures are not shown: a rule of this server is against black star."),
    ],
)
async def test_what_the_other_actions_do(open_stage: OpenStage, action: ImageAction, files: int, said: str) -> None:
    async with open_stage() as stage:
        await set_up(stage, image_rules=(ImageRule("black_star", action, 0.0),))
        answer = await ask(stage)
        assert said in answer.text
        assert len(answer.files) == files
        assert ("This brings a strike; with /appeal" in answer.text) == (action is ImageAction.STRIKE)
        reasons = [each.reason for each in await sanctions_of(stage) if each.kind == "strike"]
        why = "Pictures against a rule of this server: black star"
        assert reasons == ([why] if action is ImageAction.STRIKE else [])
        job = await stage.job(JobState.DELIVERED if files else JobState.FAILED)
        entries = await noted(stage, *BY_RULE.values())
        assert [(entry.action, entry.job_id) for entry in entries] == [(BY_RULE[action], job.id)]
        assert [hit["category"] for hit in entries[0].details["hits"]] == ["black_star"] * 2
        assert all(Path(name).name.startswith("SPOILER_") == (action is ImageAction.SPOILER) for name in answer.files)


async def test_a_stop_before_a_refusal_is_recorded_strikes_nobody_twice(
    open_stage: OpenStage, settings: Settings
) -> None:
    async with open_stage() as stage:
        await set_up(stage, image_rules=(ImageRule("black_star", ImageAction.STRIKE, 0.0),))
        await ask(stage)
        job = await stage.job(JobState.FAILED)
    await asyncio.to_thread(run_sql, settings.store_url, "UPDATE jobs SET state = 'running' WHERE id = :id", id=job.id)
    async with open_stage() as stage:
        await stage.job(JobState.FAILED)
        assert [str(each.kind) for each in await sanctions_of(stage)].count("strike") == 1
        wanted = AuditFilter(guild_id=job.guild_id or 0, action=AuditAction.PICTURES_REFUSED)
        assert len(await stage.app.store.audit.page(wanted, 10)) == 1


@pytest.mark.parametrize("is_by_rule", [True, False])
async def test_there_are_no_previews_where_pictures_may_be_kept_from_sight(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, is_by_rule: bool
) -> None:
    monkeypatch.setattr("bot.cogs.previews.ROUND_S", 0.2)
    engine = FakeEngine(image_length=96, num_rows=24, delay_s=0.1)
    async with open_stage(lambda: engine) as stage:
        await set_up(stage, image_rules=(HOLD,) if is_by_rule else ())
        if not is_by_rule:
            blocked = PictureHash(shape=bytes(32), colours=1)
            await stage.app.store.blocked_hashes.add((await guild_of(stage)).id, [blocked], case_number=1)
        await ask(stage)
    assert engine.calls["preview"] == 0


async def hold_prompts(stage: Stage) -> None:
    guild = await guild_of(stage)
    await stage.app.store.rules.put(guild.id, 1, [Rule("secret", RuleAction.HOLD)])


async def test_a_held_prompt_is_drawn_after_its_approval_and_not_shown_before(open_stage: OpenStage) -> None:
    engine = FakeEngine()
    async with open_stage(lambda: engine) as stage:
        channel_id = await set_up(stage, image_rules=())
        await hold_prompts(stage)
        waiting = await ask(stage, "/imagine prompt:a secret garden images:1")
        assert waiting.text == "@user: waiting for review (case #1).\n[Cancel]"
        await stage.job(JobState.IN_REVIEW)
        case = await posted(stage)
        assert case.kind is CaseKind.HELD_PROMPT
        (message,) = sent_to(stage, channel_id)
        assert "> a secret garden" in message.payload["content"]
        assert "Rule secret fires on “secret”" in message.payload["content"]
        assert engine.calls["insert"] == 0
        await moderate(stage, "click Approve")
        job = await stage.job(JobState.DELIVERED)
        assert edits_of(stage, job.message_id)[-1].payload["content"].startswith("**a secret garden**\n1 image for")


async def test_a_rejected_prompt_is_never_shown(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await set_up(stage, image_rules=())
        await hold_prompts(stage)
        await ask(stage, "/imagine prompt:a secret garden images:1")
        await posted(stage)
        await moderate(stage, "click Reject and strike")
        job = await stage.job(JobState.FAILED)
        everything = [e.payload.get("content") or "" for e in edits_of(stage, job.message_id)]
        assert everything == ["Case #1: moderators of this server have rejected this."]
        (strike,) = [each for each in await sanctions_of(stage) if each.kind == "strike"]
        assert (strike.case_number, strike.reason) == (1, "Case #1: a prompt that moderators rejected")


async def test_a_stop_between_a_decision_and_its_strike_does_not_lose_the_strike(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bot.cogs.reviewing.CLOSE_TIMEOUT_S", 0.1)
    with monkeypatch.context() as patched:
        patched.setattr(CaseSanctions, "punish", stopped)
        async with open_stage() as stage:
            await set_up(stage)
            await ask(stage)
            await posted(stage)
            await moderate(stage, "click Reject and strike")
            await stage.job(JobState.FAILED)
            assert await sanctions_of(stage) == []
    async with open_stage() as stage:
        async with asyncio.timeout(TIMEOUT_S):
            while (await case_of(stage)).applied_at is None:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.02)
        (strike,) = [each for each in await sanctions_of(stage) if each.kind == "strike"]
        assert (strike.case_number, strike.given_by) == (1, (await case_of(stage)).decided_by)


async def test_a_held_prompt_still_waits_after_a_restart_wherever_the_bot_stopped(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine()

    async def down(*_: object, **__: object) -> None:
        raise StoreError("It is locked.")

    async with open_stage() as stage:
        await set_up(stage, image_rules=())
        await hold_prompts(stage)
        with monkeypatch.context() as patched:
            # As if it stopped between the answer and the record that it waits.
            patched.setattr(JobStore, "move", down)
            await ask(stage, "/imagine prompt:a secret garden images:1")
            await stage.job(JobState.ACKNOWLEDGED)
    async with open_stage(lambda: engine) as stage:
        await stage.job(JobState.IN_REVIEW)
        assert engine.calls["insert"] == 0
        await posted(stage)
        await moderate(stage, "click Approve as spoiler")
        assert (await stage.job(JobState.DELIVERED)).is_spoiler


async def test_no_more_than_so_many_of_one_member_wait(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of what they have drawn don't count: others would decide how much somebody may ask for."""
    monkeypatch.setattr("bot.cogs.picture_check.MAX_OPEN_OF_USER", 1)
    monkeypatch.setattr("bot.cogs.picture_check.MAX_OPEN_OF_GUILD", 2)
    async with open_stage() as stage:
        await set_up(stage, image_rules=())
        await ask(stage)
        job = await stage.job(JobState.DELIVERED)
        report = NewCase(guild_id=job.guild_id or 0, kind=CaseKind.REPORT, job_id=job.id, user_id=job.user_id)
        await stage.app.store.cases.open(report)
        await stage.app.store.cases.open(replace(report, job_id="0" * 12))
        await set_up(stage)
        await hold_prompts(stage)
        assert "waiting for review" in (await ask(stage)).text
        assert "1 requests of yours do already" in (await ask(stage)).text
        refused = await ask(stage, "/imagine prompt:a secret garden images:1")
        assert refused.is_ephemeral
        assert "1 requests of yours do already" in refused.text


def direct_messages(stage: Stage) -> list[str]:
    opened = {e.answer["id"] for e in stage.sandbox.requests if e.path.endswith("/users/@me/channels")}
    sent = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith("/messages")]
    return [e.payload["content"] for e in sent if e.path.split("/")[-2] in opened]


async def test_a_public_channel_gets_no_cases_and_the_owner_is_told(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        channel_id = await set_up(stage, "gallery")
        await ask(stage)
        await stage.job(JobState.IN_REVIEW)
        await eventually(lambda: any("since everybody can see it" in each for each in direct_messages(stage)))
        assert sent_to(stage, channel_id) == []
        await set_up(stage, "staff")
        assert (await posted(stage)).channel_id != channel_id
