"""Forms, Discord's modals: recognised by their custom_id when they are submitted, as pressed controls are. Event loop.

Nothing is kept of a form that was sent, so it can be submitted after a restart too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot.views.custom_id import CustomId


@dataclass(frozen=True, slots=True)
class Field:
    """A line to write in, or several if is_long. name: what `form_values` calls it. label: at most 45 characters.

    value: what stands there at first. hint: what is shown where nothing stands. described: below the label, at most 100
    characters.
    """

    name: str
    label: str
    max_characters: int
    value: str = ""
    hint: str = ""
    is_required: bool = False
    is_long: bool = False
    described: str = ""


def make_form(title: str, custom_id: CustomId, fields: Sequence[Field]) -> discord.ui.Modal:
    """A form of 1 to 5 fields; its submission is a press of `custom_id`. title: at most 45 characters."""
    form = discord.ui.Modal(title=title, custom_id=str(custom_id), timeout=None)
    for field in fields:
        style = discord.TextStyle.paragraph if field.is_long else discord.TextStyle.short
        line: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
            custom_id=field.name,
            style=style,
            default=field.value or None,
            placeholder=field.hint or None,
            required=field.is_required,
            max_length=field.max_characters,
        )
        form.add_item(discord.ui.Label(text=field.label, description=field.described or None, component=line))
    # discord.py would keep it until it is submitted, for ever if it never is.
    form.stop()
    return form


def form_values(interaction: discord.Interaction[Any]) -> dict[str, str]:
    """What was written into the fields of a submitted form, without spaces at the ends."""
    data: Mapping[str, Any] = interaction.data or {}
    return {name: value.strip() for name, value in _values(data.get("components") or ())}


def _values(components: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for component in components:
        inner = component.get("component")
        yield from _values([*(component.get("components") or ()), *([] if inner is None else [inner])])
        if "custom_id" in component:
            yield str(component["custom_id"]), str(component.get("value") or "")
