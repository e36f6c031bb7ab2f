"""Reports as members and moderators meet them: the real client in a sandbox."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.config import QueueSettings, Settings
from bot.moderation import reporting
from bot.moderation.cases import CaseKind, Decision
from bot.pictures import PictureFolder
from bot.sanction_ladder import SanctionKind
from bot.sandbox import EventKind, Exchange
from bot.sandbox.errors import LineError
from bot.store import AuditAction, JobRecord
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.cogs.test_gallery import draw, engine, look
from tests.cogs.test_privacy import make_host_fast, until_told
from tests.cogs.test_sweeping import actions, circle
from tests.conftest import TIMEOUT_S, OpenStage, Stage

HIDDEN = "Members have reported this result (case #1). It is hidden until moderators have decided."
REMOVED = "Case #1 in Sandbox: moderators have removed the result that you reported. Thank you."
GONE = "Case #1 in Sandbox: the result that you reported is gone, and moderators have rejected it. Thank you."
GONE_APPROVED = "Case #1 in Sandbox: the result that you reported is gone."
DIRECT = "/channels/{channel_id}/messages"
LEFT = "moderators have looked at the result that you reported, and left it as it is."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"queue": QueueSettings(max_jobs=9, max_jobs_per_user=9)})


async def set_up(stage: Stage, **changes: Any) -> JobRecord:
    """A result of alice's, in a server whose moderators decide in `staff`."""
    await stage.play("as alice")
    job = await draw(stage)
    guild = stage.app.bot.guilds[0]
    staff = next(channel.id for channel in guild.text_channels if channel.name == "staff")
    await stage.app.store.guilds.change(guild.id, 1, review_channel=staff, **changes)
    return job


async def report(stage: Stage, name: str, reason: str = "it is rude", line: str = "click Report") -> str:
    """What somebody who reports the newest result is told at last."""
    await stage.play(f"as {name}")
    opened = (await stage.play(line))[-1]
    if opened.kind is not EventKind.MODAL:
        return opened.text
    return (await stage.play(f"submit What is wrong with it?:{reason}"))[1].text


