"""Direct messages, other servers and groups as people meet the bot there: the real client in a sandbox."""

import logging
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.help_page import MORE_IN_SERVERS
from bot.config import DiscordSettings, QueueSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.executor.local import LocalExecutor
from bot.sandbox import EventKind, Exchange
from bot.sandbox.errors import LineError
from bot.store import JobState
from bot.views.custom_id import NO_JOB, Action, CustomId
from tests.conftest import OpenStage, Stage
from tests.sandbox_guild import guild_of

DRAW = "/imagine prompt:a red circle images:2"
DIRECT, ABROAD, CLOSED, FRIENDS = "in direct messages", "in abroad", "in abroad-closed", "in friends"


@pytest.fixture
def everywhere(settings: Settings) -> Settings:
    """Settings of a bot that may be used in all places."""
    return settings.model_copy(
        update={
            "discord": DiscordSettings(direct_messages=True, user_installs=True),
            "queue": QueueSettings(max_jobs=20, max_jobs_per_user=20),
        }
    )


def posts_by_bot(stage: Stage) -> list[Exchange]:
    template = "/channels/{channel_id}/messages"
    return [e for e in stage.sandbox.requests if e.method == "POST" and e.path_template == template]


def edits_by_bot(stage: Stage) -> list[Exchange]:
    template = "/channels/{channel_id}/messages/{message_id}"
    return [e for e in stage.sandbox.requests if e.method == "PATCH" and e.path_template == template]


async def test_commands_are_for_servers_unless_configured_otherwise(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        for place in (DIRECT, ABROAD, FRIENDS):
            await stage.play(place)
            with pytest.raises(LineError, match=r"There is no command /imagine in .*; the client has registered none"):
                await stage.play(DRAW)


async def test_what_is_offered_where(open_stage: OpenStage, settings: Settings) -> None:
    only_direct = settings.model_copy(update={"discord": DiscordSettings(direct_messages=True)})
    async with open_stage(settings=only_direct) as stage:
        await stage.play(DIRECT)
        with pytest.raises(LineError, match="has registered /imagine, /again, /queue, /help, /about"):
            await stage.play("/settings")
        await stage.play(ABROAD)
        with pytest.raises(LineError, match="has registered none"):
            await stage.play(DRAW)


async def test_in_direct_messages(open_stage: OpenStage, everywhere: Settings) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play(DIRECT)
        assert (await stage.answer("/again")).text == (
            "You have asked for nothing yet that could be repeated: use /imagine first."
        )
        _, acknowledged, *_, done = await stage.play(DRAW)
        assert not acknowledged.is_ephemeral
        assert "2 images for @user" in done.text
        job = await stage.job(JobState.DELIVERED)
        assert (job.guild_id, job.is_private, job.is_short_lived) == (None, False, False)
        assert (await stage.play("/again"))[-1].files
        assert (await stage.play("choose 1"))[-1].files
        assert (await stage.play("click Reroll"))[-1].files
        assert (await stage.job(JobState.DELIVERED)).kind == "reroll"


async def test_a_restart_edits_the_message_in_direct_messages(open_stage: OpenStage, everywhere: Settings) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate), settings=everywhere) as stage:
        await stage.play(DIRECT)
        await stage.leave_running(DRAW, gate)
    async with open_stage(settings=everywhere) as stage:
        await stage.job(JobState.DELIVERED)
        assert posts_by_bot(stage) == []
        assert "2 images for" in edits_by_bot(stage)[-1].payload["content"]


@pytest.mark.parametrize("place", [ABROAD, FRIENDS])
async def test_where_a_user_brings_the_bot(open_stage: OpenStage, everywhere: Settings, place: str) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play(place)
        _, acknowledged, *_, done = await stage.play(DRAW)
        assert not acknowledged.is_ephemeral
        assert done.files
        job = await stage.job(JobState.DELIVERED)
        assert (job.is_private, job.is_short_lived) == (False, True)
        assert (await stage.play("/again"))[-1].files
        assert not (await stage.job(JobState.DELIVERED)).is_private
        # Others see the result, and may look closer.
        await stage.play("as other")
        assert (await stage.play("choose 1"))[-1].files


