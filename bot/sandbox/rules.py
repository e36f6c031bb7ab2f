"""Discord's rules for what an application may send, beyond the shapes that its API description can express.

Pure functions over decoded JSON, in the style of a linter: they return problems and raise nothing. The stand-in
refuses a request that has one; the tests of a client use the same functions.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox import components as parts
from bot.sandbox.spelling import shown_name

MAX_CONTENT_CHARACTERS: Final = 2000
MAX_EMBED_CHARACTERS: Final = 6000
MAX_EMBEDS: Final = 10
MAX_ATTACHMENTS: Final = 10
MAX_V2_COMPONENTS: Final = 40
MAX_V2_CHARACTERS: Final = 4000
MAX_COMMAND_CHARACTERS: Final = 8000
MAX_COMMANDS: Final = {1: 100, 2: 15, 3: 15}
SUB_COMMAND, SUB_COMMAND_GROUP = 1, 2

_COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")


@dataclass(frozen=True, slots=True)
class Problem:
    """path: dotted place in the payload; code: Discord's name for the failure."""

    path: str
    code: str
    message: str


def check_message(
    content: str | None,
    embeds: Sequence[dict[str, Any]],
    components: Sequence[dict[str, Any]],
    num_attachments: int,
    is_v2: bool,
) -> list[Problem]:
    """What is wrong with a message. is_v2: whether it has the flag IS_COMPONENTS_V2."""
    problems: list[Problem] = []
    if len(content or "") > MAX_CONTENT_CHARACTERS:
        text = f"Must be {MAX_CONTENT_CHARACTERS} or fewer in length."
        problems.append(Problem("content", "BASE_TYPE_MAX_LENGTH", text))
    if len(embeds) > MAX_EMBEDS:
        problems.append(Problem("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_EMBEDS} or fewer in length."))
    if sum(map(_embed_characters, embeds)) > MAX_EMBED_CHARACTERS:
        text = f"Embed size exceeds maximum size of {MAX_EMBED_CHARACTERS}"
        problems.append(Problem("embeds", "MAX_EMBED_SIZE_EXCEEDED", text))
    if num_attachments > MAX_ATTACHMENTS:
        text = f"Must be {MAX_ATTACHMENTS} or fewer in length."
        problems.append(Problem("attachments", "BASE_TYPE_MAX_LENGTH", text))
    if is_v2 and (content or embeds):
        text = "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        problems.append(Problem("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text))
    return problems + check_components(components, is_v2)


def check_components(components: Sequence[dict[str, Any]], is_v2: bool) -> list[Problem]:
    """What is wrong with the components of a message."""
    problems: list[Problem] = []
    if is_v2 and len(list(parts.walk(components))) > MAX_V2_COMPONENTS:
        problems.append(Problem("components", "COMPONENT_MAX_TOTAL", f"At most {MAX_V2_COMPONENTS} components."))
    texts = (component for component in parts.walk(components) if component.get("type") == parts.TEXT_DISPLAY)
    if is_v2 and sum(len(str(text.get("content"))) for text in texts) > MAX_V2_CHARACTERS:
        text = f"At most {MAX_V2_CHARACTERS} characters in all texts together."
        problems.append(Problem("components", "COMPONENT_MAX_TOTAL_TEXT", text))
    if not is_v2 and len(components) > 5:
        problems.append(Problem("components", "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length."))
    for index, component in enumerate(components):
        if not is_v2 and component.get("type") != parts.ACTION_ROW:
            text = 'Value of field "type" must be one of (1,).'
            problems.append(Problem(f"components.{index}.type", "UNION_TYPE_CHOICES", text))
        for inner in parts.walk([component]):
            problems += [Problem(f"components.{index}", code, text) for code, text in _component_faults(inner)]
    return problems + _repeated_custom_ids(components)


