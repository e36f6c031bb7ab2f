"""/help and /about as members meet them: the real client in a sandbox."""

import discord
import pytest

from bot.code_version import code_version
from bot.cogs.permissions import invite_link
from bot.config import DiscordSettings, Settings
from tests.conftest import OpenStage, Stage, eventually


def shown_components(stage: Stage) -> list[str]:
    """The components of the last answer to an interaction, as they were sent."""
    sent = [e.payload for e in stage.sandbox.requests if e.path_template and e.path_template.endswith("/callback")]
    return [str(component) for component in sent[-1]["data"]["components"]]


async def test_every_command_can_be_clicked(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        answer = await stage.answer("/help")
        assert answer.is_ephemeral
        assert "/imagine: Draw pictures of a prompt, ranked best first" in answer.text
        assert "/style add: Add a style; needs Manage Server" in answer.text
        (drawing, *_) = shown_components(stage)
        (registered,) = (e.answer for e in stage.sandbox.requests if e.method == "PUT")
        (imagine_id,) = (command["id"] for command in registered if command["name"] == "imagine")
        assert f"</imagine:{imagine_id}>: " in drawing


async def test_the_ids_are_known_after_a_restart_that_registers_nothing(open_stage: OpenStage) -> None:
    async with open_stage():
        pass
    async with open_stage() as stage:
        await stage.answer("/help")
        assert sum(e.method == "PUT" for e in stage.sandbox.requests) == 1
        assert "</imagine:" in shown_components(stage)[0]


async def test_help_in_german(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as anna in de")
        answer = await stage.answer("/hilfe")
    assert answer.text.startswith("Zeichnen\n- /imagine: Zeichne Bilder zu einer Beschreibung, das beste zuerst\n")
    assert "Genauer ansehen" in answer.text


async def test_about(open_stage: OpenStage, settings: Settings) -> None:
    url = "https://git.example.org/dalle-bot"
    async with open_stage(settings=settings.model_copy(update={"discord": DiscordSettings(source_url=url)})) as stage:
        await eventually(lambda: stage.app.executor.status.info is not None and bool(stage.app.bot.guilds))
        answer = await stage.answer("/about")
        (row,) = shown_components(stage)
        assert stage.app.bot.application_id is not None
        assert invite_link(stage.app.bot.application_id) in row
    assert answer.is_ephemeral
    assert answer.text == (
        f"dalle-bot {code_version()} draws pictures of what people describe.\n"
        "Model: fake, 8 x 8 pixels.\n"
        "Everybody's jobs: 0 waiting, 0 being drawn.\n"
        "Running for less than a minute, in 1 server.\n"
        "[Add it to a server] [Source code]"
    )
    assert url in row


@pytest.mark.parametrize("name", ["help", "about"])
async def test_no_view_is_kept(open_stage: OpenStage, name: str) -> None:
    async with open_stage() as stage:
        await stage.answer(f"/{name}")
        assert stage.app.bot.persistent_views == []
        assert isinstance(stage.app.bot.tree.get_command(name), discord.app_commands.Command)
