"""From a pressed control or a submitted form to whoever acts on it. Filled and called by the client and the controls,
on the event loop."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord

from bot.catalogues import Languages
from bot.error_handler import answer_error
from bot.log_context import bind
from bot.moderation.places import Places
from bot.views.custom_id import Action, CustomId

PressHandler = Callable[[discord.Interaction[Any], CustomId], Awaitable[None]]


class Presses:
    """handlers: for each action what a press does. A handler answers the interaction, within its 3 seconds, or raises.
    check: raises if the one who pressed may not do that. places: where the bot works."""

    def __init__(
        self,
        handlers: Mapping[Action, PressHandler],
        languages: Languages,
        check: PressHandler,
        places: Places | None = None,
    ) -> None:
        self._handlers = handlers
        self._check = check
        self._languages = languages
        self._places = places or Places()

    async def press(self, interaction: discord.Interaction[Any], custom_id: str) -> None:
        """Acts on a press, or answers with one sentence. Raises nothing."""
        bind(interaction_id=interaction.id, guild_id=interaction.guild_id)
        try:
            self._places.check_guild(interaction.guild_id)
            pressed = CustomId.parse(custom_id)
            await self._check(interaction, pressed)
            await self._handlers[pressed.action](interaction, pressed)
        except Exception as error:
            await answer_error(interaction, error, self._languages.of(str(interaction.locale)))
