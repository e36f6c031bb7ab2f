"""The answer to a press, for the eyes of whoever pressed alone. Event loop."""

import io
from typing import Any

import discord

from bot.render import Picture


async def answer_alone(
    interaction: discord.Interaction[Any],
    content: str,
    *,
    attachment: Picture | None = None,
    view: discord.ui.View | None = None,
) -> None:
    """Answers at once, or in the place of what `think` has promised. Raises what Discord refuses the answer with."""
    files = [] if attachment is None else [file_of(attachment)]
    mentions = discord.AllowedMentions.none()
    if interaction.response.is_done():
        await interaction.edit_original_response(
            content=content, attachments=files, view=view, allowed_mentions=mentions
        )
    else:
        await interaction.response.send_message(
            content, files=files, view=view or discord.utils.MISSING, ephemeral=True, allowed_mentions=mentions
        )


async def think(interaction: discord.Interaction[Any]) -> None:
    """Before what may take longer than Discord's 3 seconds; once for each interaction."""
    if not interaction.response.is_done():
        await interaction.response.defer(ephemeral=True, thinking=True)


def file_of(attachment: Picture) -> discord.File:
    """For one request: discord.py closes it."""
    return discord.File(io.BytesIO(attachment.data), filename=attachment.filename, description=attachment.description)


async def answer_in_place(
    interaction: discord.Interaction[Any], content: str, view: discord.ui.View | None = None
) -> None:
    """Puts an answer in the place of the private message that was pressed; beside one that others see."""
    message = interaction.message
    if message is None or not message.flags.ephemeral:
        await answer_alone(interaction, content, view=view)
        return
    mentions = discord.AllowedMentions.none()
    await interaction.response.edit_message(content=content, view=view, allowed_mentions=mentions)
