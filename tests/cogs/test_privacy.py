"""/privacy as members meet it: the real client in a sandbox."""

import asyncio
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import MagicMock

import discord
import pytest

from bot.catalogues import Languages
from bot.cogs import exporting
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.exporting import Exporting
from bot.cogs.message_removal import EXPORT_PREFIX
from bot.cogs.packing import Packing
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.cogs.progress_note import ProgressNote
from bot.config import PrivacySettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.errors import ConfigError, NotAdmittedError
from bot.language import ENGLISH, Language
from bot.moderation.cases import CaseKind, Decision
from bot.sanction_ladder import SanctionKind
from bot.sandbox import Exchange, Refusal
from bot.store import AuditAction, AuditRecord, JobRecord, JobState, NewCase, NewSanction, SanctionRecord
from bot.views.custom_id import NO_JOB
from tests.cogs.test_cancelling import post_button
from tests.cogs.test_gallery import draw, engine
from tests.conftest import OpenStage, Stage, eventually

PACKING = "I am packing what I have of you. It comes as a direct message, in some minutes."
DELETING = "Deleting. This goes on whatever happens, and you are told when it is done."
DELETED = "Deleted: {} with {} messages and pictures, and everything else that I had of you."


async def until_told(stage: Stage, line: str, text: str) -> list[str]:
    """What the bot has said since a line, once something begins with `text`: a player may look away just then."""
    num_before = len(stage.sandbox.requests)
    await stage.play(line)

    def said() -> list[str]:
        return [each for exchange in stage.sandbox.requests[num_before:] if (each := content_of(exchange))]

    await eventually(lambda: any(each.startswith(text) for each in said()))
    return said()


def content_of(exchange: Exchange) -> str | None:
    """Of the message that this request has sent or edited, if there is one."""
    payload = exchange.payload
    if exchange.status >= 300 or not isinstance(payload, dict):
        return None
    return (payload.get("data") or payload).get("content")


def make_host_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's clock is two hours ahead of Discord's."""
    saw = DiscordClock.saw

    def saw_earlier(self: DiscordClock, snowflake: int) -> None:
        moment = discord.utils.snowflake_time(snowflake) - timedelta(hours=2)
        saw(self, discord.utils.time_snowflake(moment))

    monkeypatch.setattr(DiscordClock, "saw", saw_earlier)


async def ban(stage: Stage, job: JobRecord) -> SanctionRecord:
    """Whoever asked for a job, until an hour ago by the host's clock."""
    now = datetime.now(UTC)
    new = NewSanction(
        guild_id=job.guild_id or 0,
        user_id=job.user_id,
        kind=SanctionKind.BAN,
        reason=None,
        given_by=5,
        given_at=now - timedelta(days=1),
        expires_at=now - timedelta(hours=1),
    )
    (given,) = await stage.app.store.sanctions.give(
        new, lambda given: AuditRecord(guild_id=given.guild_id, action=AuditAction.BAN, user_id=given.user_id)
    )
    return given


def exports(stage: Stage) -> list[Exchange]:
    """The direct messages with files of an export, as Discord has taken them."""
    requests = stage.sandbox.requests
    sent = [each for each in requests if any(name.startswith(EXPORT_PREFIX) for _, name, _ in each.files)]
    direct = {f"/channels/{each.answer['id']}/messages" for each in requests if each.path == "/users/@me/channels"}
    assert direct.issuperset(each.path for each in sent)
    return sent


async def unpacked(stage: Stage) -> zipfile.ZipFile:
    """What its only file has."""
    (export,) = exports(stage)
    (attachment,) = export.answer["attachments"]
    return zipfile.ZipFile(io.BytesIO(await stage.app.bot.http.get_from_cdn(attachment["url"])))


