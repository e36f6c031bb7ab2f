"""What /help tells: each command has a line, in every language, and all of it fits."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.catalogues import LOCALES_FOLDER, Languages
from bot.client import DalleBot
from bot.cogs.elsewhere import AnyCommand
from bot.cogs.help_page import TOPICS, help_texts, help_view
from bot.engine.fake import FakeEngine
from bot.executor.local import LocalExecutor
from bot.language import ENGLISH
from bot.pictures import PictureFolder
from bot.store import Store

CODES = ["en", *sorted(path.stem for path in LOCALES_FOLDER.glob("*.po"))]
MAX_TEXT_CHARACTERS = 4000
LONGEST_ID = 2**63 - 1


@pytest.fixture
async def commands(tmp_path: Path) -> AsyncIterator[list[AnyCommand]]:
    """All that the bot has."""
    async with (
        Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store,
        LocalExecutor(FakeEngine, max_jobs=2, max_jobs_per_user=1, chunk_tokens=4) as executor,
        DalleBot(
            store=store,
            pictures=PictureFolder(tmp_path / "pictures", 2**20),
            executor=executor,
            languages=Languages.load(),
            max_deliveries=4,
            default_images=9,
            max_images=9,
        ) as bot,
    ):
        await bot.load_cogs()
        tree: app_commands.CommandTree[Any] = bot.tree
        kinds = (discord.AppCommandType.chat_input, discord.AppCommandType.message, discord.AppCommandType.user)
        yield [command for kind in kinds for command in tree.get_commands(type=kind)]


async def test_every_command_has_a_topic_and_every_topic_a_command_or_a_hint(commands: list[AnyCommand]) -> None:
    told = [name for topic in TOPICS for name in topic.commands]
    assert len(set(told)) == len(told)
    assert {command.name for command in commands} - set(told) == set()
    assert all(topic.commands or topic.hint for topic in TOPICS)


@pytest.mark.parametrize("code", CODES)
async def test_every_command_has_a_line(commands: list[AnyCommand], code: str) -> None:
    text = "\n".join(help_texts(commands, {}, Languages.load().of(code)))
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    leaves = [child for c in commands for child in (c.walk_commands() if isinstance(c, app_commands.Group) else [c])]
    assert len(lines) == sum(not isinstance(leaf, app_commands.Group) for leaf in leaves)
    assert all(len(line) < 150 for line in lines)


@pytest.mark.parametrize("code", CODES)
async def test_all_of_it_fits_into_a_message(commands: list[AnyCommand], code: str) -> None:
    ids = {command.name: LONGEST_ID for command in commands}
    texts = help_texts(commands, ids, Languages.load().of(code))
    view = help_view(texts)
    assert view.content_length() == sum(map(len, texts)) <= MAX_TEXT_CHARACTERS
    assert view.total_children_count <= 40


def make_command(name: str, description: str, parent: app_commands.Group | None = None) -> AnyCommand:
    async def callback(interaction: discord.Interaction) -> None: ...

    return app_commands.Command(name=name, description=description, callback=callback, parent=parent)


def test_what_can_be_clicked_and_what_has_to_be_typed() -> None:
    style = app_commands.Group(name="style", description="Styles")
    style.add_command(make_command("list", "The styles of this server"))  # type: ignore[arg-type]
    queue = make_command("queue", "Your unfinished jobs, and how long the line is")
    waiting, _, server = help_texts([queue, style], {"queue": 12}, ENGLISH)
    assert waiting.splitlines()[:2] == [
        "### While it is drawn",
        "- </queue:12>: Your unfinished jobs, and how long the line is",
    ]
    assert server == "### For the whole server\n- `/style list`: The styles of this server"
    german = Languages.load().of("de")
    assert help_texts([style], {}, german)[-1].endswith("- `/stil liste`: Die Stile dieses Servers")
    assert help_texts([style], {"style": 5}, german)[-1].endswith("- </style list:5>: Die Stile dieses Servers")


def test_context_menus_say_where_they_are() -> None:
    async def on_message(interaction: discord.Interaction, message: discord.Message) -> None: ...

    async def on_member(interaction: discord.Interaction, member: discord.Member) -> None: ...

    menus: list[AnyCommand] = [
        app_commands.ContextMenu(name="Draw this", callback=on_message),
        app_commands.ContextMenu(name="Their gallery", callback=on_member),
    ]
    text = "\n".join(help_texts(menus, {}, ENGLISH))
    assert "- **Draw this**: right-click a message, then Apps" in text
    assert "- **Their gallery**: right-click a member, then Apps" in text
