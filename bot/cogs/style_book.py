"""A guild's styles as commands need them: within their time, and with sentences for people. Event loop."""

import asyncio
from typing import Final

from bot.errors import InvalidParameterError, StoreError
from bot.store import Style
from bot.store.styles import StyleStore, style_name

READ_TIMEOUT_S: Final = 0.5  # a command that draws has more to do within Discord's 3 seconds
WRITE_TIMEOUT_S: Final = 1.5
MAX_SUGGESTED: Final = 25  # Discord's limit


class StyleBook:
    """Every method may raise StoreError. A guild of None, where the bot is no member, has no styles."""

    def __init__(self, store: StyleStore) -> None:
        self._store = store

    async def named(self, guild_id: int | None, name: str) -> Style:
        """Raises InvalidParameterError without a guild, or if it has no style of that name (any more)."""
        if guild_id is None:
            raise InvalidParameterError("Styles belong to servers that I am a member of, so there is none to use here.")
        wanted = style_name(name)
        for style in await self.all(guild_id):
            if style.name == wanted:
                return style
        raise _unknown(wanted)

    async def suggestions(self, guild_id: int | None, typed: str) -> list[str]:
        """Names for what somebody has typed so far: first those that begin with it, then those that hold it."""
        begun = " ".join(typed.split()).lower()
        names = [style.name for style in await self.all(guild_id) if begun in style.name]
        return sorted(names, key=lambda name: not name.startswith(begun))[:MAX_SUGGESTED]

    async def all(self, guild_id: int | None) -> list[Style]:
        """By name."""
        if guild_id is None:
            return []
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._store.of(guild_id)
        except TimeoutError as error:
            raise StoreError("The styles could not be read in time.") from error

    async def add(self, guild_id: int, style: Style) -> None:
        """Raises InvalidParameterError as StyleStore.add does."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._store.add(guild_id, style)
        except TimeoutError as error:
            raise StoreError("The style could not be stored in time.") from error

    async def remove(self, guild_id: int, name: str, *, by: int) -> str:
        """The name of the style that is gone now. by: who removes it.

        Raises InvalidParameterError if the guild has none of that name.
        """
        wanted = style_name(name)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                was_there = await self._store.remove(guild_id, wanted, by=by)
        except TimeoutError as error:
            raise StoreError("The style could not be removed in time.") from error
        if not was_there:
            raise _unknown(wanted)
        return wanted


def _unknown(name: str) -> InvalidParameterError:
    return InvalidParameterError(
        "There is no style {name} in this server: /style list shows those there are.", name=name
    )
