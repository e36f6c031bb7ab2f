"""A page of a gallery as a message of Components V2: pictures, a numbered list, controls. Pure but for the view.

Whoever calls it attaches `GalleryPage.files` to the same message, where the view expects them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import discord

from bot.cogs.origin import message_address
from bot.cogs.picture_page import alternative_text
from bot.language import Language, Text
from bot.message_text import escape_shortened
from bot.render import Picture
from bot.store import Gallery, PastImage
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_select

PAGE_SIZE: Final = 6
MAX_PROMPT_UNITS: Final = 150
_MAX_LABEL_CHARACTERS: Final = 100  # Discord's limit

_Row = discord.ui.ActionRow[discord.ui.LayoutView]


@dataclass(frozen=True, slots=True)
class PageTurns:
    """Where the buttons lead, as arguments of Action.TURN; None for a button that leads nowhere."""

    newer: str | None = None
    older: str | None = None


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """A message: its view, and the files that the view shows."""

    view: discord.ui.LayoutView
    files: Sequence[Picture]


def gallery_page(
    gallery: Gallery,
    shown: Sequence[PastImage],
    pictures: Sequence[bytes | None],
    turns: PageTurns,
    language: Language,
    *notes: str,
) -> GalleryPage:
    """shown: at most PAGE_SIZE. pictures: the WebP file of each, None where there is none. notes: a line each."""
    files = [
        Picture(f"{number}.webp", data, alternative_text(past.job, past.rank, language))
        for number, (past, data) in enumerate(zip(shown, pictures, strict=True), 1)
        if data is not None
    ]
    heading = f"### {language.tell(_title(gallery))}"
    items: list[discord.ui.Item[discord.ui.LayoutView]] = [discord.ui.TextDisplay("\n".join([heading, *notes]))]
    if files:
        media = [
            discord.MediaGalleryItem(f"attachment://{file.filename}", description=file.description) for file in files
        ]
        items.append(discord.ui.MediaGallery(*media))
    if shown:
        items += [discord.ui.TextDisplay(_listing(shown, pictures, language)), _select(gallery, shown, language)]
    else:
        items.append(discord.ui.TextDisplay(language.tell(_why_empty(gallery))))
    if turns != PageTurns():
        items.append(_buttons(gallery, turns, language))
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.Container(*items))
    return GalleryPage(view, files)


def _title(gallery: Gallery) -> Text:
    if gallery.prompt is not None:
        return Text("{what}, the nearest to “{prompt}” first", what=_kind(gallery), prompt=_short(gallery.prompt))
    return _kind(gallery)


def _short(prompt: str) -> str:
    return escape_shortened(prompt, MAX_PROMPT_UNITS)


def _kind(gallery: Gallery) -> Text:
    of_user = None if gallery.of_user_id is None else f"<@{gallery.of_user_id}>"
    if gallery.is_favourites and of_user is not None:
        return Text("Your favourites by {user}", user=of_user)
    if gallery.is_favourites:
        return Text("Your favourites in this server")
    if of_user is not None:
        return Text("Pictures for {user}", user=of_user)
    return Text("Pictures of this server")


def _why_empty(gallery: Gallery) -> Text:
    if gallery.found:
        return Text("What was here was deleted, or you may not see it any more.")
    if gallery.is_favourites:
        return Text("There is nothing here yet: look closer at a picture and press “Favourite”.")
    return Text("There is nothing here yet that you may see.")


def _listing(shown: Sequence[PastImage], pictures: Sequence[bytes | None], language: Language) -> str:
    return "\n".join(
        _line(number, past, language, has_picture=data is not None)
        for number, (past, data) in enumerate(zip(shown, pictures, strict=True), 1)
    )


def _line(number: int, past: PastImage, language: Language, *, has_picture: bool) -> str:
    job = past.job
    line = language.text(
        "{number}. **{prompt}** for {user}, {when}",
        number=number,
        prompt=_short(job.prompt),
        user=f"<@{job.user_id}>",
        when=discord.utils.format_dt(job.created_at, "R"),
    )
    address = message_address(job)
    if job.is_private:
        line += " · " + language.text("only you can see it")
    elif address is not None:
        line += f" · [{language.text('message')}]({address})"
    if not has_picture:
        line += " · " + language.text("its file is not kept any more: look closer to make it again")
    return line


def _select(gallery: Gallery, shown: Sequence[PastImage], language: Language) -> _Row:
    options = [
        discord.SelectOption(
            label=f"{number}. {past.job.prompt}"[:_MAX_LABEL_CHARACTERS],
            value=f"{past.job.id}.{past.rank}",
            description=language.text("Picture {rank} of {count}", rank=past.rank, count=past.job.num_images),
        )
        for number, past in enumerate(shown, 1)
    ]
    row: _Row = discord.ui.ActionRow()
    return row.add_item(make_select(language.text("Look closer"), options, CustomId(Action.LOOK_BACK, gallery.id)))


def _buttons(gallery: Gallery, turns: PageTurns, language: Language) -> _Row:
    if gallery.prompt is None:
        newer, older = language.text("Newer"), language.text("Older")
    else:
        newer, older = language.text("Nearer"), language.text("Farther")
    leads = ((newer, turns.newer, "newer"), (older, turns.older, "older"))
    row: _Row = discord.ui.ActionRow()
    for label, argument, unused in leads:
        custom_id = CustomId(Action.TURN, gallery.id, argument or unused)
        row.add_item(make_button(label, custom_id, is_off=argument is None))
    return row
