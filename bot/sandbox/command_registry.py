"""The application commands that the client has registered. Event loop of the sandbox only."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.sandbox import rules
from bot.sandbox.clock import Snowflakes
from bot.sandbox.errors import invalid_form
from bot.sandbox.guild import Place

CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3


class CommandRegistry:
    """Global commands, and the guild's own, which win over global ones of the same type and name."""

    def __init__(self, application_id: str, guild_id: str, ids: Snowflakes) -> None:
        self._application_id = application_id
        self._guild_id = guild_id
        self._ids = ids
        self._scopes: dict[str | None, list[dict[str, Any]]] = {None: [], guild_id: []}
        self.registered = asyncio.Event()
        """Set once the client has registered its commands."""

    def in_scope(self, guild_id: str | None) -> list[dict[str, Any]]:
        """The commands of a guild, or the global ones, as REST gives them."""
        return self._scopes[guild_id]

    def restore(self, guild_id: str | None, commands: Sequence[dict[str, Any]]) -> None:
        """A scope has these commands, as `in_scope` gave them, and no client need register them again."""
        self._scopes[guild_id] = list(commands)
        if commands:
            self.registered.set()

    def usable(self, place: Place) -> list[dict[str, Any]]:
        """What people can choose from in such a place."""
        own = self._scopes[self._guild_id] if place is Place.GUILD else []
        taken = {(command["type"], command["name"]) for command in own}
        return own + [c for c in self._scopes[None] if (c["type"], c["name"]) not in taken and _is_offered(c, place)]

    def overwrite(self, guild_id: str | None, commands: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Replaces all commands of a scope; one that keeps its name and type keeps its id.

        Raises ApiError 50035 for a command that breaks a rule."""
        for problem in rules.check_commands(commands):
            raise invalid_form(problem.path, problem.code, problem.message)
        old = {(command["type"], command["name"]): command["id"] for command in self._scopes[guild_id]}
        self._scopes[guild_id] = [self._registered(command, guild_id, old) for command in commands]
        self.registered.set()
        return self._scopes[guild_id]

    def _registered(
        self, command: dict[str, Any], guild_id: str | None, old: dict[tuple[int, str], str]
    ) -> dict[str, Any]:
        kind = command.get("type") or CHAT_INPUT
        permissions = command.get("default_member_permissions")
        answer: dict[str, Any] = {
            "id": old.get((kind, command["name"])) or self._ids.new(),
            "application_id": self._application_id,
            "version": self._ids.new(),
            "type": kind,
            "name": command["name"],
            "name_localizations": command.get("name_localizations"),
            "description": command.get("description") or "",
            "description_localizations": command.get("description_localizations"),
            "default_member_permissions": None if permissions is None else str(permissions),
            "nsfw": bool(command.get("nsfw")),
            "integration_types": command.get("integration_types") or [0],
        }
        if command.get("options"):
            answer["options"] = [_option(option) for option in command["options"]]
        if guild_id is not None:
            return answer | {"guild_id": guild_id}
        return answer | {
            "dm_permission": command.get("dm_permission") is not False,
            "contexts": command.get("contexts"),
        }


def _option(option: dict[str, Any]) -> dict[str, Any]:
    """An option as Discord answers it: without nulls, and without what equals its default."""
    answer = {key: value for key, value in option.items() if value is not None}
    for key in ("required", "autocomplete"):
        if answer.get(key) is False:
            del answer[key]
    for key in ("options", "choices", "channel_types"):
        if answer.get(key) == []:
            del answer[key]
    if "options" in answer:
        answer["options"] = [_option(inner) for inner in answer["options"]]
    return answer


def _is_offered(command: dict[str, Any], place: Place) -> bool:
    """Whether a global command is for such a place. Without contexts it is for guilds, and for direct messages unless
    it says otherwise."""
    contexts = command["contexts"] or [0, *([1] if command["dm_permission"] else [])]
    install = 1 if place in (Place.GROUP, Place.FOREIGN) else 0
    return place.context in contexts and install in command["integration_types"]