def check_modal(modal: dict[str, Any]) -> list[Problem]:
    """What is wrong with a modal."""
    problems = _repeated_custom_ids(modal.get("components") or ())
    for key, limit in (("title", 45), ("custom_id", 100)):
        if not 1 <= len(modal.get(key) or "") <= limit:
            problems.append(Problem(key, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {limit} in length."))
    if not 1 <= len(modal.get("components") or ()) <= 5:
        problems.append(Problem("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."))
    return problems


def _embed_characters(embed: dict[str, Any]) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [text for field in embed.get("fields") or () for text in (field.get("name"), field.get("value"))]
    return sum(len(text or "") for text in texts)


def _repeated_custom_ids(components: Sequence[dict[str, Any]]) -> list[Problem]:
    ids = Counter(c["custom_id"] for c in parts.walk(components) if c.get("custom_id"))
    return [
        Problem("components", "COMPONENT_CUSTOM_ID_DUPLICATED", f"Component custom id cannot be duplicated: {name}")
        for name, count in ids.items()
        if count > 1
    ]


def _component_faults(component: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(code, message) of each fault of one component, without those inside it."""
    kind = component.get("type")
    inside = component.get("components") or ()
    if kind == parts.ACTION_ROW:
        selects = [child for child in inside if child.get("type") in parts.SELECTS]
        if not 1 <= len(inside) <= 5 or (selects and len(inside) > 1):
            yield "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "An action row holds 1 to 5 buttons, or one select."
    elif kind == parts.BUTTON:
        yield from _button_faults(component)
    elif kind == parts.STRING_SELECT:
        options = component.get("options") or ()
        if not 1 <= len(options) <= 25:
            yield "BASE_TYPE_BAD_LENGTH", "A select has between 1 and 25 options."
        if len({option.get("value") for option in options}) < len(options):
            yield "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used"
    elif kind == parts.MEDIA_GALLERY and not 1 <= len(component.get("items") or ()) <= 10:
        yield "BASE_TYPE_BAD_LENGTH", "A media gallery has between 1 and 10 items."
    elif kind == parts.SECTION and not component.get("accessory"):
        yield "BASE_TYPE_REQUIRED", "A section needs an accessory."
    if kind in parts.SELECTS and not component.get("custom_id"):
        yield "BASE_TYPE_REQUIRED", "A select needs a custom_id."
    if len(component.get("custom_id") or "") > 100:
        yield "BASE_TYPE_MAX_LENGTH", "A custom_id has 100 or fewer characters."


def _button_faults(button: dict[str, Any]) -> Iterator[tuple[str, str]]:
    style = button.get("style")
    if style == parts.LINK_STYLE:
        if not button.get("url") or button.get("custom_id"):
            yield "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A link button has a url and no custom_id."
    elif style != parts.PREMIUM_STYLE:
        if not button.get("custom_id"):
            yield "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required"
        if button.get("url"):
            yield "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "Only a link button has a url."
    if style != parts.PREMIUM_STYLE and not parts.button_label(button):
        yield "BUTTON_COMPONENT_INVALID_LABEL", "A button needs a label or an emoji."


def check_commands(commands: Sequence[dict[str, Any]]) -> list[Problem]:
    """What is wrong with a bulk overwrite of application commands."""
    problems: list[Problem] = []
    for (kind, name), count in Counter((c.get("type") or 1, c["name"]) for c in commands).items():
        if count > 1:
            text = f"Application command names must be unique: {name}"
            problems.append(Problem("", "APPLICATION_COMMANDS_DUPLICATE_NAME", text))
        if not 1 <= kind <= 3:
            problems.append(Problem("", "UNION_TYPE_CHOICES", f"{name} has an unknown type."))
    for kind, limit in MAX_COMMANDS.items():
        if sum((c.get("type") or 1) == kind for c in commands) > limit:
            problems.append(Problem("", "APPLICATION_COMMANDS_MAX", f"Max {limit} commands of type {kind}."))
    for index, command in enumerate(commands):
        problems += [Problem(f"{index}.{p.path}", p.code, p.message) for p in _check_command(command)]
    return problems


def _check_command(command: dict[str, Any]) -> Iterator[Problem]:
    description = command.get("description") or ""
    if (command.get("type") or 1) != 1:
        for path, name in _spellings(command, "name"):
            if not 1 <= len(name) <= 32:
                yield Problem(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
        if description or command.get("options"):
            yield Problem("description", "APPLICATION_COMMAND_CONTEXT_MENU", "A context menu has no description.")
        return
    yield from _check_name_and_options(command)
    if _command_characters(command) > MAX_COMMAND_CHARACTERS:
        text = f"Command exceeds maximum size ({MAX_COMMAND_CHARACTERS})"
        yield Problem("options", "APPLICATION_COMMAND_TOO_LARGE", text)


def _check_name_and_options(item: dict[str, Any]) -> Iterator[Problem]:
    """The rules that a command, a sub-command and an option share."""
    for path, name in _spellings(item, "name"):
        if not _COMMAND_NAME.fullmatch(name) or name != name.lower():
            yield Problem(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    for path, description in _spellings(item, "description"):
        if not 1 <= len(description) <= 100:
            yield Problem(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    options = item.get("options") or ()
    if not _are_unique(options):
        yield Problem("options", "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option names must be unique")
    if len(options) > 25:
        yield Problem("options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    values = [option for option in options if option["type"] not in (SUB_COMMAND, SUB_COMMAND_GROUP)]
    required = [bool(option.get("required")) for option in values]
    if required != sorted(required, reverse=True):
        text = "Required options must be placed before non-required options"
        yield Problem("options", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)
    for index, option in enumerate(options):
        faults = [*_check_name_and_options(option), *_check_choices(option)]
        yield from (Problem(f"options.{index}.{p.path}", p.code, p.message) for p in faults)


def _check_choices(option: dict[str, Any]) -> Iterator[Problem]:
    choices = option.get("choices") or ()
    if len(choices) > 25:
        yield Problem("choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    for index, choice in enumerate(choices):
        for path, name in _spellings(choice, "name"):
            if not 1 <= len(name) <= 100:
                yield Problem(f"choices.{index}.{path}", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if not _are_unique(choices):
        yield Problem("choices", "APPLICATION_COMMAND_OPTIONS_CHOICE_NAMES_UNIQUE", "Choice names must be unique")
    if choices and option.get("autocomplete"):
        yield Problem("choices", "APPLICATION_COMMAND_AUTOCOMPLETE", "An option has choices or autocomplete, not both.")
    for low, high in (("min_value", "max_value"), ("min_length", "max_length")):
        if None not in (option.get(low), option.get(high)) and option[low] > option[high]:
            yield Problem(low, "APPLICATION_COMMAND_OPTIONS_RANGE", f"{low} must not exceed {high}.")


def _spellings(item: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """(path, text) of a name or description: the text itself and what it is in other languages."""
    yield key, item.get(key) or ""
    for locale, text in (item.get(f"{key}_localizations") or {}).items():
        yield f"{key}_localizations.{locale}", text


def _are_unique(items: Sequence[dict[str, Any]]) -> bool:
    """Whether no two of these options or choices have the same name in any language."""
    locales = {locale for item in items for locale in item.get("name_localizations") or {}}
    return all(len({shown_name(item, locale) for item in items}) == len(items) for locale in (*locales, ""))


def _command_characters(item: dict[str, Any]) -> int:
    """Of names, descriptions and values, each in the language in which it is longest."""
    total = _longest(item, "name") + _longest(item, "description")
    for option in item.get("options") or ():
        total += _command_characters(option)
        total += sum(_longest(choice, "name") + len(str(choice["value"])) for choice in option.get("choices") or ())
    return total


def _longest(item: dict[str, Any], key: str) -> int:
    return max(len(text) for _, text in _spellings(item, key))
