"""What /help answers: every command with its description, by topic. Pure but for the view.

The lines come from the commands themselves, so none can be wrong or out of date. A command that no topic names gets no
line; a test fails then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import discord
from discord import app_commands

from bot.cogs.elsewhere import AnyCommand
from bot.cogs.translator import in_language
from bot.language import Language, Text

MORE_IN_SERVERS: Final = Text(
    "In servers that I am a member of there is more: the gallery, styles, statistics and settings."
)


@dataclass(frozen=True, slots=True)
class Topic:
    """commands: names of commands, groups and context menus, in English. hint: what there is beside commands."""

    title: Text
    commands: tuple[str, ...] = ()
    hint: Text | None = None


TOPICS: Final = (
    Topic(Text("Drawing"), ("imagine", "again", "Draw this", "Remix")),
    Topic(
        Text("While it is drawn"),
        ("queue",),
        Text("The message of a job shows its place in the line, then a preview. **Cancel** is below it."),
    ),
    Topic(
        Text("With a result"),
        ("Report picture",),
        hint=Text(
            "Below the pictures, **Look closer** shows one of them in full, with buttons to vary it, enlarge it, send "
            "it to you or keep it as a favourite. **Reroll** draws new ones, **Download all** packs them, **Delete** "
            "removes them. **Report** has moderators look at them."
        ),
    ),
    Topic(Text("Looking back"), ("gallery", "show", "stats", "Their gallery")),
    Topic(Text("For the whole server"), ("style", "settings")),
    Topic(Text("For moderators"), ("mod", "Who made this?")),
    Topic(Text("About the bot"), ("help", "about", "privacy", "appeal")),
)


def help_texts(
    commands: Sequence[AnyCommand], ids: Mapping[str, int], language: Language, *, is_all: bool = True
) -> list[str]:
    """A text for each topic that has something to tell. ids: Discord's, by the commands' names, as far as known.

    is_all: whether these are all commands; if not, a last text says where there are more.
    """
    known = {command.name: command for command in commands}
    texts = []
    for topic in TOPICS:
        lines = [
            f"- {line}"
            for name in topic.commands
            if name in known
            for line in _lines(known[name], ids.get(name), language)
        ]
        if topic.hint is not None:
            lines.append(language.tell(topic.hint))
        if lines:
            texts.append("\n".join([f"### {language.tell(topic.title)}", *lines]))
    return texts if is_all else [*texts, language.tell(MORE_IN_SERVERS)]


def help_view(texts: Sequence[str]) -> discord.ui.LayoutView:
    """A message of these texts."""
    view = discord.ui.LayoutView(timeout=None)
    for text in texts:
        view.add_item(discord.ui.TextDisplay(text))
    return view


def _lines(command: AnyCommand, command_id: int | None, language: Language) -> Iterator[str]:
    """One for each thing that can be chosen: a group stands for its commands."""
    match command:
        case app_commands.ContextMenu():
            name = f"**{in_language(command.name, language)}**"
            if command.type is discord.AppCommandType.user:
                yield language.text("{command}: right-click a member, then Apps", command=name)
            else:
                yield language.text("{command}: right-click a message, then Apps", command=name)
        case app_commands.Group():
            for child in command.commands:
                yield from _lines(child, command_id, language)
        case _:
            yield f"{_mention(command, command_id, language)}: {in_language(command.description, language)}"


def _mention(command: app_commands.Command[Any, Any, Any], command_id: int | None, language: Language) -> str:
    """What people can click on, if Discord's id is known; otherwise what they can type."""
    if command_id is not None:
        return f"</{command.qualified_name}:{command_id}>"
    path = [in_language(command.name, language)]
    group = command.parent
    while group is not None:
        path.append(in_language(group.name, language))
        group = group.parent
    return "`/" + " ".join(reversed(path)) + "`"
