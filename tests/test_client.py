"""The client: rules that every command keeps, registration only on change, shutdown."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest
from discord import app_commands

from bot.catalogues import Languages
from bot.client import DalleBot
from bot.cogs.cancel_watch import CancelWatch
from bot.engine.fake import FakeEngine
from bot.errors import ConfigError, InvalidPromptError, StoreError
from bot.executor.local import LocalExecutor
from bot.moderation.places import Places
from bot.pictures import PictureFolder
from bot.sandbox import Exchange, Sandbox
from bot.shards import Shards
from bot.store import Store, ValueStore
from tests import discord_description
from tests.conftest import TIMEOUT_S, OpenStage, eventually

PRIVILEGED = discord.Intents(members=True, presences=True, message_content=True).value


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store:
        yield store


@pytest.fixture
async def executor() -> AsyncIterator[LocalExecutor]:
    async with LocalExecutor(FakeEngine, max_jobs=2, max_jobs_per_user=1, chunk_tokens=4) as executor:
        yield executor


def make_bot(
    store: Store, executor: LocalExecutor, *, dev_guild_id: int | None = None, places: Places | None = None
) -> DalleBot:
    return DalleBot(
        store=store,
        pictures=PictureFolder(Path("never written"), 2**20),
        executor=executor,
        languages=Languages.load(),
        max_deliveries=4,
        default_images=9,
        max_images=9,
        dev_guild_id=dev_guild_id,
        places=places,
    )


@pytest.fixture
async def bot(store: Store, executor: LocalExecutor) -> AsyncIterator[DalleBot]:
    """A bot with all its commands that isn't connected."""
    async with make_bot(store, executor) as bot:
        await bot.load_cogs()
        yield bot


def registrations(sandbox: Sandbox) -> list[Exchange]:
    return [exchange for exchange in sandbox.requests if exchange.method == "PUT"]


async def test_every_command_is_described_and_safe_to_leave_on(bot: DalleBot) -> None:
    commands = list(bot.tree.walk_commands())
    assert "imagine" in {command.qualified_name for command in commands}
    for command in commands:
        parameters = command.parameters if isinstance(command, app_commands.Command) else []
        for text in (command.description, *(parameter.description for parameter in parameters)):
            assert text != "…", f"/{command.qualified_name}: something has no description"
            assert len(text) <= 100
        if command.parent is not None:
            continue  # Discord keeps these on the group
        payload: dict[str, Any] = command.to_dict(bot.tree)
        assert payload["contexts"] == [0], "messages elsewhere can't be edited with the bot's own token"
        assert payload["integration_types"] == [0]
        permissions = discord.Permissions(int(payload["default_member_permissions"] or 0))
        assert not permissions.administrator


async def test_context_menus_are_for_servers_and_as_few_as_discord_py_allows(bot: DalleBot) -> None:
    for kind in (discord.AppCommandType.message, discord.AppCommandType.user):
        menus = bot.tree.get_commands(type=kind)
        assert 1 <= len(menus) <= 5
        for menu in menus:
            payload: dict[str, Any] = menu.to_dict(bot.tree)
            assert (payload["contexts"], payload["integration_types"]) == ([0], [0])


async def test_what_draws_and_its_help_are_offered_where_that_is_switched_on(
    store: Store, executor: LocalExecutor
) -> None:
    places = Places(direct_messages=True, user_installs=True)
    async with make_bot(store, executor, places=places) as bot:
        await bot.load_cogs()
        payloads = {command.name: command.to_dict(bot.tree) for command in bot.tree.get_commands()}
    for name, payload in payloads.items():
        is_everywhere = name in ("imagine", "again", "queue", "help", "about", "privacy")
        assert sorted(payload["contexts"]) == ([0, 1, 2] if is_everywhere else [0]), name
        assert sorted(payload["integration_types"]) == ([0, 1] if is_everywhere else [0]), name


def test_no_command_is_missing_from_the_walk() -> None:
    """Every cog module's commands are loaded by `load_cogs`; a cog that is forgotten would pass unseen."""
    cogs = Path(__file__).parents[1] / "bot" / "cogs"
    source = (cogs / "loading.py").read_text(encoding="utf-8")
    for module in cogs.glob("*.py"):
        if "commands.Cog)" in module.read_text(encoding="utf-8"):
            assert f"bot.cogs.{module.stem} import" in source


async def test_no_privileged_intent_and_no_ping(bot: DalleBot) -> None:
    assert bot.intents.value & PRIVILEGED == 0
    mentions = bot.allowed_mentions
    assert mentions is not None
    assert not any((mentions.everyone, mentions.users, mentions.roles, mentions.replied_user))