async def test_an_export_has_what_the_bot_has(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        mine = await draw(stage)
        await stage.play("as bob")
        theirs = await draw(stage, "a blue star")
        await stage.play("as alice")
        seen = await until_told(stage, "/privacy export", "Sent to you as a direct message: 1 file.")
        assert PACKING in seen
        assert "What I have of you, file 1 of 1." in seen
        archive = await unpacked(stage)
        names = archive.namelist()
        (job,) = json.loads(archive.read("jobs/1.json"))
        about = json.loads(archive.read("about.json"))
    assert (job["id"], job["prompt"]) == (mine.id, "a red circle")
    assert about["rows"]["jobs"] == 1
    assert about["pictures"] == mine.num_images
    pictures = [name for name in names if name.startswith("pictures/")]
    assert pictures == [f"pictures/{mine.id}/{rank}.png" for rank in range(1, mine.num_images + 1)]
    assert not any(theirs.id in name for name in names)
    assert theirs.id.encode() not in b"".join(archive.read(name) for name in names if name.endswith(".json"))


async def test_whoever_takes_no_direct_messages_is_told(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as hermit")
        await until_told(stage, "/privacy export", "I could not send you file 1 of 1. Allow direct messages")


async def test_one_export_at_a_time_and_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()
    exports = Exporting(MagicMock(spec=discord.Client), MagicMock(spec=Packing))

    async def wait(*_: object) -> None:
        await never.wait()

    monkeypatch.setattr(exports, "_export", wait)
    note = MagicMock(spec=ProgressNote)
    exports.start(1, note, ENGLISH)
    with pytest.raises(NotAdmittedError, match="Your last export is still being packed"):
        exports.start(1, note, ENGLISH)
    for user_id in range(2, exporting.MAX_EXPORTS + 1):
        exports.start(user_id, note, ENGLISH)
    with pytest.raises(NotAdmittedError, match="as many as I can at once"):
        exports.start(99, note, ENGLISH)
    await exports.aclose()
    await eventually(lambda: not exports._tasks)
    exports.check(99)


async def test_a_deletion_asks_first_and_takes_everything(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        mine = await draw(stage)
        await stage.play("as bob")
        theirs = await draw(stage, "a blue star")
        await stage.play("as alice")
        assert "This can't be undone" in (await stage.answer("/privacy delete")).text
        assert await stage.app.store.jobs.get(mine.id) is not None
        seen = await until_told(stage, "click Delete everything", DELETED.format("1 result", "its"))
        assert DELETING in seen
        assert await stage.app.store.jobs.get(mine.id) is None
        assert await stage.app.store.jobs.get(theirs.id) is not None
        assert await stage.app.store.erasures.under_way() == []
        assert {path.parent.name for path in settings.pictures_dir.glob("*/*/*.png")} == {theirs.id}
        deleted = [exchange for exchange in stage.sandbox.requests if exchange.method == "DELETE"]
        assert [exchange.path.rpartition("/")[2] for exchange in deleted] == [str(mine.message_id)]


async def test_what_moderators_saw_of_a_decided_case_goes_too(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        store, guild_id = stage.app.store, job.guild_id or 0
        case = NewCase(guild_id=guild_id, kind=CaseKind.REPORT, job_id=job.id, user_id=job.user_id)
        number = (await store.cases.open(case)).number
        shown = await stage.app.bot.get_partial_messageable(job.channel_id).send("for moderators")
        await store.cases.set_message(guild_id, number, channel_id=job.channel_id, message_id=shown.id)
        await store.cases.decide(guild_id, number, Decision.APPROVE, by=5, at=job.created_at)
        await stage.play("/privacy delete")
        await until_told(stage, "click Delete everything", DELETED.format("1 result", "its"))
        gone = [e.path.rpartition("/")[2] for e in stage.sandbox.requests if e.method == "DELETE"]
        assert gone == [str(job.message_id), str(shown.id)]


async def test_a_job_under_way_is_cancelled_and_deleted(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin("/imagine prompt:a red circle images:1", player="another")
        job = await stage.job(JobState.RUNNING)
        await stage.play("/privacy delete")
        await until_told(stage, "click Delete everything", DELETED.format("1 result", "its"))
        assert await stage.app.store.jobs.get(job.id) is None
        gate.open()


async def test_a_host_clock_that_is_fast_ends_no_ban(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(engine) as stage:
        given = await ban(stage, await draw(stage))
        make_host_fast(monkeypatch)
        await stage.play("/privacy delete")
        seen = await until_told(stage, "click Delete everything", DELETED.format("1 result", "its"))
        assert "Kept as long as it holds: 1 strike or ban." in seen[-1]
        assert await stage.app.store.sanctions.of(given.guild_id, given.user_id) == [given]


async def test_nor_does_a_restart_before_discord_has_told_the_time(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        given = await ban(stage, await draw(stage))
        await stage.app.store.erasures.begin(given.user_id, "en-US")
    async with open_stage(engine) as stage:
        told = "Kept as long as it holds: 1 strike or ban."
        await eventually(lambda: any(told in str(exchange.payload) for exchange in stage.sandbox.requests))
        assert await stage.app.store.sanctions.of(given.guild_id, given.user_id) == [given]


async def test_a_restart_goes_on_and_tells_by_direct_message(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.app.store.erasures.begin(job.user_id, "de")
    async with open_stage(engine) as stage:
        told = "Gelöscht: 1 Ergebnis mit"
        await eventually(lambda: any(told in str(exchange.payload) for exchange in stage.sandbox.requests))
        assert await stage.app.store.jobs.get(job.id) is None


async def test_what_discord_does_not_let_go_is_named(open_stage: OpenStage) -> None:
    template = "/channels/{channel_id}/messages/{message_id}"
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.sandbox.refuse(Refusal("DELETE", template, 403, 50001, "Missing Access"))
        await stage.play("/privacy delete")
        seen = await until_told(stage, "click Delete everything", DELETED.format("1 result", "its"))
        assert f"/{job.message_id}" in seen[-1]
        assert "Discord did not let me delete 1 message." in seen[-1]
        assert await stage.app.store.jobs.get(job.id) is None


async def test_direct_messages_go_but_not_exports(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.play("choose 1")
        await stage.play("click Send me a copy")
        await until_told(stage, "/privacy export", "Sent to you")
        await stage.play("/privacy delete")
        await until_told(stage, "click Delete everything", "Deleted: 1 result")
        deleted = [e for e in stage.sandbox.requests if e.method == "DELETE" and "/messages/" in e.path]
        assert len(deleted) == 2
        (export,) = exports(stage)
        assert export.answer["id"] not in {e.path.rpartition("/")[2] for e in deleted}


async def test_a_forged_button_reaches_ones_own_data_alone_and_leaves_the_message(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        job = await draw(stage)
        await stage.play("as mallory")
        await post_button(stage, f"1:erase:{NO_JOB}")
        await until_told(stage, "click Forged", DELETED.format("0 results", "their"))
        assert await stage.app.store.jobs.get(job.id) is not None


async def test_the_policy_is_shown_with_the_servers_own_time(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        text = (await stage.answer("/privacy policy")).text
        assert "Privacy: what was asked for in this server is kept until somebody deletes it." in text
        assert "What this bot keeps" in text
        guild_id = stage.app.bot.guilds[0].id
        await stage.app.store.guilds.change(guild_id, 1, retention_days=30)
        assert "is kept for 30 days" in (await stage.answer("/privacy policy")).text
        await stage.play("as anna in de")
        assert "Was dieser Bot speichert" in (await stage.answer("/privacy policy")).text


async def test_a_policy_of_ones_own(open_stage: OpenStage, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "ours.md"
    own = settings.model_copy(update={"privacy": PrivacySettings(policy_file=file)})
    for text, complaint in ((None, "can't be read"), ("", "has 0 characters"), ("x" * 3501, "has 3501 characters")):
        if text is not None:
            file.write_text(text)
        with pytest.raises(ConfigError, match=complaint):
            async with open_stage(settings=own):
                pass
    file.write_text("We keep **nothing**.")
    async with open_stage(settings=own) as stage:
        assert "We keep nothing." in (await stage.answer("/privacy policy")).text


@pytest.mark.parametrize("language", Languages.load().all(), ids=lambda language: language.code)
def test_the_text_names_commands_as_discord_does(language: Language) -> None:
    text = PrivacyPolicy().read(language.code)
    told = set(re.findall(r"`/(\w+) (\w+)`", text))
    assert told == {(language.text("privacy"), language.text(name)) for name in ("export", "delete")}
