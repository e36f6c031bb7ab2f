"""Every command, menu and control, called by everybody, against the table."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest
from discord import app_commands

from bot.catalogues import Languages
from bot.client import DalleBot
from bot.cogs.authority import default_permissions, need_of
from bot.engine.fake import FakeEngine
from bot.executor.local import LocalExecutor
from bot.moderation.authority import COMMANDS, MENUS, PRESSES, Need
from bot.pictures import PictureFolder
from bot.store import JobStore, NewJob, Store
from bot.store.guilds import GuildStore
from bot.views.custom_id import NO_JOB, Action, CustomId

GUILD, CHANNEL, OTHER_CHANNEL = 5, 6, 7
MODERATOR_ROLE = 8
REQUESTER = 100


@dataclass(frozen=True)
class Person:
    """Somebody, and which rows let them pass."""

    name: str
    permissions: discord.Permissions
    may: frozenset[Need]
    user_id: int = 101
    roles: tuple[int, ...] = ()


ANYBODY = frozenset({Need.MEMBER})
MODERATORS = frozenset({Need.MEMBER, Need.REQUESTER, Need.MODERATOR})
PEOPLE = [
    Person("member", discord.Permissions.none(), ANYBODY),
    Person("member with another role", discord.Permissions.none(), ANYBODY, roles=(MODERATOR_ROLE + 1,)),
    Person("requester", discord.Permissions.none(), ANYBODY | {Need.REQUESTER}, user_id=REQUESTER),
    Person("moderator by role", discord.Permissions.none(), MODERATORS, roles=(MODERATOR_ROLE,)),
    Person("moderator by permission", discord.Permissions(moderate_members=True), MODERATORS),
    Person("cleaner", discord.Permissions(manage_messages=True), ANYBODY | {Need.REQUESTER}),
    Person("admin", discord.Permissions(manage_guild=True), frozenset(Need)),
    Person("administrator", discord.Permissions(administrator=True), frozenset(Need)),
]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store:
        await store.guilds.change(GUILD, 1, moderator_roles=(MODERATOR_ROLE,))
        yield store


@pytest.fixture
async def bot(store: Store) -> AsyncIterator[DalleBot]:
    """A bot with all its commands that isn't connected."""
    async with (
        LocalExecutor(FakeEngine, max_jobs=2, max_jobs_per_user=1, chunk_tokens=4) as executor,
        DalleBot(
            store=store,
            pictures=PictureFolder(Path("never written"), 2**20),
            executor=executor,
            languages=Languages({}),
            max_deliveries=4,
            default_images=9,
            max_images=9,
        ) as bot,
    ):
        await bot.load_cogs()
        yield bot


def runnable(bot: DalleBot) -> list[app_commands.Command[Any, Any, Any] | app_commands.ContextMenu]:
    """Everything in the tree that can be called."""
    commands = [command for command in bot.tree.walk_commands() if isinstance(command, app_commands.Command)]
    kinds = (discord.AppCommandType.user, discord.AppCommandType.message)
    menus = [menu for kind in kinds for menu in bot.tree.get_commands(type=kind)]
    return [*commands, *(menu for menu in menus if isinstance(menu, app_commands.ContextMenu))]


def interaction_of(bot: DalleBot, person: Person, *, guild_id: int | None = GUILD, command: Any = None) -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction, client=bot, command=command, guild_id=guild_id)
    interaction.type = discord.InteractionType.application_command
    interaction.channel_id, interaction.locale = CHANNEL, discord.Locale.american_english
    interaction.permissions = person.permissions
    roles = [MagicMock(spec=discord.Role, id=role_id) for role_id in person.roles]
    interaction.user = MagicMock(spec=discord.Member, id=person.user_id, roles=roles)
    interaction.response.is_done = MagicMock(return_value=False)
    interaction.response.send_message = AsyncMock()
    interaction.response.autocomplete = AsyncMock()
    return interaction


def refusal(interaction: MagicMock) -> str | None:
    sent = interaction.response.send_message.await_args
    if sent is None:
        return None
    assert sent.kwargs["ephemeral"] is True
    return str(sent.args[0])


async def test_every_command_and_menu_has_a_row_and_every_row_a_command(bot: DalleBot) -> None:
    found = runnable(bot)
    menus = {known.name for known in found if isinstance(known, app_commands.ContextMenu)}
    assert {known.qualified_name for known in found} - menus == set(COMMANDS)
    assert menus == set(MENUS)


async def test_every_action_is_acted_on(bot: DalleBot) -> None:
    assert set(bot.presses._handlers) == set(Action)


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
async def test_every_command_and_menu_lets_in_whom_its_row_does(bot: DalleBot, person: Person) -> None:
    for command in runnable(bot):
        interaction = interaction_of(bot, person, command=command)
        passed = await bot.tree.interaction_check(interaction)
        assert passed is (need_of(command) in person.may), command.qualified_name
        assert (refusal(interaction) is None) is passed
        if not passed:
            assert str(refusal(interaction)).startswith("Only ")


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
async def test_every_press_reaches_whom_its_row_lets_in(bot: DalleBot, store: Store, person: Person) -> None:
    job = NewJob(
        prompt="a", num_images=1, seed=1, user_id=REQUESTER, guild_id=GUILD, channel_id=CHANNEL, interaction_id=1
    )
    await store.jobs.create(job)
    handlers = {action: AsyncMock() for action in Action}
    bot.presses._handlers = handlers
    for action, need in PRESSES.items():
        interaction = interaction_of(bot, person)
        await bot.presses.press(interaction, str(CustomId(Action(action), job.id)))
        reached = handlers[Action(action)].await_count == 1
        assert reached is (need in person.may), action
        assert (refusal(interaction) is None) is reached


