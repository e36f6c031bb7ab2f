"""A small bot on the unmodified discord.py that uses what the sandbox offers."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import discord
from discord import app_commands
from PIL import Image

from bot.sandbox import Sandbox

Handler = Callable[[discord.Interaction], Awaitable[None]]


def picture(name: str = "picture.png", size_px: tuple[int, int] = (48, 32)) -> discord.File:
    buffer = io.BytesIO()
    Image.new("RGB", size_px, (220, 40, 40)).save(buffer, "PNG")
    buffer.seek(0)
    return discord.File(buffer, name, description="a red field")


class Form(discord.ui.Modal, title="Report"):
    reason: discord.ui.Label["Form"] = discord.ui.Label(text="Reason", component=discord.ui.TextInput())
    kind: discord.ui.Label["Form"] = discord.ui.Label(
        text="Kind",
        component=discord.ui.Select(options=[discord.SelectOption(label="Spam", value="1")], required=False),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.reason.component, discord.ui.TextInput)
        assert isinstance(self.kind.component, discord.ui.Select)
        text = f"reason {self.reason.component.value}, kind {self.kind.component.values}"
        await interaction.response.send_message(text, ephemeral=True)


class Panel(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.add_item(discord.ui.Button(label="Docs", url="https://example.org/docs"))

    @discord.ui.button(label="Edit", custom_id="edit")
    async def edit_it(self, interaction: discord.Interaction, _: "discord.ui.Button[Panel]") -> None:
        await interaction.response.edit_message(content="edited in place")

    @discord.ui.button(label="Quiet", custom_id="quiet")
    async def quiet(self, interaction: discord.Interaction, _: "discord.ui.Button[Panel]") -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="edited after a deferred update")

    @discord.ui.button(label="Form", custom_id="form")
    async def form(self, interaction: discord.Interaction, _: "discord.ui.Button[Panel]") -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.button(label="Off", custom_id="off", disabled=True)
    async def off(self, interaction: discord.Interaction, _: "discord.ui.Button[Panel]") -> None:
        raise AssertionError("a disabled button was clicked")

    @discord.ui.select(custom_id="pick", options=[discord.SelectOption(label=n, value=n.lower()) for n in ("A", "B")])
    async def pick(self, interaction: discord.Interaction, select: "discord.ui.Select[Panel]") -> None:
        await interaction.response.send_message(f"picked {select.values[0]}", ephemeral=True)


class TinyBot(discord.Client):
    """handler: what `/do` does, set by a test. outcome: what came of it."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        # The library waits that long for further guilds before it calls itself ready.
        super().__init__(intents=intents or discord.Intents(guilds=True, guild_messages=True), guild_ready_timeout=0.02)
        self.handler: Handler | None = None
        self.outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(app_commands.Command(name="echo", description="Says it", callback=_echo))
        self.tree.add_command(app_commands.Command(name="panel", description="Shows buttons", callback=_panel))
        self.tree.add_command(app_commands.Command(name="do", description="Does it", callback=self._do))
        restricted: app_commands.Command[Any, ..., None] = app_commands.Command(
            name="rule", description="Rules", callback=_panel
        )
        restricted.default_permissions = discord.Permissions(manage_guild=True)
        self.tree.add_command(restricted)
        self.tree.add_command(app_commands.ContextMenu(name="Inspect", callback=_inspect))

    async def setup_hook(self) -> None:
        self.add_view(Panel())
        await self.tree.sync()

    async def _do(self, interaction: discord.Interaction) -> None:
        assert self.handler is not None
        try:
            await self.handler(interaction)
            self.outcome.set_result(None)
        except discord.HTTPException as error:
            self.outcome.set_result(error)


@app_commands.choices(style=[app_commands.Choice(name="Loud", value="loud")])
async def _echo(
    interaction: discord.Interaction,
    text: str,
    times: app_commands.Range[int, 1, 3] = 1,
    style: str = "plain",
    member: discord.Member | None = None,
) -> None:
    words = " ".join([text] * times)
    await interaction.response.send_message(f"{words} ({style}, {member and member.name})")


async def _panel(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("a panel", view=Panel())


async def _inspect(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"it says {message.content!r}", ephemeral=True)


@asynccontextmanager
async def online(sandbox: Sandbox, bot: TinyBot | None = None) -> AsyncIterator[TinyBot]:
    """A bot that is connected to the sandbox and has registered its commands."""
    bot = bot or TinyBot()
    with sandbox.patch_discord():
        task = asyncio.create_task(bot.start(sandbox.token))
        try:
            await sandbox.wait_until_connected(10)
            await asyncio.wait_for(bot.wait_until_ready(), 10)
            yield bot
        finally:
            await bot.close()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 10)