async def test_commands_are_registered_once_and_again_when_they_change(
    open_stage: OpenStage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage():
        assert len(registrations(sandbox)) == 1
    async with open_stage():
        assert len(registrations(sandbox)) == 1
    original = app_commands.Command.to_dict

    def changed(self: app_commands.Command[Any, Any, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        return original(self, *args, **kwargs) | {"description": "Something else"}

    monkeypatch.setattr(app_commands.Command, "to_dict", changed)
    async with open_stage():
        assert len(registrations(sandbox)) == 2


async def test_another_api_has_to_be_told_anew(
    store: Store, executor: LocalExecutor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_bot(store, executor) as bot:
        await bot.login(sandbox.token)
        assert await bot.sync_commands() is False
        monkeypatch.setattr(discord.http.Route, "BASE", discord.http.Route.BASE.replace("127.0.0.1", "localhost"))
        assert await bot.sync_commands() is True


async def test_a_store_that_fails_costs_a_registration_and_nothing_else(
    store: Store, executor: LocalExecutor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise StoreError("It is locked.")

    monkeypatch.setattr(ValueStore, "get", down)
    monkeypatch.setattr(ValueStore, "set", down)
    async with make_bot(store, executor) as bot:
        await bot.login(sandbox.token)
        assert await bot.sync_commands() is True
    assert len(registrations(sandbox)) == 2


async def test_of_several_processes_one_registers_and_the_others_read_the_ids_and_look_for_cancelled_jobs(
    tmp_path: Path, executor: LocalExecutor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'shared.sqlite3'}"
    looking = AsyncMock()
    monkeypatch.setattr(CancelWatch, "look", looking)
    async with (
        Store.open(url, shards=Shards(3, (1, 2))) as later,
        Store.open(url, shards=Shards(3, (0,))) as first,
        make_bot(later, executor) as other,
        make_bot(first, executor) as registrar,
    ):
        assert (other.shard_count, other.shard_ids) == (3, [1, 2])
        await other.login(sandbox.token)
        assert registrations(sandbox) == []
        await eventually(lambda: looking.await_count > 0)
        await registrar.login(sandbox.token)
        assert len(registrations(sandbox)) == 1
        reading = other._registration._reading
        assert reading is not None
        reading.wake()
        await eventually(lambda: bool(other._registration.ids))
        assert other._registration.ids == registrar._registration.ids


async def test_a_development_guild_gets_the_commands_for_itself(
    open_stage: OpenStage, store: Store, executor: LocalExecutor, sandbox: Sandbox
) -> None:
    async with open_stage() as stage:
        await asyncio.wait_for(stage.app.bot.wait_until_ready(), TIMEOUT_S)
        (guild,) = stage.app.bot.guilds
    async with make_bot(store, executor, dev_guild_id=guild.id) as bot:
        await bot.login(sandbox.token)
    (exchange,) = registrations(sandbox)[1:]
    assert exchange.path_template == "/applications/{application_id}/guilds/{guild_id}/commands"
    assert {command["name"] for command in exchange.payload} >= {"imagine", "again", "queue", "style", "help"}


async def test_a_development_guild_without_the_bot_is_a_configuration_error(
    store: Store, executor: LocalExecutor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_bot(store, executor, dev_guild_id=1) as bot:
        forbidden = discord.Forbidden(MagicMock(status=403, reason="Forbidden"), {"code": 50001, "message": "no"})
        monkeypatch.setattr(bot.tree, "sync", MagicMock(side_effect=forbidden))
        with pytest.raises(ConfigError, match=r"discord\.dev_guild_id"):
            await bot.login(sandbox.token)


async def test_a_failed_listener_is_logged_with_an_id(bot: DalleBot, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError("bug")
    except ZeroDivisionError:
        await bot.on_error("on_ready")
    assert "event on_ready failed (id " in caplog.text
    assert "ZeroDivisionError: bug" in caplog.text


async def test_errors_of_commands_reach_the_policy(bot: DalleBot) -> None:
    interaction = MagicMock(spec=discord.Interaction, client=bot, locale=discord.Locale.british_english)
    interaction.response.is_done = MagicMock(return_value=False)
    interaction.response.send_message = sent = MagicMock(side_effect=lambda *_, **__: asyncio.sleep(0))
    command = bot.tree.get_command("imagine")
    assert isinstance(command, app_commands.Command)
    await bot.tree.on_error(interaction, app_commands.CommandInvokeError(command, InvalidPromptError("Write words.")))
    assert sent.call_args.args == ("Write words.",)


async def test_closing_twice_is_harmless(bot: DalleBot) -> None:
    await bot.close()
    await bot.close()
    assert bot.is_closed()


async def test_what_the_client_sends_is_as_discord_describes_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        await stage.play("/imagine prompt:🍎")
    discord_description.check_exchange(stage.sandbox.requests)
