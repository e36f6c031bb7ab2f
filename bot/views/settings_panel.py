"""The panel of /settings: everything that a guild has set, with the controls that change it. Pure but for discord.py.

It is built anew for every answer; what it offers lies in custom_ids and the store, so it works after a restart.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import discord

from bot.guild_settings import MAX_LISTED, GuildSettings, digest_of
from bot.language import Language, Text
from bot.store import SettingChange
from bot.views.custom_id import NO_JOB, Action, CustomId
from bot.views.job_control import JobControl, make_button
from bot.views.setting_texts import NAMES, REVIEW_DEFAULTS, change_text, value_of
from bot.views.settings_forms import FORMS

MAX_CHANGES: Final = 10
EACH_MEMBERS_OWN: Final = "own"

_MAX_LANGUAGES: Final = 24  # with each member's own, as many as a select holds
_CHANNEL: Final = discord.SelectDefaultValueType.channel
_ROLE: Final = discord.SelectDefaultValueType.role

# Argument of SETTINGS_SET → the values that it sets.
SWITCHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "pause": {"is_paused": True},
    "resume": {"is_paused": False},
    "previews": {"previews": True},
    "no_previews": {"previews": False},
    "all_channels": {"allowed_channels": ()},
    "all_roles": {"allowed_roles": ()},
    "all_moderators": {"moderator_roles": ()},
    "all_trusted": {"trusted_roles": ()},
    "no_review": {"review_channel": None},
    "no_log": {"log_channel": None},
}
# Argument of SETTINGS_CHOOSE → the key that it sets; for lists the argument goes on with a digest of what was there.
CHOICES: Final[Mapping[str, str]] = {
    "channels": "allowed_channels",
    "roles": "allowed_roles",
    "moderators": "moderator_roles",
    "trusted": "trusted_roles",
    "review": "review_channel",
    "log": "log_channel",
    "undecided": "review_default",
    "format": "result_format",
    "language": "language",
}
LISTS: Final = frozenset({"allowed_channels", "allowed_roles", "moderator_roles", "trusted_roles"})
CHANNELS: Final = frozenset({"review_channel", "log_channel"})
MODERATION: Final = "moderation"
"""Argument of SETTINGS for the second page."""

CHANNEL_KINDS: Final = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
    discord.ChannelType.forum,
    discord.ChannelType.category,
]


def panel_view(
    settings: GuildSettings,
    language: Language,
    *,
    languages: Sequence[Language],
    known_ids: Collection[int],
    said: Text | None = None,
) -> discord.ui.LayoutView:
    """languages: that the guild may choose from. known_ids: of its channels and roles in the settings, those that
    there still are. said: what came of the last press."""
    heading = f"## {language.text('Settings of this server')}"
    shown = heading if said is None else f"{heading}\n{language.tell(said)}"
    return layout(
        discord.ui.TextDisplay(shown),
        _switch(settings, language),
        _previews(settings, language),
        form_section("defaults", settings, language),
        form_section("maxima", settings, language),
        form_section("limits", settings, language),
        form_section("quiet", settings, language),
        *places(
            "channels",
            settings,
            language,
            known_ids,
            label=language.text("All channels"),
            placeholder=language.text("Draw in these channels only"),
        ),
        *places(
            "roles",
            settings,
            language,
            known_ids,
            label=language.text("All roles"),
            placeholder=language.text("Draw for these roles only"),
        ),
        row(_formats(settings, language)),
        row(_languages(settings, language, languages)),
        row(
            make_button(language.text("Moderation"), CustomId(Action.SETTINGS, NO_JOB, MODERATION)),
            make_button(language.text("Last changes"), CustomId(Action.SETTINGS_CHANGES, NO_JOB)),
        ),
    )


def changes_view(
    changes: Sequence[SettingChange], language: Language, languages: Sequence[Language]
) -> discord.ui.LayoutView:
    """Who changed what, newest first. languages: that the guild may choose from."""
    lines = [language.tell(change_text(change, languages)) for change in changes]
    heading = f"## {language.text('Last changes')}"
    nothing = language.text("Nobody has changed anything yet.")
    return layout(
        discord.ui.TextDisplay("\n".join([heading, *(f"- {line}" for line in lines)]) if lines else nothing),
        row(make_button(language.text("Back to the settings"), CustomId(Action.SETTINGS, NO_JOB))),
    )


def layout(*items: discord.ui.Item[Any]) -> discord.ui.LayoutView:
    """A message that never ends, in one box."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.Container(*items))
    return view


def row(*controls: JobControl) -> discord.ui.ActionRow[Any]:
    """At most five buttons, or one select."""
    return discord.ui.ActionRow(*controls)


def _set_button(label: str, change: str) -> JobControl:
    return make_button(label, CustomId(Action.SETTINGS_SET, NO_JOB, change))


def _choose(choice: str, settings: GuildSettings) -> str:
    """The custom_id of a select."""
    key = CHOICES[choice]
    argument = f"{choice}.{digest_of(settings, [key])}" if key in LISTS else choice
    return str(CustomId(Action.SETTINGS_CHOOSE, NO_JOB, argument))


def _switch(settings: GuildSettings, language: Language) -> discord.ui.Section[Any]:
    if settings.is_paused:
        text = language.text("**Paused**: every request is refused.")
        return discord.ui.Section(text, accessory=_set_button(language.text("Resume"), "resume"))
    text = language.text("**Drawing is on.**")
    return discord.ui.Section(text, accessory=_set_button(language.text("Pause"), "pause"))