@pytest.mark.parametrize("guild_id", [None, GUILD + 1])
async def test_nobody_moderates_jobs_of_another_place(bot: DalleBot, store: Store, guild_id: int | None) -> None:
    job = NewJob(
        prompt="a", num_images=1, seed=1, user_id=REQUESTER, guild_id=GUILD, channel_id=OTHER_CHANNEL, interaction_id=1
    )
    await store.jobs.create(job)
    bot.presses._handlers = {Action.DELETE: (handler := AsyncMock())}
    for person in PEOPLE:
        interaction = interaction_of(bot, person, guild_id=guild_id)
        await bot.presses.press(interaction, str(CustomId(Action.DELETE, job.id)))
        is_mine = person.user_id == REQUESTER
        assert (refusal(interaction) is None) is is_mine, person.name
    assert handler.await_count == 1


async def test_who_may_delete_messages_elsewhere_only_has_no_say(bot: DalleBot, store: Store) -> None:
    job = NewJob(
        prompt="a", num_images=1, seed=1, user_id=REQUESTER, guild_id=GUILD, channel_id=OTHER_CHANNEL, interaction_id=1
    )
    await store.jobs.create(job)
    cleaner = next(person for person in PEOPLE if person.name == "cleaner")
    interaction = interaction_of(bot, cleaner)
    await bot.presses.press(interaction, str(CustomId(Action.DELETE, job.id)))
    assert refusal(interaction) == "Only whoever asked for it can do this, or a moderator."


async def test_outside_of_servers_nobody_is_more_than_a_member(bot: DalleBot) -> None:
    admin = next(person for person in PEOPLE if person.name == "admin")
    for command in runnable(bot):
        interaction = interaction_of(bot, admin, guild_id=None, command=command)
        assert await bot.tree.interaction_check(interaction) is (need_of(command) is Need.MEMBER)


async def test_whoever_may_not_use_a_command_is_suggested_nothing(bot: DalleBot) -> None:
    command = bot.tree.get_command("style")
    assert isinstance(command, app_commands.Group)
    interaction = interaction_of(bot, PEOPLE[0], command=command.get_command("remove"))
    interaction.type = discord.InteractionType.autocomplete
    assert await bot.tree.interaction_check(interaction) is False
    interaction.response.autocomplete.assert_awaited_once_with([])
    interaction.response.send_message.assert_not_awaited()


async def test_a_command_without_a_row_is_for_nobody(bot: DalleBot, caplog: pytest.LogCaptureFixture) -> None:
    admin = next(person for person in PEOPLE if person.name == "administrator")

    async def forget(interaction: discord.Interaction) -> None:
        raise AssertionError("nobody may call it")

    forgotten: Any = app_commands.Command(name="forgotten", description="A command", callback=forget)
    interaction = interaction_of(bot, admin, command=forgotten)
    assert await bot.tree.interaction_check(interaction) is False
    assert str(refusal(interaction)).startswith("Something went wrong (id ")


@pytest.mark.parametrize(
    ("owner", "method", "pressed"),
    [(JobStore, "get", CustomId(Action.DELETE, "0" * 12)), (GuildStore, "settings", CustomId(Action.DELETE, "1" * 12))],
)
async def test_what_cannot_be_found_out_is_refused(
    bot: DalleBot, store: Store, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, pressed: CustomId
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    job = NewJob(
        id="1" * 12, prompt="a", num_images=1, seed=1, user_id=2, guild_id=GUILD, channel_id=CHANNEL, interaction_id=1
    )
    await store.jobs.create(job)
    bot.presses._handlers = {Action.DELETE: (handler := AsyncMock())}
    monkeypatch.setattr(owner, method, hang)
    monkeypatch.setattr("bot.cogs.authority.READ_TIMEOUT_S", 0.01)
    interaction = interaction_of(bot, PEOPLE[0])
    await bot.presses.press(interaction, str(pressed))
    assert str(refusal(interaction)).startswith("The bot's database has a problem (id ")
    handler.assert_not_awaited()


async def test_a_job_that_is_not_there_is_left_to_whoever_acts(bot: DalleBot) -> None:
    bot.presses._handlers = {Action.DELETE: (handler := AsyncMock())}
    await bot.presses.press(interaction_of(bot, PEOPLE[0]), str(CustomId(Action.DELETE, NO_JOB)))
    handler.assert_awaited_once()


async def test_discord_is_told_what_the_table_says(bot: DalleBot) -> None:
    told = {command.qualified_name: command.default_permissions for command in bot.tree.get_commands()}
    assert told["settings"] == discord.Permissions(manage_guild=True)
    assert told["imagine"] is None
    assert told["style"] is None, "everybody may list them"
    for command in runnable(bot):
        if command.qualified_name in told:
            needs = need_of(command)
            expected = {Need.MODERATOR: discord.Permissions(moderate_members=True)} | {
                Need.ADMIN: discord.Permissions(manage_guild=True)
            }
            assert default_permissions(command) == told[command.qualified_name] == expected.get(needs)
