"""The whole stand-in from outside: an unmodified discord.py client, a player, and Discord's description."""

import asyncio
import io
import socket
from pathlib import Path

import discord
import pytest
from discord import app_commands
from PIL import Image

from bot.sandbox import Event, EventKind, LineError, Patience, Sandbox, SandboxError
from tests.discord_description import check_answers, check_exchange
from tests.sandbox.tiny_bot import TinyBot, online, picture


def kinds(events: list[Event]) -> list[str]:
    return [str(event.kind) for event in events]


async def test_a_command_is_answered(sandbox: Sandbox, bot: TinyBot) -> None:
    events = await sandbox.play("/echo text:hello there times:2 style:Loud member:@ann")
    assert kinds(events) == ["say", "ack"]
    assert events[1].text == "hello there hello there (loud, ann)"
    assert 0 <= events[1].t_s < 3
    assert not events[1].is_ephemeral
    check_exchange(sandbox.requests)


async def test_progress_pictures_and_downloads(sandbox: Sandbox, bot: TinyBot, tmp_path: Path) -> None:
    async def draw(interaction: discord.Interaction) -> None:
        answer = await interaction.response.send_message("Queued, place 1.")
        await asyncio.sleep(0.5)  # longer than the patience: the text says that more is to come
        message = await interaction.edit_original_response(content="done", attachments=[picture()])
        assert message.id == answer.message_id
        assert (message.attachments[0].width, message.attachments[0].height) == (48, 32)
        data = await message.attachments[0].read()
        kept = await message.edit(content="kept", attachments=message.attachments)
        assert await kept.attachments[0].read() == data
        assert kept.attachments[0].description == "a red field"

    bot.handler = draw
    events = await sandbox.play("/do")
    assert kinds(events) == ["say", "ack", "edit", "edit"]
    assert [event.text for event in events[1:]] == ["Queued, place 1.", "done", "kept"]
    assert [event.files for event in events[1:]] == [(), ("picture.png",), ("picture.png",)]
    with Image.open(tmp_path / "out" / "picture.png") as saved:
        assert saved.size == (48, 32)
    assert await bot.outcome is None
    check_exchange(sandbox.requests)


async def test_deferred_ephemeral_answer_and_follow_ups(sandbox: Sandbox, bot: TinyBot) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        first = await interaction.followup.send("first", file=picture(), wait=True)
        second = await interaction.followup.send("second", embed=discord.Embed(title="t", description="d"), wait=True)
        await second.edit(content="second, edited")
        await second.delete()
        assert first.id == (await interaction.original_response()).id

    bot.handler = answer
    events = await sandbox.play("/do")
    assert kinds(events) == ["say", "ack", "edit", "message", "edit", "delete"]
    assert events[1].text == "dalle-bot is thinking…"
    assert events[1].is_ephemeral
    assert events[2].is_ephemeral
    assert events[3].text == "second\nt\nd"
    assert not events[3].is_ephemeral
    assert await bot.outcome is None
    check_exchange(sandbox.requests)


async def test_buttons_select_and_form(sandbox: Sandbox, bot: TinyBot) -> None:
    shown = (await sandbox.play("/panel"))[-1].text
    assert shown == "a panel\n[Edit] [Quiet] [Form] [Off (off)] [Docs]\n[choose: A | B]"
    assert (await sandbox.play("click Edit"))[-1].text.startswith("edited in place\n")
    quiet = await sandbox.play("click Quiet")
    assert kinds(quiet) == ["say", "ack", "edit"]
    assert quiet[-1].text.startswith("edited after a deferred update\n")
    assert (await sandbox.play("choose B"))[-1].text == "picked b"
    form = await sandbox.play("click Form")
    assert kinds(form) == ["say", "modal"]
    assert form[-1].text == "Report\n[Reason]\n[Kind]"
    submitted = await sandbox.play("submit Reason:not a circle Kind:Spam")
    assert submitted[-1].text == "reason not a circle, kind ['1']"
    inspected = await sandbox.play("menu Inspect")
    assert inspected[-1].text == "it says 'edited after a deferred update'"
    check_exchange(sandbox.requests)


