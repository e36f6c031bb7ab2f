"""What a player can do: turns a line into an interaction, as Discord's own client would. Sandbox's event loop."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from discord import Permissions

from bot.sandbox import components as parts
from bot.sandbox.command_registry import CHAT_INPUT, MESSAGE_MENU, USER_MENU, CommandRegistry
from bot.sandbox.errors import LineError
from bot.sandbox.files import FileShelf, UploadedFile
from bot.sandbox.forms import filled_in
from bot.sandbox.guild import Channel, Member
from bot.sandbox.interaction import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, Interaction
from bot.sandbox.interactions import InteractionDesk
from bot.sandbox.lines import Action, Choose, Click, Menu, Slash, Submit, Type
from bot.sandbox.message_store import MessageStore
from bot.sandbox.messages import Message, MessageJson
from bot.sandbox.objects import channel_json, member_json, role_json
from bot.sandbox.options import Arguments
from bot.sandbox.spelling import by_spelling, shown_name
from bot.sandbox.world import World

NO_UPLOADS: Final[Mapping[str, UploadedFile]] = MappingProxyType({})


class Actions:
    """Makes interactions and delivers none. Methods raise LineError when Discord's client would not offer the thing."""

    def __init__(
        self,
        world: World,
        commands: CommandRegistry,
        desk: InteractionDesk,
        messages: MessageStore,
        message_json: MessageJson,
        files: FileShelf,
    ) -> None:
        self._world = world
        self._commands = commands
        self._desk = desk
        self._messages = messages
        self._json = message_json
        self._files = files

    def paths(self, action: Action, member: Member, channel: Channel) -> list[str]:
        """Of the files that go with an action."""
        paths: list[str] = []

        def note(path: str) -> dict[str, Any]:
            paths.append(path)
            return {"id": self._world.application_id}

        if isinstance(action, Slash):
            self._slash(action.text, member, channel, upload=note)
        return paths

    def begin(
        self,
        action: Action,
        member: Member,
        channel: Channel,
        opener: Interaction | None,
        uploads: Mapping[str, UploadedFile] = NO_UPLOADS,
    ) -> Interaction:
        """The interaction of an action. opener: the interaction whose answer opened the form that is on the screen.
        uploads: the files of its `paths`."""

        def upload(path: str) -> dict[str, Any]:
            attachment = self._files.add(uploads[path], None)
            return self._json.attachment(channel.id, attachment, is_ephemeral=True)

        if isinstance(action, Slash):
            return self._desk.create(COMMAND, self._slash(action.text, member, channel, upload=upload), member, channel)
        if isinstance(action, Type):
            data = self._slash(action.text, member, channel, is_typing=True)
            return self._desk.create(AUTOCOMPLETE, data, member, channel)
        if isinstance(action, Menu):
            return self._desk.create(COMMAND, self._menu(action, member, channel), member, channel)
        if isinstance(action, Submit):
            if opener is None or opener.modal is None:
                raise LineError("There is no form to submit: open one first, with the button or command that shows it.")
            data = filled_in(opener.modal, action.text)
            return self._desk.create(MODAL_SUBMIT, data, member, channel, opener.source, opener)
        if isinstance(action, Click):
            message, data = self._button(action, member, channel)
        else:
            message, data = self._select(action, member, channel)
        return self._desk.create(COMPONENT, data, member, channel, message)

    def _offered(self, kind: int, name: str, member: Member, channel: Channel) -> dict[str, Any]:
        """The command of that type and name, in English or the member's language, if the member may use it here."""
        commands = [command for command in self._commands.usable(channel.place) if command["type"] == kind]
        usable = by_spelling(commands, member.locale)
        sign = "/" if kind == CHAT_INPUT else ""
        if name not in usable:
            names = ", ".join(f"{sign}{shown_name(command, member.locale)}" for command in commands) or "none"
            what = "command" if kind == CHAT_INPUT else "context menu command"
            raise LineError(f"There is no {what} {sign}{name} in {channel.name}; the client has registered {names}.")
        command = usable[name]
        required = command["default_member_permissions"]
        has = Permissions(self._world.permissions(member, channel))
        if required is not None and not has.administrator:
            missing = [flag for flag, on in Permissions(int(required) & ~has.value) if on]
            if missing or int(required) == 0:
                names = ", ".join(missing) or "administrator"
                raise LineError(f"{member.name} doesn't see {sign}{name}: it needs the permission {names}.")
        return command

    def _slash(
        self,
        line: str,
        member: Member,
        channel: Channel,
        *,
        is_typing: bool = False,
        upload: Callable[[str], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        name, _, text = line.partition(" ")
        command = self._offered(CHAT_INPUT, name, member, channel)
        arguments = Arguments(self._world, member.locale, is_typing=is_typing, upload=upload)
        arguments.read(command, text)
        data: dict[str, Any] = {"id": command["id"], "name": command["name"], "type": CHAT_INPUT}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        if arguments.options:
            data["options"] = arguments.options
        if arguments.resolved:
            data["resolved"] = arguments.resolved
        return data

    def _menu(self, action: Menu, member: Member, channel: Channel) -> dict[str, Any]:
        """A context menu command on a member, on the newest public message, or on its author where it is for users."""
        if action.member is not None:
            return self._menu_on(action.name, self._world.member_named(action.member), member, channel)
        message = next((m for m in self._messages.newest_first(channel.id) if m.viewer_id is None), None)
        if message is None:
            raise LineError(f"There is no message in {channel.name} to open a menu on.")
        menus = [command for command in self._commands.usable(channel.place) if command["type"] == USER_MENU]
        is_for_users = action.name in by_spelling(menus, member.locale)
        if is_for_users:
            return self._menu_on(action.name, self._world.members[message.author_id], member, channel)
        command = self._offered(MESSAGE_MENU, action.name, member, channel)
        data = {"id": command["id"], "name": command["name"], "type": command["type"]}
        return data | {"target_id": message.id, "resolved": {"messages": {message.id: self._json.message(message)}}}

    def _menu_on(self, name: str, target: Member, member: Member, channel: Channel) -> dict[str, Any]:
        """A context menu command on a member."""
        command = self._offered(USER_MENU, name, member, channel)
        data = {"id": command["id"], "name": command["name"], "type": command["type"]}
        partial = member_json(self._world, target) | {"permissions": str(self._world.permissions(target, channel))}
        resolved = {"users": {target.id: partial.pop("user")}, "members": {target.id: partial}}
        return data | {"target_id": target.id, "resolved": resolved}

    def _components(self, member: Member, channel: Channel) -> Iterator[tuple[Message, dict[str, Any]]]:
        """What the member can see in the channel, newest message first."""
        for message in self._messages.newest_first(channel.id):
            if message.is_visible_to(member.id):
                yield from ((message, component) for component in parts.walk(message.components))

    def _button(self, action: Click, member: Member, channel: Channel) -> tuple[Message, dict[str, Any]]:
        seen: list[str] = []
        for message, component in self._components(member, channel):
            if component["type"] != parts.BUTTON:
                continue
            label = parts.button_label(component)
            if label != action.label:
                seen.append(label)
            elif component.get("disabled"):
                raise LineError(f"The button {label!r} is switched off.")
            elif not component.get("custom_id"):
                raise LineError(f"The button {label!r} opens {component.get('url')}; there is nothing to click here.")
            else:
                return message, {"component_type": parts.BUTTON, "custom_id": component["custom_id"]}
        there = ", ".join(dict.fromkeys(seen)) or "none"
        raise LineError(f"There is no button {action.label!r} in {channel.name}; the buttons are: {there}.")

    def _select(self, action: Choose, member: Member, channel: Channel) -> tuple[Message, dict[str, Any]]:
        placeholder, _, value = action.value.rpartition(": ")
        if value.startswith(("#", "@")):
            return self._entities(value, member, channel, placeholder)
        seen: list[str] = []
        for message, component in self._components(member, channel):
            if component["type"] != parts.STRING_SELECT or component.get("disabled"):
                continue
            for option in component["options"]:
                seen.append(option["label"])
                if action.value in (option["value"], option["label"]):
                    data = {"component_type": parts.STRING_SELECT, "custom_id": component["custom_id"]}
                    return message, data | {"values": [option["value"]]}
        there = ", ".join(dict.fromkeys(seen)) or "none"
        raise LineError(f"There is no choice {action.value!r} in {channel.name}; the choices are: {there}.")

    def _entities(
        self, value: str, member: Member, channel: Channel, placeholder: str
    ) -> tuple[Message, dict[str, Any]]:
        """Channels or roles, in the newest select of their kind, or in the one with that placeholder if it isn't ""."""
        is_channels = value.startswith("#")
        kind = parts.CHANNEL_SELECT if is_channels else parts.ROLE_SELECT
        offered = (
            (m, c)
            for m, c in self._components(member, channel)
            if c["type"] == kind and not c.get("disabled") and placeholder in ("", c.get("placeholder"))
        )
        message, component = next(offered, (None, {}))
        if message is None:
            raise LineError(f"There is no select of {'channels' if is_channels else 'roles'} in {channel.name}.")
        names = [name.strip(" ") for name in value.split(",")]
        low, high = component.get("min_values", 1), component.get("max_values", 1)
        if not low <= len(names) <= high:
            raise LineError(f"That select takes {low} to {high}, not {len(names)}.")
        chosen: dict[str, Any] = {}
        for name in names:
            if is_channels:
                named = self._world.channel_named(name)
                chosen[named.id] = channel_json(self._world, named) | {"permissions": "0"}
            else:
                role = self._world.role_named(name)
                chosen[role.id] = role_json(role)
        data = {"component_type": kind, "custom_id": component["custom_id"], "values": list(chosen)}
        return message, data | {"resolved": {"channels" if is_channels else "roles": chosen}}
