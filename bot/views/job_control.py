"""The controls of jobs as discord.py's dynamic items: it keeps none of them, and recognises a press by its custom_id.

Views are made wherever a message is sent or edited. Event loop only.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self, cast

import discord

from bot.language import Language
from bot.render import Controls
from bot.views.custom_id import OURS, Action, CustomId
from bot.views.presses import Presses


class _PressedClient(Protocol):
    @property
    def presses(self) -> Presses: ...


class JobControl(discord.ui.DynamicItem[discord.ui.Item[Any]], template=OURS):
    """A control of any kind whose custom_id is a CustomId. The client's `presses` acts on it."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The control of the message that was pressed."""
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Called by discord.py for each press."""
        await cast(_PressedClient, interaction.client).presses.press(interaction, self.custom_id)


def make_button(
    label: str,
    custom_id: CustomId,
    *,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    is_off: bool = False,
) -> JobControl:
    """A button that does what its custom_id says. is_off: it can't be pressed."""
    return JobControl(discord.ui.Button(label=label, style=style, custom_id=str(custom_id), disabled=is_off))


def make_select(placeholder: str, options: Sequence[discord.SelectOption], custom_id: CustomId) -> JobControl:
    """A select of one of 1 to 25 options."""
    return JobControl(discord.ui.Select(placeholder=placeholder, options=list(options), custom_id=str(custom_id)))


def make_view(controls: Iterable[JobControl]) -> discord.ui.View:
    """A view that never ends, with `controls` in rows of five buttons or one select."""
    view = discord.ui.View(timeout=None)
    for control in controls:
        view.add_item(control)
    return view


def view_of(
    controls: Controls, job_id: str, language: Language, *, scores: Sequence[float] = ()
) -> discord.ui.View | None:
    """What a job's message offers; None for nothing. scores: of a finished job's pictures, best first."""
    match controls:
        case Controls.NONE:
            return None
        case Controls.RUNNING:
            return make_view([make_button(language.text("Cancel"), CustomId(Action.CANCEL, job_id))])
        case Controls.RESULT:
            return make_view(_result_controls(job_id, scores, language))


def _result_controls(job_id: str, scores: Sequence[float], language: Language) -> list[JobControl]:
    options = [
        discord.SelectOption(
            label=language.text("Picture {rank}", rank=rank),
            value=str(rank),
            description=language.text("Score: {score:.1f}", score=score),
        )
        for rank, score in enumerate(scores, 1)
    ]
    danger = discord.ButtonStyle.danger
    return [
        make_select(language.text("Look closer"), options, CustomId(Action.LOOK, job_id)),
        make_button(language.text("Reroll"), CustomId(Action.REROLL, job_id)),
        make_button(language.text("Download all"), CustomId(Action.DOWNLOAD, job_id)),
        make_button(language.text("Delete"), CustomId(Action.DELETE, job_id), style=danger),
        make_button(language.text("Report"), CustomId(Action.REPORT, job_id)),
    ]
