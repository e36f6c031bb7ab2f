"""/mod images as moderators meet it: the real client in a sandbox, with the shipped categories."""

from bot.image_rule import ImageAction, ImageRule
from tests.conftest import OpenStage
from tests.sandbox_guild import guild_of


async def test_rules_are_shown_and_changed_and_said_to_be_uncalibrated(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guilds, guild = stage.app.store.guilds, await guild_of(stage)
        await stage.play("as moderator")
        shown = await stage.answer("/mod images")
        assert shown.is_ephemeral
        assert "nudity: allowed" in shown.text
        assert "Uncalibrated: nobody has compared these categories" in shown.text
        changed = await stage.answer("/mod images category:blood action:hold threshold:90")
        assert "blood and wounds: hold for moderators, from 90 % on" in changed.text
        assert "There is no moderators' channel" in changed.text
        assert (await guilds.settings(guild.id)).image_rules == (ImageRule("blood", ImageAction.HOLD, 0.9),)
        changed = await stage.answer("/mod images category:Blood and wounds action:spoiler")
        assert "blood and wounds: show as a spoiler, from 90 % on" in changed.text
        refused = await stage.answer("/mod images category:hate threshold:50")
        assert refused.text == "There is no rule for this category yet: choose an action too."
        refused = await stage.answer("/mod images category:moons action:hold")
        assert refused.text == "Choose one of the categories that are suggested."
        await stage.answer("/mod images category:blood action:allow")
        assert (await guilds.settings(guild.id)).image_rules == ()