def _previews(settings: GuildSettings, language: Language) -> discord.ui.Section[Any]:
    if settings.previews:
        text = language.text("**Previews**: pictures are shown while they are drawn.")
        return discord.ui.Section(text, accessory=_set_button(language.text("No previews"), "no_previews"))
    text = language.text("**No previews**: pictures are shown when they are finished.")
    return discord.ui.Section(text, accessory=_set_button(language.text("Show previews"), "previews"))


def form_section(name: str, settings: GuildSettings, language: Language) -> discord.ui.Section[Any]:
    """What a form sets, with the button that opens it."""
    form = FORMS[name]
    values = [language.text("{name}: {value}", name=NAMES[key], value=value_of(settings, key)) for key in form.keys]
    text = "\n".join([f"**{language.tell(form.title)}**", " · ".join(values)])
    button = make_button(language.tell(form.button), CustomId(Action.SETTINGS_FORM, NO_JOB, name))
    return discord.ui.Section(text, accessory=button)


def places(
    choice: str,
    settings: GuildSettings,
    language: Language,
    known_ids: Collection[int],
    *,
    label: str,
    placeholder: str,
) -> list[discord.ui.Item[Any]]:
    """A list of channels or roles: what is in it, a button that empties it and a select that replaces it.

    label: of the button. placeholder: of the select.
    """
    key = CHOICES[choice]
    ids: tuple[int, ...] = getattr(settings, key)
    known = [id_ for id_ in ids if id_ in known_ids]
    custom_id = _choose(choice, settings)
    text = language.text("**{name}**: {value}", name=NAMES[key], value=value_of(settings, key))
    if len(known) < len(ids):
        gone = language.plural("{n} of them is gone.", "{n} of them are gone.", len(ids) - len(known))
        text = f"{text}\n{gone}"
    select: discord.ui.Item[Any]
    if key == "allowed_channels":
        select = discord.ui.ChannelSelect(
            custom_id=custom_id,
            placeholder=placeholder,
            channel_types=CHANNEL_KINDS,
            min_values=0,
            max_values=MAX_LISTED,
            default_values=[discord.SelectDefaultValue(id=id_, type=_CHANNEL) for id_ in known],
        )
    else:
        select = discord.ui.RoleSelect(
            custom_id=custom_id,
            placeholder=placeholder,
            min_values=0,
            max_values=MAX_LISTED,
            default_values=[discord.SelectDefaultValue(id=id_, type=_ROLE) for id_ in known],
        )
    return [discord.ui.Section(text, accessory=_set_button(label, f"all_{choice}")), row(JobControl(select))]


def place(
    choice: str, settings: GuildSettings, language: Language, known_ids: Collection[int], *, label: str
) -> list[discord.ui.Item[Any]]:
    """One channel, or none: what is set, a button that takes it away and a select. label: of the button."""
    key = CHOICES[choice]
    id_: int | None = getattr(settings, key)
    text = language.text("**{name}**: {value}", name=NAMES[key], value=value_of(settings, key))
    if id_ is not None and id_ not in known_ids:
        gone = language.text("It is gone, or I can't see it.")
        text = f"{text}\n{gone}"
    select: discord.ui.Item[Any] = discord.ui.ChannelSelect(
        custom_id=_choose(choice, settings),
        placeholder=language.tell(NAMES[key]),
        channel_types=[discord.ChannelType.text],
        default_values=[discord.SelectDefaultValue(id=id_, type=_CHANNEL)] if id_ in known_ids and id_ else [],
    )
    return [discord.ui.Section(text, accessory=_set_button(label, f"no_{choice}")), row(JobControl(select))]


def _formats(settings: GuildSettings, language: Language) -> JobControl:
    options = [
        discord.SelectOption(
            label=language.text("Results as PNG"),
            value="png",
            description=language.text("Exact; as WebP where it would be too large"),
            default=settings.result_format == "png",
        ),
        discord.SelectOption(
            label=language.text("Results as WebP"),
            value="webp",
            description=language.text("Smaller, with a little loss"),
            default=settings.result_format == "webp",
        ),
    ]
    return JobControl(discord.ui.Select(custom_id=_choose("format", settings), options=options))


def review_defaults(settings: GuildSettings, language: Language) -> JobControl:
    """What becomes of what moderators don't decide in time."""
    options = [
        discord.SelectOption(
            label=language.text("Nobody decides: it {becomes}", becomes=becomes),
            value=value,
            default=settings.review_default == value,
        )
        for value, becomes in REVIEW_DEFAULTS.items()
    ]
    return JobControl(discord.ui.Select(custom_id=_choose("undecided", settings), options=options))


def _languages(settings: GuildSettings, language: Language, languages: Sequence[Language]) -> JobControl:
    options = [
        discord.SelectOption(
            label=language.text("Public messages in each member's language"),
            value=EACH_MEMBERS_OWN,
            default=settings.language is None,
        )
    ]
    for known in languages[:_MAX_LANGUAGES]:
        code = known.code.replace("_", "-")
        label = language.text("Public messages in: {language}", language=known.name)
        options.append(discord.SelectOption(label=label, value=code, default=settings.language == code))
    return JobControl(discord.ui.Select(custom_id=_choose("language", settings), options=options))
