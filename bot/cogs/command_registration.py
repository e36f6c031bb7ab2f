"""Registers the commands with Discord, and only when they have changed. Used by the client at its start, event loop.

Of several processes of a bot, the one with the first shard registers them. The others read what Discord has called
them, as soon as that stands in the store.
"""

import asyncio
import hashlib
import json
import logging
from typing import Any, Final

import discord
from discord import app_commands

from bot.catalogues import Languages
from bot.cogs.background import BackgroundLoop
from bot.cogs.translator import CommandTranslator
from bot.errors import ConfigError, StoreError
from bot.store import ValueStore

READ_EVERY_S: Final = 60.0
READ_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class CommandRegistration:
    """guild: the one that gets the commands, where they appear at once; None registers them globally. is_registrar:
    whether this process registers them. ids: of the registered commands by name, filled by `sync`."""

    def __init__(
        self, values: ValueStore, languages: Languages, *, guild: discord.Object | None, is_registrar: bool = True
    ) -> None:
        self._values = values
        self._languages = languages
        self._guild = guild
        self._is_registrar = is_registrar
        self._reading: BackgroundLoop | None = None
        self.ids: dict[str, int] = {}

    async def sync(self, tree: app_commands.CommandTree[Any], application_id: int | None) -> bool:
        """Registers the commands with Discord unless it has exactly these; True if it did.

        What was registered last is remembered in the store as a hash, since Discord limits registrations, together
        with the ids that Discord gave. Raises ConfigError if the bot isn't in that guild.
        """
        if self._guild is not None:
            tree.copy_global_to(guild=self._guild)
        key = f"commands/{application_id}/{self._guild.id if self._guild else 'global'}"
        if not self._is_registrar:
            self._reading = BackgroundLoop("ids of the commands", lambda: self._read(key), interval_s=READ_EVERY_S)
            self._reading.start()
            return False
        digest = await self._digest(tree)
        try:
            known = await self._values.get(key)
        except StoreError as error:
            _log.warning("the hash of the registered commands could not be read, registering them anew: %s", error)
            known = None
        known_digest, _, ids = (known or "").partition(" ")
        if known_digest == digest and ids:
            self.ids.update(json.loads(ids))
            return False
        try:
            registered = await tree.sync(guild=self._guild)
        except discord.Forbidden as error:
            raise ConfigError(
                "discord.dev_guild_id names a guild that the bot can't register commands in: invite the bot there with "
                "the applications.commands scope, or remove the key."
            ) from error
        _log.info("registered %d commands with Discord", len(registered))
        self.ids.update({command.name: command.id for command in registered})
        try:
            await self._values.set(key, f"{digest} {json.dumps(self.ids)}")
        except StoreError as error:
            _log.warning("the hash of the registered commands could not be stored: %s", error)
        return True

    async def aclose(self) -> None:
        """Ends the reading of another process's ids."""
        if self._reading is not None:
            await self._reading.aclose()

    async def _read(self, key: str) -> None:
        """What is there now: another version of the program registers others."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            _, _, ids = (await self._values.get(key) or "").partition(" ")
        self.ids.update(json.loads(ids or "{}"))

    async def _digest(self, tree: app_commands.CommandTree[Any]) -> str:
        """Changes with any command or translation, and with the address of Discord's API: a stand-in hasn't heard of
        them yet."""
        translator = CommandTranslator(self._languages)
        commands = tree.get_commands(guild=self._guild)
        payload = sorted(
            [await command.get_translated_payload(tree, translator) for command in commands],
            key=lambda command: (command["type"], command["name"]),
        )
        text = json.dumps([discord.http.Route.BASE, payload], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
