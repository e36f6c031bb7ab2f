"""The page of a conversation: everything that a bot can show is on it, for the member who saw it."""

from html.parser import HTMLParser
from typing import Any

import discord

from bot.sandbox import Sandbox
from tests.sandbox.tiny_bot import TinyBot, picture

VOID = {"meta", "img", "hr", "br"}


class Reader(HTMLParser):
    """The text of a page, its pictures, and whether its tags match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


async def read(sandbox: Sandbox) -> Reader:
    return Reader(await sandbox.page())


async def test_a_conversation(sandbox: Sandbox, bot: TinyBot) -> None:
    async def handler(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Drawing <1>")
        await interaction.edit_original_response(content="**done** <b>", attachments=[picture()])

    bot.handler = handler
    await sandbox.play("/do")
    await sandbox.play("/echo text:hello")
    page = await read(sandbox)
    assert "#general" in page.text
    assert page.text.index("user /do") < page.text.index("done <b>") < page.text.index("/echo text:hello")
    assert "earlier states: 1 Drawing <1>" in page.text
    (shown,) = page.pictures
    assert shown["alt"] == "a red field"
    assert (shown["src"] or "").startswith("data:image/png;base64,iVBOR")


async def test_controls_and_forms(sandbox: Sandbox, bot: TinyBot) -> None:
    await sandbox.play("/panel")
    await sandbox.play("click Form")
    page = await read(sandbox)
    assert "Edit Quiet Form Off Docs ↗ Make a selection A B" in page.text
    assert "user: click Form Report Reason" in page.text
    assert "Kind Make a selection Spam Cancel Submit" in page.text


async def test_layouts_and_embeds(sandbox: Sandbox, bot: TinyBot) -> None:
    async def handler(interaction: discord.Interaction) -> None:
        view = discord.ui.LayoutView(timeout=None)
        container: discord.ui.Container[Any] = discord.ui.Container(accent_colour=0x112233)
        container.add_item(discord.ui.TextDisplay("### Title"))
        container.add_item(discord.ui.Separator())
        container.add_item(
            discord.ui.Section("beside", accessory=discord.ui.Thumbnail("attachment://p.png", description="a thumb"))
        )
        container.add_item(
            discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://p.png", description="in the gallery"))
        )
        container.add_item(discord.ui.File("attachment://p.png"))
        view.add_item(container)
        view.stop()
        await interaction.response.send_message(view=view, file=picture("p.png"), ephemeral=True)
        embed = discord.Embed(title="An embed", description="*with* text").add_field(name="Field", value="value")
        await interaction.followup.send(embed=embed.set_footer(text="the end"))

    bot.handler = handler
    await sandbox.play("/do")
    page = await read(sandbox)
    assert "Title beside p.png Only you can see this" in page.text
    assert "An embed with text Field value the end" in page.text
    assert [shown["alt"] for shown in page.pictures] == ["a thumb", "in the gallery"]
    assert all((shown["src"] or "").startswith("data:image/png") for shown in page.pictures)


async def test_what_was_deleted_thought_about_and_failed(sandbox: Sandbox, bot: TinyBot) -> None:
    async def handler(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.followup.send("here", file=discord.File(__file__, "notes.txt"))
        await interaction.delete_original_response()

    bot.handler = handler
    await sandbox.play("/do")
    assert "dalle-bot is thinking… here notes.txt" in (await read(sandbox)).text
    assert "Deleted" in (await read(sandbox)).text


async def test_another_player_has_another_page(sandbox: Sandbox, bot: TinyBot) -> None:
    await sandbox.play("/echo text:hello")
    assert "hello" not in await sandbox.page("second")
