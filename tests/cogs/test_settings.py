"""/settings as administrators meet it: the real client in a sandbox."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.guild_settings import GuildSettings, digest_of
from bot.sandbox import Event, EventKind
from bot.store.guilds import GuildStore
from bot.views.custom_id import NO_JOB, Action, CustomId
from tests.conftest import TIMEOUT_S, OpenStage, Stage
from tests.sandbox_guild import guild_of


async def settings(stage: Stage) -> GuildSettings:
    return await stage.app.store.guilds.settings((await guild_of(stage)).id)


async def open_panel(stage: Stage, player: str = "moderator") -> Event:
    await stage.play(f"as {player}")
    panel = await stage.answer("/settings")
    assert panel.is_ephemeral
    return panel


async def press(stage: Stage, line: str) -> Event:
    """What the panel shows after a press."""
    said, *_, after = await stage.play(line)
    assert said.kind is EventKind.SAY
    return after


async def test_a_panel_shows_everything_that_is_set(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        panel = await open_panel(stage)
    lines = panel.text.splitlines()
    assert lines[0] == "Settings of this server"
    for line in ("Drawing is on.", "[Pause]", "Channels: all", "Roles: everybody"):
        assert line in lines
    assert "Images by default: the bot's own · condition_scale by default: the model's own" in panel.text
    assert "Quiet hours: none" in lines
    assert "Cooldown of a member: none" in panel.text


async def test_every_control_changes_its_setting(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        gallery = next(channel for channel in guild.channels if channel.name == "gallery")
        moderators = next(role for role in guild.roles if role.name == "Moderator")
        await open_panel(stage)
        assert "Changed." in (await press(stage, "click Pause")).text
        assert (await settings(stage)).is_paused
        assert "[Resume]" in (await press(stage, "click No previews")).text
        assert "#gallery" in (await press(stage, "choose #gallery")).text
        assert "@Moderator" in (await press(stage, "choose @Moderator")).text
        await press(stage, "choose Results as WebP")
        await press(stage, "choose Public messages in: Deutsch")
        assert await settings(stage) == GuildSettings(
            is_paused=True,
            previews=False,
            allowed_channels=(gallery.id,),
            allowed_roles=(moderators.id,),
            result_format="webp",
            language="de",
        )
        for line in ("Resume", "Show previews", "All channels", "All roles"):
            await press(stage, f"click {line}")
        await press(stage, "choose png")
        await press(stage, "choose own")
        assert await settings(stage) == GuildSettings()


async def test_forms_hold_what_is_set_and_set_what_they_hold(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        form = await press(stage, "click Defaults")
        assert form.kind is EventKind.MODAL
        assert form.text.splitlines()[:2] == ["When a member does not say", "[Images by default]"]
        await press(stage, "submit Images by default:3 temperature by default:0,5")
        await press(stage, "click Maxima")
        await press(stage, "submit Images at most:4 top_k at most:64")
        await press(stage, "click Limits")
        await press(
            stage,
            "submit Unfinished jobs of a member:2 Cooldown of a member (seconds):120 "
            "Pictures of a member in 24 hours:50",
        )
        await press(stage, "click Quiet hours")
        panel = await press(stage, "submit From (as in 22:00):9.30 To (as in 07:00):11:00")
        assert "Quiet hours: 09:30 to 11:00 (UTC)" in panel.text
        assert "Cooldown of a member: 2 minutes" in panel.text
        now = await settings(stage)
        assert (now.default_images, now.default_temperature, now.max_images, now.max_top_k) == (3, 0.5, 4, 64)
        assert (now.max_jobs_per_user, now.cooldown_s, now.daily_images) == (2, 120, 50)
        await press(stage, "click Defaults")
        await press(stage, "submit Images by default:")
        await press(stage, "click Quiet hours")
        await press(stage, "submit From (as in 22:00): To (as in 07:00): Time zone (as in Europe/Berlin):")
        now = await settings(stage)
        assert (now.default_images, now.default_temperature, now.quiet_hours) == (None, 0.5, None)


ONE_TIME = "Quiet hours need two times of the day, one to start and one to end: write both, or leave all fields empty."


@pytest.mark.parametrize(
    ("button", "form", "sentence"),
    [
        ("Defaults", "Images by default:many", "Images by default must be a number, not many."),
        ("Defaults", "Images by default:10", "Images by default must be between 1 and 9, not 10."),
        ("Maxima", "condition_scale at most:51", "condition_scale at most must be between 0 and 50, not 51."),
        (
            "Limits",
            "Cooldown of a member (seconds):0.5",
            "Cooldown of a member (seconds) must be a whole number between 0 and 86400",
        ),
        (
            "Quiet hours",
            "From (as in 22:00):25:00 To (as in 07:00):7:00",
            "Quiet hours need two times of the day, as in 22:00, not 25:00.",
        ),
        ("Quiet hours", "From (as in 22:00):9:00 To (as in 07:00):9:00", "Quiet hours must end at another time"),
        ("Quiet hours", "From (as in 22:00):9:00", ONE_TIME),
        ("Quiet hours", "Time zone (as in Europe/Berlin):Europe/Berlin", ONE_TIME),
        (
            "Quiet hours",
            "From (as in 22:00):9:00 To (as in 07:00):10:00 Time zone (as in Europe/Berlin):Atlantis",
            "Quiet hours: there is no time zone Atlantis",
        ),
    ],
)
async def test_what_is_wrong_in_a_form_is_told_and_changes_nothing(
    open_stage: OpenStage, button: str, form: str, sentence: str
) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, f"click {button}")
        told = await press(stage, f"submit {form}")
        assert told.text.startswith(sentence)
        assert told.is_ephemeral
        assert await settings(stage) == GuildSettings()


async def test_a_default_above_the_maximum_is_told_with_both_labels(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Maxima")
        await press(stage, "submit Images at most:2")
        await press(stage, "click Defaults")
        told = await press(stage, "submit Images by default:3")
        assert told.text == "Images by default is 3, and Images at most is 2: the default must not be more."


async def test_the_last_changes_are_shown_with_who_and_what(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Pause")
        await open_panel(stage, "owner")
        await press(stage, "click Resume")
        await press(stage, "choose #gallery")
        await press(stage, "click No previews")
        await press(stage, "choose Results as WebP")
        await press(stage, "choose Public messages in: Deutsch")
        changes = (await press(stage, "click Last changes")).text.splitlines()
        assert changes[0] == "Last changes"
        assert [line.partition("@")[2] for line in changes[1:7]] == [
            "owner changed “Language of public messages” from each member's own to Deutsch.",
            "owner changed “Format of results” from PNG to WebP.",
            "owner switched previews off.",
            "owner changed “Channels” from all to #gallery.",
            "owner resumed drawing.",
            "moderator paused drawing.",
        ]
        assert (await press(stage, "click Back to the settings")).text.startswith("Settings of this server")
        assert "Nobody has changed anything yet." not in changes


async def test_a_panel_and_its_form_outlive_a_restart(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Limits")
    async with open_stage() as stage:
        await press(stage, "submit Pictures of a member in 24 hours:7")
        assert (await settings(stage)).daily_images == 7
        assert "[Resume]" in (await press(stage, "click Pause")).text


async def test_who_lost_the_right_is_refused_at_press_and_form(open_stage: OpenStage) -> None:
    refusal = "Only members with the permission “Manage Server” can do this."
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Maxima")
        await stage.play("take Moderator")
        for line in (
            "submit Images at most:1",
            "click Pause",
            "click Limits",
            "click Last changes",
            "choose #gallery",
            "choose webp",
        ):
            assert (await press(stage, line)).text == refusal
        assert await settings(stage) == GuildSettings()


FORGED = [
    CustomId(Action.SETTINGS, NO_JOB),
    CustomId(Action.SETTINGS_CHANGES, NO_JOB),
    CustomId(Action.SETTINGS_SET, NO_JOB, "pause"),
    CustomId(Action.SETTINGS_CHOOSE, NO_JOB, "format"),
    CustomId(Action.SETTINGS_FORM, NO_JOB, "limits"),
    CustomId(Action.SETTINGS_SUBMIT, NO_JOB, f"maxima.{digest_of(GuildSettings(), ['max_images'])}"),
]


def interaction_of(guild_id: int | None, *, data: dict[str, Any] | None = None, **permissions: bool) -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction)
    interaction.guild_id, interaction.guild = guild_id, None
    interaction.user.id, interaction.locale = 7, discord.Locale.american_english
    interaction.permissions = discord.Permissions(**permissions)
    interaction.command, interaction.data = None, data or {}
    interaction.response.is_done = MagicMock(return_value=False)
    interaction.response.send_message = AsyncMock()
    interaction.response.edit_message = AsyncMock()
    return interaction


@pytest.mark.parametrize("custom_id", FORGED, ids=str)
async def test_a_forged_control_does_nothing_for_others(open_stage: OpenStage, custom_id: CustomId) -> None:
    async with open_stage() as stage:
        guild_id = (await guild_of(stage)).id
        for place in (guild_id, None):
            interaction = interaction_of(place, data={"values": ["webp"]}, manage_messages=True)
            await stage.app.bot.presses.press(interaction, str(custom_id))
            (sentence,) = interaction.response.send_message.await_args.args
            assert sentence == "Only members with the permission “Manage Server” can do this."
        assert await settings(stage) == GuildSettings()


async def test_the_second_page_changes_who_moderates_and_where(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        staff = next(channel for channel in guild.channels if channel.name == "staff")
        moderators = next(role for role in guild.roles if role.name == "Moderator")
        await open_panel(stage)
        page = (await press(stage, "click Moderation")).text
        assert page.splitlines()[0] == "Moderation of this server"
        assert "Moderators: whoever may time out members" in page
        page = (await press(stage, "choose Moderators' channel: #staff")).text
        assert "Moderators' channel: #staff" in page
        assert page.splitlines()[:2] == ["Moderation of this server", "Changed."]
        await press(stage, "choose Log of the moderation: #staff")
        await press(stage, "choose These roles are moderators too: @Moderator")
        page = (await press(stage, "choose Never hold the jobs of these roles: @Moderator")).text
        assert "Moderators: @Moderator and whoever may time out members" in page
        assert await settings(stage) == GuildSettings(
            moderator_roles=(moderators.id,),
            trusted_roles=(moderators.id,),
            review_channel=staff.id,
            log_channel=staff.id,
        )
        assert (await press(stage, "click Back to the settings")).text.startswith("Settings of this server")


@pytest.mark.parametrize(
    ("action", "argument", "values"),
    [
        (Action.SETTINGS_SET, "everything", []),
        (Action.SETTINGS_SET, "", []),
        (Action.SETTINGS_FORM, "secrets", []),
        (Action.SETTINGS_SUBMIT, "secrets.000000000000", []),
        (Action.SETTINGS_CHOOSE, "token", ["x"]),
        (Action.SETTINGS_CHOOSE, "format", []),
        (Action.SETTINGS_CHOOSE, f"channels.{digest_of(GuildSettings(), ['allowed_channels'])}", ["-1"]),
    ],
)
async def test_what_no_panel_ever_offered_is_refused(
    open_stage: OpenStage, action: Action, argument: str, values: list[str]
) -> None:
    async with open_stage() as stage:
        interaction = interaction_of((await guild_of(stage)).id, data={"values": values}, manage_guild=True)
        await stage.app.bot.presses.press(interaction, str(CustomId(action, NO_JOB, argument)))
        (sentence,) = interaction.response.send_message.await_args.args
        assert sentence == "This control is not from this version of the bot. Use the command again."
        assert await settings(stage) == GuildSettings()


STALE = (
    "Somebody else has changed this meanwhile, so your change was not made. Look at what it is now, and change it "
    "again if you still want to."
)


async def test_two_admins_at_once(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Limits")
        await stage.sandbox.play("as owner", player="owner")
        await stage.sandbox.play("/settings", player="owner")
        await stage.sandbox.play("choose #gallery", player="owner")
        await stage.sandbox.play("click Limits", player="owner")
        await stage.sandbox.play("submit Pictures of a member in 24 hours:9", player="owner")
        stale = (await press(stage, "submit Pictures of a member in 24 hours:5")).text
        assert STALE in stale
        assert "Pictures of a member in 24 hours: 9" in stale
        # Another list, as this panel shows it by now, has not changed meanwhile.
        assert "Changed." in (await press(stage, "choose #general")).text
        await press(stage, "click Limits")
        await press(stage, "submit Pictures of a member in 24 hours:5")
        assert (await settings(stage)).daily_images == 5


async def test_a_list_that_another_admin_changed_is_not_overwritten(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await stage.sandbox.play("as owner", player="owner")
        await stage.sandbox.play("/settings", player="owner")
        await stage.sandbox.play("choose #gallery", player="owner")
        panel = (await press(stage, "choose #general")).text
        assert STALE in panel
        assert "Channels: #gallery" in panel


async def test_a_channel_that_is_gone_is_told_and_not_offered(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        gallery = next(channel for channel in guild.channels if channel.name == "gallery")
        await stage.app.store.guilds.change(guild.id, 1, allowed_channels=(gallery.id, 99))
        panel = await open_panel(stage)
        assert "1 of them is gone." in panel.text
        assert "[Draw in these channels only: #gallery]" in panel.text


async def test_damaged_settings_are_shown_as_their_defaults(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object) -> str:
        return '{"cooldown_s": "soon", "max_images": 3}'

    async with open_stage() as stage:
        monkeypatch.setattr(GuildStore, "_text", damaged)
        panel = await open_panel(stage)
        assert "Cooldown of a member: none" in panel.text
        assert "Images at most: 3" in panel.text


@pytest.mark.true_limits
async def test_a_store_that_hangs_is_told(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object, **__: object) -> None:
        await asyncio.sleep(TIMEOUT_S)

    async with open_stage() as stage:
        await open_panel(stage)
        for method, line in (
            ("change", "click Pause"),
            ("changes", "click Last changes"),
            ("settings", "click Limits"),
        ):
            monkeypatch.setattr(GuildStore, method, hangs)
            assert (await press(stage, line)).text.startswith("The bot's database has a problem")


async def test_in_german(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator in de")
        panel = await stage.answer("/einstellungen")
        assert panel.text.startswith("Einstellungen dieses Servers")
        for button in ("Vorgaben", "Höchstwerte", "Grenzen", "Ruhezeit"):
            assert (await press(stage, f"click {button}")).kind is EventKind.MODAL


@pytest.mark.parametrize(
    ("button", "form", "sentence"),
    [
        ("Vorgaben", "Bilder ohne Angabe:0", "Bilder ohne Angabe: Erlaubt ist alles von 1 bis 9, nicht 0."),
        (
            "Grenzen",
            "Wartezeit eines Mitglieds (Sekunden):86401",
            "Wartezeit eines Mitglieds (Sekunden): Erlaubt ist alles von 0 bis 86400, nicht 86401.",
        ),
        (
            "Ruhezeit",
            "Bis (wie 07:00):7:00",
            "Die Ruhezeit braucht zwei Uhrzeiten, Anfang und Ende: Gib beide an, oder lass alle Felder leer.",
        ),
    ],
)
async def test_what_is_wrong_in_a_form_is_told_in_german(
    open_stage: OpenStage, button: str, form: str, sentence: str
) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator in de")
        assert "Es wird gezeichnet." in (await stage.answer("/einstellungen")).text
        await press(stage, f"click {button}")
        assert (await press(stage, f"submit {form}")).text == sentence


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ("Moderators' channel: #general", "Everybody can see #general, and what waits for moderators is shown there."),
        ("Moderators' channel: #hidden", "I lack View Channel, Send Messages and Attach Files in #hidden."),
        ("Moderators' channel: #read-only", "I lack Send Messages and Attach Files in #read-only."),
        ("Log of the moderation: #read-only", "I lack Send Messages and Attach Files in #read-only."),
    ],
)
async def test_channels_of_moderators_are_not_public_and_take_messages(
    open_stage: OpenStage, chosen: str, sentence: str
) -> None:
    async with open_stage() as stage:
        await open_panel(stage)
        await press(stage, "click Moderation")
        assert (await stage.play(f"choose {chosen}"))[-1].text.startswith(sentence)
        assert await settings(stage) == GuildSettings()
