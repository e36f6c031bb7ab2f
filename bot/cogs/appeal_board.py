"""The messages about appeals in the moderators' channels: posted, and posted again. Event loop.

An appeal waits in the store until a channel takes its message.
"""

import asyncio
from typing import Final

import discord

from bot.cogs.review_channels import ReviewChannels
from bot.cogs.sanction_texts import KINDS
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.store import SanctionRecord, Store
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

STORE_TIMEOUT_S: Final = 10.0
MAX_SHOWN_UNITS: Final = 1000


class AppealBoard:
    """Methods may raise StoreError and TimeoutError; what Discord refuses is logged. sanction: with an appeal that
    nobody has decided."""

    def __init__(self, store: Store, channels: ReviewChannels) -> None:
        self._store = store
        self._channels = channels

    async def post(self, sanction: SanctionRecord, *, is_asked_for: bool = False) -> bool:
        """Shows an appeal to moderators in a new message; False if there is no channel for it now.

        is_asked_for: tries a channel that has refused before.
        """
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(sanction.guild_id)
        channel_id = await self._channels.find(sanction.guild_id, settings, is_asked_for=is_asked_for)
        if channel_id is None:
            return False
        language = self._channels.language(sanction.guild_id, settings)
        text, view = appeal_text(sanction, language), _appeal_view(sanction, language)
        message = await self._channels.send(sanction.guild_id, channel_id, text, view=view)
        if message is None:
            return False
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.sanctions.set_appeal_message(sanction.id, channel_id=channel_id, message_id=message.id)
        return True

    async def post_again(self, sanction: SanctionRecord) -> bool:
        """A new message in the place of the old one, wherever that is; whether there is one."""
        if not await self.post(sanction, is_asked_for=True):
            return False
        if sanction.appeal_channel_id is not None and sanction.appeal_message_id is not None:
            await self._channels.remove(sanction.appeal_channel_id, sanction.appeal_message_id)
        return True

    async def forget_lost(self) -> None:
        """Appeals whose channel was deleted have no message any more."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            for guild_id, channel_id in await self._store.sanctions.appeal_channels():
                if self._channels.is_gone(guild_id, channel_id):
                    await self._store.sanctions.forget_appeal_messages(guild_id, channel_id)


def appeal_text(sanction: SanctionRecord, language: Language) -> str:
    """What moderators read, within a message."""
    lines = [
        language.text(
            "**Appeal** of {user} against: {kind}, given by {by} {when}",
            user=f"<@{sanction.user_id}>",
            kind=KINDS[sanction.kind],
            by=Text("the bot") if sanction.given_by is None else f"<@{sanction.given_by}>",
            when=f"<t:{int(sanction.given_at.timestamp())}:f>",
        )
    ]
    if sanction.reason:
        lines.append(language.text("Reason: {reason}", reason=escape_shortened(sanction.reason, MAX_SHOWN_UNITS // 2)))
    lines.append(f"> {escape_shortened(sanction.appeal or '', MAX_SHOWN_UNITS)}".replace("\n", "\n> "))
    return "\n".join(lines)


def _appeal_view(sanction: SanctionRecord, language: Language) -> discord.ui.View:
    sanction_id = f"{sanction.id:012x}"
    return make_view(
        [
            make_button(language.text("Keep the sanction"), CustomId(Action.APPEAL_UPHOLD, sanction_id)),
            make_button(
                language.text("Lift the sanction"),
                CustomId(Action.APPEAL_LIFT, sanction_id),
                style=discord.ButtonStyle.danger,
            ),
        ]
    )