async def test_a_server_that_shows_own_apps_answers_to_their_user_alone(
    open_stage: OpenStage, everywhere: Settings
) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play(CLOSED)
        events = await stage.play(DRAW)
        assert all(event.is_ephemeral for event in events[1:])
        assert (await stage.job(JobState.DELIVERED)).is_private


async def test_after_fifteen_minutes_it_comes_as_a_direct_message(open_stage: OpenStage, everywhere: Settings) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate), settings=everywhere) as stage:
        await stage.play(FRIENDS)
        await stage.begin_running(DRAW)
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        job = await stage.job(JobState.DELIVERED)
        (sent,) = posts_by_bot(stage)
    assert (sent.status, len(sent.files), sent.payload["nonce"]) == (200, 1, job.id)


async def test_after_a_restart_it_comes_as_a_direct_message(open_stage: OpenStage, everywhere: Settings) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate), settings=everywhere) as stage:
        await stage.play(ABROAD)
        await stage.leave_running(DRAW, gate)
    async with open_stage(settings=everywhere) as stage:
        await stage.job(JobState.DELIVERED)
        assert len(posts_by_bot(stage)) == 1


@pytest.mark.parametrize("place", [DIRECT, ABROAD, CLOSED, FRIENDS])
async def test_help_about_and_queue(open_stage: OpenStage, everywhere: Settings, place: str) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate), settings=everywhere) as stage:
        await stage.play(place)
        answer = await stage.answer("/help")
        assert answer.is_ephemeral
        told = [line.split(":")[0] for line in answer.text.splitlines() if line.startswith("- ")]
        assert told[:3] == ["- /imagine", "- /again", "- /queue"]
        assert set(told[3:]) == {"- /help", "- /about", "- /privacy policy", "- /privacy export", "- /privacy delete"}
        assert answer.text.endswith(str(MORE_IN_SERVERS))
        about = await stage.answer("/about")
        assert about.is_ephemeral
        assert "in 1 server." in about.text
        await stage.sandbox.play(place, player="one")
        await stage.begin_running(DRAW, player="one")
        page = await stage.answer("/queue")
        assert page.is_ephemeral
        assert page.text.startswith("1. a red circle")
        assert (await stage.play("click Cancel 1"))[-1].text.startswith("Cancelled: a red circle")
        await stage.job(JobState.CANCELLED)
        gate.open()


async def test_in_the_bots_servers_help_tells_all(open_stage: OpenStage, everywhere: Settings) -> None:
    async with open_stage(settings=everywhere) as stage:
        text = (await stage.answer("/help")).text
    assert "- /settings" in text
    assert str(MORE_IN_SERVERS) not in text


@pytest.mark.parametrize("place", [DIRECT, ABROAD, FRIENDS])
async def test_styles_belong_to_servers(open_stage: OpenStage, everywhere: Settings, place: str) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play(place)
        answer = await stage.answer("/imagine prompt:a blue star style:oil")
        assert answer.is_ephemeral
        assert answer.text == "Styles belong to servers that I am a member of, so there is none to use here."
        assert (await stage.answer("type /imagine style:o")).text == "No options match your search."
        await stage.play("as anna in de")
        await stage.play(place)
        assert (await stage.answer("/zeichne beschreibung:ein Stern stil:öl")).text == (
            "Stile gehören zu Servern, auf denen ich Mitglied bin; hier gibt es deshalb keine."
        )
        assert stage.job_ids == []