async def sent(stage: Stage, *texts: str) -> Exchange:
    """The last request of the bot whose words have all these texts, once there is one."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            for exchange in reversed(stage.sandbox.requests):
                content = str((exchange.payload or {}).get("content") if isinstance(exchange.payload, dict) else "")
                if all(text in content for text in texts):
                    return exchange
            await asyncio.sleep(0.05)


async def decide(stage: Stage, button: str) -> None:
    """A moderator presses a button of the case in `staff`."""
    await stage.play("as moderator")
    await stage.play("in staff")
    await stage.play(f"click {button}")
    await stage.play("in general")
    await sent(stage, "Case #1: pictures were reported", f"<@{await moderator_id(stage)}>")


async def moderator_id(stage: Stage) -> int:
    case = await stage.app.store.cases.get(stage.app.bot.guilds[0].id, 1)
    assert case is not None
    assert case.decided_by is not None
    return case.decided_by


async def posted(stage: Stage, number: int = 1) -> None:
    """Until moderators see the case."""
    guild_id = stage.app.bot.guilds[0].id
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            case = await stage.app.store.cases.get(guild_id, number)
            if case is not None and case.message_id is not None:
                return
            await asyncio.sleep(0.05)


async def test_a_report_becomes_a_case_with_all_that_moderators_need(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        said = await report(stage, "bob", "it is *rude*")
        assert said.startswith("Reported: case #1. Moderators will look at it.")
        await posted(stage)
        await stage.play("as moderator")
        await stage.play("in staff")
        await stage.play("/mod review")
        case = await stage.app.store.cases.get(job.guild_id or 0, 1)
        assert case is not None
        assert (case.kind, case.job_id, case.user_id) == (CaseKind.REPORT, job.id, job.user_id)
        sent = [e for e in stage.sandbox.requests if e.method == "POST" and "case-1" in str(e.files)]
        text = sent[0].payload["content"]
        assert "Case #1: pictures were reported" in text
        for part in (job.prompt, job.id, f"<@{job.user_id}>", "Reported by 1 member:", r"it is \*rude\*"):
            assert part in text
        labels = [each["label"] for row in sent[0].payload["components"] for each in row["components"]]
        assert labels == ["Approve", "Approve as spoiler", "Reject", "Reject and strike", "Ban"]


async def test_reports_join_one_case_and_hide_the_result(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage, reports_to_hide=2)
        await report(stage, "bob", line="menu Report picture")
        assert "case #1" in await report(stage, "carol")
        assert (await sent(stage, HIDDEN)).payload["attachments"] == []
        hidden = await stage.app.store.jobs.get(job.id)
        assert hidden is not None
        assert hidden.hidden_at is not None
        await post_button(stage, f"1:reroll:{job.id}")
        assert "hidden until moderators have decided" in await answer_alone(stage, "click Forged")
        assert job.prompt not in (await look(stage, "/gallery")).text
        assert AuditAction.RESULT_HIDDEN in await actions(stage, job.guild_id)


async def test_what_moderators_leave_comes_back_and_is_settled(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage, reports_to_hide=1)
        await report(stage, "bob")
        await posted(stage)
        await decide(stage, "Approve")
        assert (await sent(stage, LEFT)).path_template == DIRECT
        shown = await stage.app.store.jobs.get(job.id)
        assert shown is not None
        assert shown.hidden_at is None
        edits = [e for e in stage.sandbox.requests if e.method == "PATCH" and e.path.endswith(f"/{job.message_id}")]
        assert edits[-1].files, "the pictures are back"
        assert "Report" in str(edits[-1].payload["components"])
        assert await report(stage, "carol") == "Moderators have looked at this result already, and left it."
        assert AuditAction.RESULT_RESTORED in await actions(stage, job.guild_id)


@pytest.mark.parametrize("button", ["Reject", "Approve as spoiler"])
async def test_what_moderators_do_about_it(open_stage: OpenStage, settings: Settings, button: str) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await report(stage, "bob")
        await posted(stage)
        await decide(stage, button)
        await sent(stage, REMOVED if button == "Reject" else "behind a click. Thank you.")
        after = await stage.app.store.jobs.get(job.id)
        assert after is not None
        assert (after.deleted_at is not None, after.is_spoiler) == (button == "Reject", button != "Reject")
        kept = list(settings.pictures_dir.glob("*/*/*.png"))
        assert (kept == []) is (button == "Reject")


async def test_a_sweep_leaves_moderators_the_pictures_that_are_reported(
    open_stage: OpenStage, settings: Settings
) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await report(stage, "bob")
        await posted(stage)
        await stage.play("as moderator")
        await stage.play("/mod sweep user:alice")
        await until_told(stage, "click Delete all", "The sweep is done: 1 result is deleted.")
        await sent(stage, "Case #1: pictures were reported", "The result was deleted ")
        assert str(job.message_id) in {
            e.path.rpartition("/")[2] for e in stage.sandbox.requests if e.method == "DELETE"
        }
        assert list(settings.pictures_dir.glob("*/*/*.png"))
        assert len(await stage.app.store.images.of(job.id)) == job.num_images
        await decide(stage, "Reject")
        await sent(stage, GONE)
        assert not list(settings.pictures_dir.glob("*/*/*.png"))
        assert await stage.app.store.images.of(job.id) == []


@pytest.mark.parametrize(
    ("button", "kinds"),
    [("Reject and strike", [SanctionKind.WARNING, SanctionKind.STRIKE]), ("Ban", [SanctionKind.BAN])],
)
async def test_what_moderators_do_to_whoever_asked_for_it(
    open_stage: OpenStage, button: str, kinds: list[SanctionKind]
) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await report(stage, "bob")
        await posted(stage)
        await decide(stage, button)
        await sent(stage, REMOVED)
        await sent(stage, "Reason: Case #1: pictures that were reported")
        after = await stage.app.store.jobs.get(job.id)
        assert after is not None
        assert after.deleted_at is not None
        given = await stage.app.store.sanctions.of(job.guild_id or 0, job.user_id)
        assert [each.kind for each in given] == kinds
        moderator = await moderator_id(stage)
        assert {(each.case_number, each.given_by) for each in given} == {(1, moderator)}
        reporters = await stage.app.store.reports.of_case(job.guild_id or 0, 1)
        assert [await stage.app.store.sanctions.of(job.guild_id or 0, each.reporter_id) for each in reporters] == [[]]


@pytest.mark.parametrize(("button", "said"), [("Reject", GONE), ("Approve", GONE_APPROVED)])
async def test_deleting_what_is_reported_does_not_end_its_case(
    open_stage: OpenStage, settings: Settings, button: str, said: str
) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage, reports_to_hide=1)
        await report(stage, "bob")
        await posted(stage)
        await sent(stage, HIDDEN)
        await stage.play("as alice")
        assert await answer_alone(stage, "/again") == (
            "Members have reported your last result, so it can't be repeated. Use /imagine for something else."
        )
        await post_button(stage, f"1:delete:{job.id}")
        await stage.play("click Forged")
        # The fake engine's own are plain, and plain ones block nothing.
        folder = PictureFolder(settings.pictures_dir, 2**30)
        await asyncio.to_thread(folder.save, job.id, [circle(20), circle(50)])
        told = (await stage.play("click Delete for good"))[-1].text
        assert told.startswith("Deleted for everybody. Members have reported this result, so moderators keep its")
        await sent(stage, "Case #1: pictures were reported", "The result was deleted ")
        assert list(settings.pictures_dir.glob("*/*/*.png"))
        await decide(stage, button)
        assert (await sent(stage, said)).path_template == DIRECT
        assert list(settings.pictures_dir.glob("*/*/*.png")) == []
        blocked = await stage.app.store.blocked_hashes.cases(job.guild_id or 0, 5)
        assert [each.case_number for each in blocked] == ([1] if button == "Reject" else [])


async def test_who_may_not_report(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MAX_PER_DAY", 1)
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        assert (await report(stage, "alice")).startswith("This result is yours")
        await report(stage, "bob")
        assert await report(stage, "bob") == "You have reported this result already."
        await stage.play("as alice")
        second = await draw(stage, "a blue star")
        assert "as many as one may. You can report again" in await report(stage, "bob")
        for forged in (f"1:report:{job.id}", "1:report:0123456789ab"):
            await stage.play("as bob")
            await post_button(stage, forged)
            await answer_alone(stage, "click Forged")
        assert await stage.app.store.reports.num_open_cases(second.guild_id or 0) == 1


async def test_a_flood_ends_at_the_moderators_door(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MAX_OPEN", 1)
    async with open_stage(engine) as stage:
        await set_up(stage)
        await report(stage, "bob")
        await stage.play("as alice")
        await draw(stage, "a blue star")
        assert "have 1 reports before them" in await report(stage, "carol")


async def test_without_a_channel_the_case_is_kept_and_the_owner_told(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await stage.app.store.guilds.change(job.guild_id or 0, 1, review_channel=None)
        assert (await report(stage, "bob")).startswith("Reported: case #1.")
        await sent(stage, "Requests or appeals wait for moderators")
        assert await stage.app.store.cases.num_open(job.guild_id or 0) == 1


async def test_a_restart_goes_on_with_what_a_decision_began(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cogs.report_desk.FOLLOWED_WITHIN", timedelta(0))
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await report(stage, "bob")
        await posted(stage)
        case = await stage.app.store.cases.get(job.guild_id or 0, 1)
        assert case is not None
    async with open_stage(engine) as stage:
        decided = await stage.app.store.cases.decide(job.guild_id or 0, 1, Decision.REJECT, by=5, at=case.opened_at)
        assert decided is not None
        await stage.app.bot.services.report_desk.go_on()
        await stage.play("as bob")
        after = await stage.app.store.jobs.get(job.id)
        assert after is not None
        assert after.deleted_at is not None
        assert await stage.app.store.reports.untold(job.guild_id or 0, 1) == []


async def test_only_moderators_learn_who_made_it(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        await stage.play("as bob")
        with pytest.raises(LineError, match="it needs the permission moderate_members"):
            await stage.play("menu Who made this?")
        await report(stage, "bob")
        await posted(stage)
        await stage.play("as moderator")
        told = await answer_alone(stage, "menu Who made this?")
        for part in (f"@alice ({job.user_id})", job.id, job.prompt, f"seed {job.seed}", "Case #1: reported", "open"):
            assert part in told
        await stage.play("in staff")
        assert f"@alice ({job.user_id})" in await answer_alone(stage, "menu Who made this?")
        await stage.play("in general")
        await stage.play("say hello")
        assert await answer_alone(stage, "menu Who made this?") == (
            "This message is of no job of this server that I know."
        )


async def test_a_report_has_discords_time(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(engine) as stage:
        job = await set_up(stage)
        make_host_fast(monkeypatch)
        assert (await report(stage, "bob")).startswith("Reported: case #1.")
        (made,) = await stage.app.store.reports.of_case(job.guild_id or 0, 1)
        assert made.reported_at < datetime.now(UTC) - timedelta(hours=1)