async def test_members_write_and_menus_are_opened_on_what_they_wrote(sandbox: Sandbox, bot: TinyBot) -> None:
    said = await sandbox.play("say a **red** circle, @everyone")
    assert kinds(said) == ["say", "message"]
    assert said[-1].text == "a red circle, @everyone"
    assert (await sandbox.play("menu Inspect"))[-1].text == "it says 'a red circle, @everyone'"
    message = bot.guilds[0].text_channels[0].get_partial_message(int(said[-1].message_id))
    fetched = await message.fetch()
    assert (fetched.author.name, fetched.author.bot, fetched.mention_everyone) == ("user", False, True)
    for refused in (message.edit(content="mine"), message.delete()):
        with pytest.raises(discord.Forbidden):
            await refused
    await sandbox.play("in hidden")
    assert kinds(await sandbox.play("say here too")) == ["say", "message"]
    await sandbox.play("in staff")
    with pytest.raises(LineError, match="user may not write in staff"):
        await sandbox.play("say me too")
    await sandbox.play("in general")
    with pytest.raises(LineError, match="Discord does not take this message"):
        await sandbox.play("say " + "x" * 2001)
    check_exchange(sandbox.requests)


async def test_what_others_see(sandbox: Sandbox, bot: TinyBot) -> None:
    await sandbox.play("/panel")
    await sandbox.play("choose A")
    await sandbox.play("as ann")
    with pytest.raises(LineError, match="rule: it needs the permission manage_guild"):
        await sandbox.play("/rule")
    await sandbox.play("as moderator")
    assert (await sandbox.play("/rule"))[-1].kind is EventKind.ACK
    await sandbox.play("in gallery")
    with pytest.raises(LineError, match="no button 'Edit' in gallery"):
        await sandbox.play("click Edit")
    assert (await sandbox.play("click Edit", player="another"))[-1].kind is EventKind.ACK


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("hello", "Can't play the line 'hello'"),
        ("/nothing", "There is no command /nothing in general; the client has registered /echo, /panel, /do, /rule"),
        ("/echo", "/echo needs a value for text"),
        ("/echo text:a times:4", "times must be between 1 and 3, not 4"),
        ("/echo text:a style:quiet", "style must be one of Loud, not 'quiet'"),
        ("click Nothing", "There is no button 'Nothing' in general; the buttons are: none"),
        ("menu Inspect", "There is no message in general"),
        ("submit Reason:x", "There is no form to submit"),
        ("in nowhere", "There is no channel 'nowhere'"),
        ("wait long", "wait needs a number of seconds"),
    ],
)
async def test_lines_that_cannot_be_played(sandbox: Sandbox, bot: TinyBot, line: str, complaint: str) -> None:
    with pytest.raises(LineError, match=complaint):
        await sandbox.play(line)
    assert (await sandbox.play("/echo text:still here"))[-1].text.startswith("still here")


async def test_buttons_that_cannot_be_clicked(sandbox: Sandbox, bot: TinyBot) -> None:
    await sandbox.play("/panel")
    with pytest.raises(LineError, match="'Off' is switched off"):
        await sandbox.play("click Off")
    with pytest.raises(LineError, match=r"opens https://example\.org/docs"):
        await sandbox.play("click Docs")
    with pytest.raises(LineError, match="the choices are: A, B"):
        await sandbox.play("choose C")