async def test_a_long_wait_is_refused_with_the_expected_time(
    open_stage: OpenStage, everywhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play("/imagine prompt:measured images:1")
        monkeypatch.setattr(LocalExecutor, "drawing_s", lambda *_: 1200.0)
        await stage.play(ABROAD)
        assert (await stage.answer(DRAW)).text.startswith(
            "This would be done in about 20 min, and where I am not a member Discord lets me write"
        )
        await stage.job(JobState.FAILED)
        await stage.play(DIRECT)
        assert (await stage.play(DRAW))[-1].files, "there the bot's own token reaches the message"


async def test_no_more_messages_than_discord_takes(open_stage: OpenStage, everywhere: Settings) -> None:
    async with open_stage(settings=everywhere) as stage:
        await stage.play(FRIENDS)
        answer = await stage.answer("/imagine prompt:a {red|blue|green} {star|ring} images:1")
        assert answer.is_ephemeral
        assert answer.text == (
            "Where I am not a member, Discord lets me answer with 5 jobs at once, and this makes 6: ask for fewer."
        )
        assert stage.job_ids == []
        await stage.play("/imagine prompt:a {red|blue|green|pink|gray} star images:1")
        await stage.play("click Draw 5 jobs")
        for index in range(5):
            await stage.job(JobState.DELIVERED, index=index)


async def test_a_result_in_direct_messages_makes_no_jobs_where_they_are_off(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running(f"{DRAW} private:true")
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        await stage.job(JobState.DELIVERED)
        await stage.play(DIRECT)
        assert (await stage.play("choose 1"))[-1].files
        assert (await stage.play("click Reroll"))[-1].text == (
            "I don't draw in direct messages. Ask in a server that I am in."
        )


def closed_to(settings: Settings, *guilds: int, **values: Any) -> Settings:
    return settings.model_copy(update={"discord": DiscordSettings(allowed_guilds=guilds, **values)})


async def test_another_server_than_the_allowed_ones_is_refused(
    open_stage: OpenStage, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        await stage.play(DRAW)
        await stage.play("as moderator")
        await stage.answer("/settings")
    sentence = (
        "I work in certain servers only, and this one is not among them. Whoever runs me can allow it: its id is "
        f"{guild.id}."
    )
    with caplog.at_level(logging.WARNING):
        async with open_stage(settings=closed_to(settings, 1)) as stage:
            await guild_of(stage)
            for line in (DRAW, "/queue", "/settings", "click Reroll", "click Pause", "choose 1"):
                answer = (await stage.play(line))[-1]
                assert (answer.text, answer.is_ephemeral) == (sentence, True)
            assert (await stage.answer("type /imagine style:x")).text == "No options match your search."
            assert len(stage.job_ids) == 1
    assert f"discord.allowed_guilds lacks the server Sandbox ({guild.id})" in caplog.text
    async with open_stage(settings=closed_to(settings, 1, guild.id)) as stage:
        assert (await stage.play(DRAW))[-1].files


async def test_a_list_without_servers_closes_all(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(settings=closed_to(settings, direct_messages=True, user_installs=True)) as stage:
        for place in ("in general", ABROAD):
            await stage.play(place)
            assert (await stage.answer(DRAW)).text.startswith("I work in certain servers only")
        await stage.play(DIRECT)
        assert (await stage.play(DRAW))[-1].files


async def test_forms_and_forged_controls_are_refused_too(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(settings=closed_to(settings, 1)) as stage:
        interaction = MagicMock(spec=discord.Interaction, guild_id=2, locale=discord.Locale.german, command=None)
        interaction.type = discord.InteractionType.modal_submit
        interaction.data = {"custom_id": str(CustomId(Action.SETTINGS_SUBMIT, NO_JOB, "limits.0"))}
        interaction.response.is_done = MagicMock(return_value=False)
        interaction.response.send_message = AsyncMock()
        await stage.app.bot.on_interaction(interaction)
        (sentence,) = interaction.response.send_message.await_args.args
        assert sentence.startswith("Ich arbeite nur auf bestimmten Servern")


async def test_a_job_goes_on_where_the_bot_was_closed_meanwhile(open_stage: OpenStage, settings: Settings) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.leave_running(DRAW, gate)
    async with open_stage(settings=closed_to(settings, 1)) as stage:
        await stage.job(JobState.DELIVERED)
        await guild_of(stage)
        assert (await stage.answer("/again")).kind is EventKind.ACK
