"""Turns the text of a slash command into the options of an interaction, as Discord's own client would. Pure.

A value reaches from `name:` to the next `name:` of another option of the command, so prompts need no quotes. That of an
attachment is the path of a file on this computer.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.errors import LineError
from bot.sandbox.objects import channel_json, member_json, role_json, user_json
from bot.sandbox.rules import SUB_COMMAND, SUB_COMMAND_GROUP
from bot.sandbox.spelling import by_spelling, shown_name
from bot.sandbox.world import World

STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, NUMBER, ATTACHMENT = 3, 4, 5, 6, 7, 8, 10, 11
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
_MAX_STRING: Final = 6000


class Arguments:
    """The options of one use of a command. options, resolved: as an interaction's data carries them.

    locale: names may be given in this language. is_typing: the last option is still being typed, and must be one that
    the client completes. upload: what an interaction
    carries of the file at a path.
    """

    def __init__(
        self,
        world: World,
        locale: str = "en-US",
        *,
        is_typing: bool = False,
        upload: Callable[[str], dict[str, Any]] | None = None,
    ) -> None:
        self._world = world
        self._upload = upload
        self._locale = locale
        self._is_typing = is_typing
        self.options: list[dict[str, Any]] = []
        self.resolved: dict[str, dict[str, Any]] = {}

    def read(self, command: dict[str, Any], text: str) -> None:
        """Fills itself from the text behind the command's name. Raises LineError that names what is wrong."""
        self.options = self._level(f"/{self._shown(command)}", command.get("options") or (), text)

    def _level(self, name: str, declared: Sequence[dict[str, Any]], text: str) -> list[dict[str, Any]]:
        groups = [option for option in declared if option["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)]
        if groups:
            word, _, rest = text.strip(" ").partition(" ")
            inner = by_spelling(groups, self._locale).get(word)
            if inner is None:
                raise LineError(f"{name} needs one of its sub-commands: {', '.join(map(self._shown, groups))}.")
            inside = self._level(f"{name} {word}", inner.get("options") or (), rest)
            return [{"name": inner["name"], "type": inner["type"], "options": inside}]
        given = split_options(name, {word: o["name"] for word, o in by_spelling(declared, self._locale).items()}, text)
        if self._is_typing:
            return self._unfinished(name, declared, given)
        missing = [self._shown(o) for o in declared if o.get("required") and not given.get(o["name"])]
        if missing:
            raise LineError(f"{name} needs a value for {', '.join(missing)}: write {missing[0]}:VALUE.")
        return [
            {"name": option["name"], "type": option["type"], "value": self._value(option, given[option["name"]])}
            for option in declared
            if given.get(option["name"])
        ]

    def _unfinished(
        self, command: str, declared: Sequence[dict[str, Any]], given: dict[str, str]
    ) -> list[dict[str, Any]]:
        options = {option["name"]: option for option in declared}
        focused = options[list(given)[-1]] if given else None
        if focused is None or not focused.get("autocomplete"):
            completed = ", ".join(self._shown(option) for option in declared if option.get("autocomplete")) or "none"
            raise LineError(f"{command} suggests nothing there; the options with suggestions are: {completed}.")
        before = [
            {"name": name, "type": options[name]["type"], "value": self._value(options[name], text)}
            for name, text in given.items()
            if text and name != focused["name"]
        ]
        typed = {"name": focused["name"], "type": focused["type"], "value": given[focused["name"]], "focused": True}
        return [*before, typed]

    def _shown(self, item: dict[str, Any]) -> str:
        return shown_name(item, self._locale)

    def _value(self, option: dict[str, Any], text: str) -> Any:
        name, kind = self._shown(option), option["type"]
        if option.get("choices"):
            choices = {str(choice["value"]): choice for choice in option["choices"]}
            choices |= by_spelling(option["choices"], self._locale)
            if text not in choices:
                raise LineError(
                    f"{name} must be one of {', '.join(map(self._shown, option['choices']))}, not {text!r}."
                )
            return choices[text]["value"]
        if kind == STRING:
            low, high = option.get("min_length", 0), option.get("max_length", _MAX_STRING)
            if not low <= len(text) <= high:
                raise LineError(f"{name} must have {low} to {high} characters; it has {len(text)}.")
            return text
        if kind in (INTEGER, NUMBER):
            return _number(name, option, text)
        if kind == BOOLEAN:
            if text.lower() not in _BOOLEANS:
                raise LineError(f"{name} must be true or false, not {text!r}.")
            return _BOOLEANS[text.lower()]
        if kind == ATTACHMENT and self._upload is not None:
            attachment = self._upload(text)
            self.resolved.setdefault("attachments", {})[attachment["id"]] = attachment
            return attachment["id"]
        return self._reference(name, kind, text)

    def _reference(self, name: str, kind: int, text: str) -> str:
        """The id of a named member, channel or role; its object goes to `resolved`."""
        world = self._world
        if kind == USER:
            member = world.member_named(text.removeprefix("@"))
            self.resolved.setdefault("users", {})[member.id] = user_json(member)
            partial = member_json(world, member) | {"permissions": str(world.everyone.permissions)}
            del partial["user"], partial["deaf"], partial["mute"]
            self.resolved.setdefault("members", {})[member.id] = partial
            return member.id
        if kind == CHANNEL:
            channel = world.channel_named(text)
            self.resolved.setdefault("channels", {})[channel.id] = channel_json(world, channel) | {"permissions": "0"}
            return channel.id
        if kind == ROLE:
            role = world.role_named(text)
            self.resolved.setdefault("roles", {})[role.id] = role_json(role)
            return role.id
        raise LineError(f"The sandbox can't fill in {name}: its option type {kind} is not supported.")


def split_options(command: str, spellings: Mapping[str, str], text: str) -> dict[str, str]:
    """`{name: value}` from `spelling:value spelling:value`; values are trimmed of spaces, as Discord does.

    spellings: each word that may be written → the option's name.
    Raises LineError for text before the first option, an option given twice, and what looks like a misspelt name."""
    found: list[re.Match[str]] = []
    names = list(spellings)
    if names:
        longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        found = list(re.finditer(rf"(?:(?<= )|^)({longest_first}):", text))
    before = text[: found[0].start()] if found else text
    if before.strip(" "):
        word = before.split()[0].partition(":")[0] if before.split() else before
        raise LineError(f"{command} has no option {word!r}; {_known(names)}.")
    given: dict[str, str] = {}
    ends = [*(after.start() for after in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=False):
        name, value = spellings[match[1]], text[match.end() : end]
        if name in given:
            raise LineError(f"{command} has {match[1]} twice; give it once.")
        for word in re.findall(r"(?:(?<= )|^)([\w-]+):(?=\S)", value):
            if close := difflib.get_close_matches(word, names, 1, 0.75):
                raise LineError(f"{command} has no option {word!r}; did you mean {close[0]!r}?")
        given[name] = value.strip(" ")
    return given


def _known(names: Sequence[str]) -> str:
    return f"it has {', '.join(names)}" if names else "it takes none"


def _number(name: str, option: dict[str, Any], text: str) -> int | float:
    """Discord's client keeps numbers within plus and minus 2**53 and the option's own range."""
    is_whole = option["type"] == INTEGER
    low, high = option.get("min_value", -(2**53)), option.get("max_value", 2**53)
    try:
        value = int(text) if is_whole else float(text)
    except ValueError:
        raise LineError(f"{name} must be a {'whole ' if is_whole else ''}number, not {text!r}.") from None
    if not low <= value <= high:
        raise LineError(f"{name} must be between {low} and {high}, not {text}.")
    return value