async def test_three_seconds(sandbox: Sandbox, bot: TinyBot) -> None:
    may_answer = asyncio.Event()

    async def answer_late(interaction: discord.Interaction) -> None:
        await may_answer.wait()
        await interaction.response.send_message("too late")

    bot.handler = answer_late
    line = asyncio.create_task(sandbox.play("/do"))
    await asyncio.sleep(0.1)
    await sandbox.advance_clock(2.0)
    await asyncio.sleep(0.05)
    assert not line.done()
    await sandbox.advance_clock(1.0)
    events = await line
    assert kinds(events) == ["say", "failure"]
    assert events[1].text == "The application did not respond"
    may_answer.set()
    error = await bot.outcome
    assert isinstance(error, discord.NotFound)
    assert error.code == 10062
    check_exchange(sandbox.requests)


async def test_fifteen_minutes(sandbox: Sandbox, bot: TinyBot) -> None:
    async def edit_late(interaction: discord.Interaction) -> None:
        answer = await interaction.response.send_message("Queued, place 1.")
        await sandbox.advance_clock(15 * 60)
        assert interaction.channel_id is not None
        channel = bot.get_partial_messageable(interaction.channel_id)
        assert answer.message_id is not None
        await channel.get_partial_message(answer.message_id).edit(content="by the bot's own token")
        await interaction.edit_original_response(content="never seen")

    bot.handler = edit_late
    events = await sandbox.play("/do")
    assert [event.text for event in events[1:]] == ["Queued, place 1.", "by the bot's own token"]
    error = await bot.outcome
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.code) == (401, 50027)
    check_exchange(sandbox.requests)


async def test_a_deferred_answer_that_never_comes(sandbox: Sandbox, bot: TinyBot) -> None:
    async def only_defer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await sandbox.advance_clock(15 * 60)

    bot.handler = only_defer
    assert kinds(await sandbox.play("/do")) == ["say", "ack", "failure"]


async def test_time_is_up(sandbox: Sandbox, bot: TinyBot) -> None:
    async def only_defer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)

    bot.handler = only_defer
    events = await sandbox.play("/do", timeout_s=0.3)
    assert kinds(events) == ["say", "ack", "timeout"]
    assert events[-1].text == "No final answer within 0.3 s."


@pytest.mark.parametrize(("channel", "code"), [("read-only", 50013), ("hidden", 50001)])
async def test_missing_permissions(sandbox: Sandbox, bot: TinyBot, channel: str, code: int) -> None:
    async def edit(interaction: discord.Interaction) -> None:
        assert not interaction.app_permissions.send_messages
        answer = await interaction.response.send_message("by the interaction's token")
        assert interaction.channel_id is not None
        assert answer.message_id is not None
        message = bot.get_partial_messageable(interaction.channel_id).get_partial_message(answer.message_id)
        await message.edit(content="by the bot's own token")

    bot.handler = edit
    await sandbox.play(f"in {channel}")
    assert kinds(await sandbox.play("/do")) == ["say", "ack"]
    error = await bot.outcome
    assert isinstance(error, discord.Forbidden)
    assert error.code == code
    check_exchange(sandbox.requests)


@pytest.mark.parametrize(
    ("content", "file_bytes", "status", "code"),
    [("x" * 2001, 0, 400, 50035), ("", 0, 400, 50006), ("ok", 10 * 1024 * 1024 + 1, 413, 40005)],
)
async def test_answers_that_discord_refuses(
    sandbox: Sandbox, bot: TinyBot, content: str, file_bytes: int, status: int, code: int
) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        files = [discord.File(io.BytesIO(bytes(file_bytes)), "file.bin")] if file_bytes else []
        await interaction.response.send_message(content, files=files)

    bot.handler = answer
    await sandbox.play("/do", timeout_s=0.3)
    error = await bot.outcome
    assert isinstance(error, discord.HTTPException)
    assert (error.status, error.code) == (status, code)
    check_answers(sandbox.requests)


