"""Direct messages of the bot, as their recipient sees them."""

import discord
import pytest

from bot.sandbox import Sandbox
from tests.discord_description import check_exchange
from tests.sandbox.tiny_bot import TinyBot


async def test_only_the_recipient_sees_them(sandbox: Sandbox, bot: TinyBot) -> None:
    async def write(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("done", ephemeral=True)
        message = await interaction.user.send("for you")
        await message.delete()

    bot.handler = write
    seen = await sandbox.play("/do")
    assert await bot.outcome is None
    assert [event.text for event in seen[1:]] == ["done", "Direct message:\nfor you", "Direct message:\nfor you"]
    assert "for you" not in [event.text for event in await sandbox.play("wait 0", player="other")]
    check_exchange(sandbox.requests)


async def test_some_take_none(sandbox: Sandbox, bot: TinyBot) -> None:
    async def write(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("done", ephemeral=True)
        with pytest.raises(discord.Forbidden) as caught:
            await interaction.user.send("for you")
        assert caught.value.code == 50007

    bot.handler = write
    await sandbox.play("as hermit")
    await sandbox.play("/do")
    assert await bot.outcome is None
    check_exchange(sandbox.requests)