async def test_mentions(sandbox: Sandbox, bot: TinyBot) -> None:
    async def mention(interaction: discord.Interaction) -> None:
        text = f"{interaction.user.mention} @everyone"
        loud = await interaction.response.send_message(text)
        silent = await interaction.followup.send(text, allowed_mentions=discord.AllowedMentions.none(), wait=True)
        assert isinstance(loud.resource, discord.InteractionMessage)
        assert loud.resource.mention_everyone
        assert [user.name for user in loud.resource.mentions] == ["user"]
        assert not silent.mention_everyone
        assert not silent.mentions

    bot.handler = mention
    await sandbox.play("/do")
    assert await bot.outcome is None
    check_exchange(sandbox.requests)


async def test_channel_messages_and_their_events(sandbox: Sandbox, bot: TinyBot) -> None:
    seen: list[str] = []

    async def on_message(message: discord.Message) -> None:
        seen.append(f"message {message.content}")
        posted.set()

    async def on_raw_message_edit(event: discord.RawMessageUpdateEvent) -> None:
        seen.append(f"edit {event.message.content}")

    async def on_raw_message_delete(event: discord.RawMessageDeleteEvent) -> None:
        seen.append("delete")
        gone.set()

    posted, gone = asyncio.Event(), asyncio.Event()
    for listener in (on_message, on_raw_message_edit, on_raw_message_delete):
        bot.event(listener)

    async def post(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("secret", ephemeral=True)
        assert isinstance(interaction.channel, discord.TextChannel)
        async with interaction.channel.typing():
            message = await interaction.channel.send("posted", file=picture())
        # The client edits the message that the listener was given.
        await asyncio.wait_for(posted.wait(), 5)
        await message.edit(content="changed", attachments=[])
        assert [m.id async for m in interaction.channel.history(limit=5)] == [message.id]
        assert (await interaction.channel.fetch_message(message.id)).content == "changed"
        await message.delete()

    bot.handler = post
    assert kinds(await sandbox.play("/do")) == ["say", "ack", "message", "edit", "delete"]
    assert await bot.outcome is None
    await asyncio.wait_for(gone.wait(), 5)
    assert seen == ["message posted", "edit changed", "delete"]  # of "secret" only clients with dm intents are told
    check_exchange(sandbox.requests)


async def test_layout_views(sandbox: Sandbox, bot: TinyBot) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        view = discord.ui.LayoutView()
        container: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container()
        container.add_item(discord.ui.TextDisplay("# Title"))
        container.add_item(discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://picture.png")))
        container.add_item(discord.ui.Separator())
        section: discord.ui.Section[discord.ui.LayoutView] = discord.ui.Section(
            "side by side", accessory=discord.ui.Thumbnail("attachment://picture.png")
        )
        container.add_item(section)
        view.add_item(container)
        view.add_item(discord.ui.ActionRow(discord.ui.Button(label="Again", custom_id="again")))
        await interaction.response.send_message(view=view, file=picture())

    bot.handler = answer
    events = await sandbox.play("/do")
    assert events[-1].text == "Title\n(picture: not described)\nside by side\n[Again]"
    assert events[-1].files == ("picture.png",)
    assert await bot.outcome is None
    check_exchange(sandbox.requests)


async def test_guild_commands_come_before_global_ones(sandbox: Sandbox, bot: TinyBot) -> None:
    guild = bot.guilds[0]
    bot.tree.copy_global_to(guild=guild)
    synced = await bot.tree.sync(guild=guild)
    fetched = await bot.tree.fetch_commands(guild=guild)
    assert {command.id for command in synced} == {command.id for command in fetched}
    assert (await sandbox.play("/echo text:hi"))[-1].text.startswith("hi")
    again = await bot.tree.sync(guild=guild)
    assert {command.id for command in again} == {command.id for command in synced}
    check_exchange(sandbox.requests)


async def test_looking_up_the_world(sandbox: Sandbox, bot: TinyBot) -> None:
    guild = await bot.fetch_guild(bot.guilds[0].id)
    assert guild.name == "Sandbox"
    member = await guild.fetch_member(bot.guilds[0].owner_id or 0)
    assert member.name == "owner"
    assert [channel.name for channel in await guild.fetch_channels()] == [
        "general",
        "gallery",
        "read-only",
        "hidden",
        "staff",
    ]
    assert len(await guild.fetch_roles()) == 3
    assert (await bot.fetch_user(member.id)).name == "owner"
    assert (await bot.application_info()).id == bot.application_id
    with pytest.raises(discord.NotFound, match="Unknown User"):
        await bot.fetch_user(1)
    with pytest.raises(discord.NotFound, match="Unknown Channel"):
        await bot.fetch_channel(1)
    check_exchange(sandbox.requests)


async def test_a_wrong_token(sandbox: Sandbox) -> None:
    bot = TinyBot()
    with sandbox.patch_discord():
        async with bot:
            with pytest.raises(discord.LoginFailure):
                await bot.login("wrong")
    check_exchange(sandbox.requests)


class ShardedBot(discord.AutoShardedClient):
    async def setup_hook(self) -> None:
        await app_commands.CommandTree(self).sync()


async def test_sharded_clients(sandbox: Sandbox) -> None:
    client = ShardedBot(intents=discord.Intents(guilds=True), guild_ready_timeout=0.02)
    with sandbox.patch_discord():
        task = asyncio.create_task(client.start(sandbox.token))
        await sandbox.wait_until_connected(10)
        await asyncio.wait_for(client.wait_until_ready(), 10)
        assert client.shard_count == 1
        assert [guild.name for guild in client.guilds] == ["Sandbox"]
        await client.close()
        await task
    check_exchange(sandbox.requests)


async def test_privileged_intents_are_refused(sandbox: Sandbox) -> None:
    bot = TinyBot(discord.Intents(guilds=True, message_content=True))
    with sandbox.patch_discord():
        async with bot:
            with pytest.raises(discord.PrivilegedIntentsRequired):
                await bot.start(sandbox.token)


async def test_nobody_connects(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"No client connected to the sandbox within 0\.05 s"):
        await sandbox.wait_until_connected(0.05)


async def test_discord_is_patched_and_restored(sandbox: Sandbox) -> None:
    before = discord.http.Route.BASE, discord.Asset.BASE
    with sandbox.patch_discord():
        assert sandbox.address in discord.http.Route.BASE
    assert before == (discord.http.Route.BASE, discord.Asset.BASE)


async def test_an_attachment_that_can_not_be_saved(sandbox: Sandbox, bot: TinyBot, tmp_path: Path) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("here", file=picture())

    bot.handler = answer
    (tmp_path / "out").touch()
    acknowledged, note = (await sandbox.play("/do"))[1:]
    assert (acknowledged.text, acknowledged.files) == ("here", ())
    assert note.kind is EventKind.NOTE
    assert note.text == "picture.png can't be saved: File exists."


async def test_a_process_of_its_own(tmp_path: Path) -> None:
    patience = Patience(moment_s=0.1, short_s=0.2, long_s=0.3)
    async with Sandbox.start(process=True, out=tmp_path, patience=patience) as sandbox:
        async with online(sandbox) as bot:

            async def answer(interaction: discord.Interaction) -> None:
                await interaction.response.send_message("here", file=picture())

            bot.handler = answer
            events = await sandbox.play("/do")
            assert events[-1].files == ("picture.png",)
            assert (tmp_path / "picture.png").stat().st_size > 0
            with pytest.raises(LineError, match="no command /nothing"):
                await sandbox.play("/nothing")
            await sandbox.advance_clock(1)
        check_exchange(await sandbox.fetch_requests())
        with pytest.raises(SandboxError, match="fetch_requests"):
            _ = sandbox.requests


@pytest.mark.parametrize("process", [False, True])
async def test_a_port_that_is_taken(process: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SandboxError, match="port"):
        async with Sandbox.start(process=process, port=taken.getsockname()[1]):
            pytest.fail("it listens on a port that is taken")
