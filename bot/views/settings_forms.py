"""The forms of the settings panel: which settings each one asks for, how it looks, and what was written into it. Pure.

A form knows what its fields held when it was opened: its custom_id carries their digest.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import discord

from bot.errors import InvalidParameterError
from bot.guild_settings import DEFAULTS, GuildSettings, QuietHours, digest_of
from bot.language import Language, Text
from bot.moderation.ladder_text import ladder_code, parse_ladder
from bot.requests import SAMPLING_BOUNDS
from bot.views.custom_id import NO_JOB, Action, CustomId
from bot.views.forms import Field, make_form
from bot.views.setting_texts import ANY, FOR_EVER, HIDDEN_AFTER, NAMES, NONE, REVIEW_HOURS, THE_BOTS, THE_MODELS

MAX_FIELD_CHARACTERS: Final = 40

MAX_LADDER_CHARACTERS: Final = 200

# What a field is called, which is what its refusals say too.
_LABELS: Final[Mapping[str, Text]] = {
    **NAMES,
    "cooldown_s": Text("{name} (seconds)", name=NAMES["cooldown_s"]),
    "min_account_h": Text("{name} (hours)", name=NAMES["min_account_h"]),
    "min_member_h": Text("{name} (hours)", name=NAMES["min_member_h"]),
}
_CLOCK: Final = re.compile(r"(\d{1,2})[:.](\d{2})")


@dataclass(frozen=True, slots=True)
class Form:
    """title: at most 45 characters in every language. button: what opens it. keys: of GuildSettings, set together.

    fields: what it asks for, given the present settings, in a language. read: from what was written to the values of
    the keys; may raise InvalidParameterError, and block for a moment.
    """

    title: Text
    button: Text
    keys: tuple[str, ...]
    fields: Callable[[GuildSettings, Language], list[Field]]
    read: Callable[[Mapping[str, str]], dict[str, Any]]


def _number_form(title: Text, button: Text, empty: Mapping[str, Text]) -> Form:
    """Of settings that are numbers. empty: key → what no number means, which is its default."""
    keys = tuple(empty)

    def fields(settings: GuildSettings, language: Language) -> list[Field]:
        return [_number_field(settings, key, empty[key], language) for key in keys]

    def read(written: Mapping[str, str]) -> dict[str, Any]:
        numbers = {key: _number(_LABELS[key], written.get(key, "")) for key in keys}
        return {key: getattr(DEFAULTS, key) if number is None else number for key, number in numbers.items()}

    return Form(title, button, keys, fields, read)


def _number_field(settings: GuildSettings, key: str, empty: Text, language: Language) -> Field:
    value = getattr(settings, key)
    shown = "" if value == getattr(DEFAULTS, key) else _shown(value)
    return _field(key, _LABELS[key], shown, empty, language)


def _quiet_fields(settings: GuildSettings, language: Language) -> list[Field]:
    quiet = settings.quiet_hours
    start, end, zone = ("", "", "") if quiet is None else (f"{quiet.start:%H:%M}", f"{quiet.end:%H:%M}", quiet.zone)
    return [
        _field("start", Text("From (as in 22:00)"), start, NONE, language),
        _field("end", Text("To (as in 07:00)"), end, NONE, language),
        _field("zone", Text("Time zone (as in Europe/Berlin)"), zone, NONE, language),
    ]


def _read_quiet(written: Mapping[str, str]) -> dict[str, Any]:
    start, end, zone = (written.get(name, "").strip() for name in ("start", "end", "zone"))
    if not (start or end or zone):
        return {"quiet_hours": None}
    if not (start and end):
        raise InvalidParameterError(
            "Quiet hours need two times of the day, one to start and one to end: write both, or leave all fields empty."
        )
    return {"quiet_hours": QuietHours(_time(start), _time(end), zone or "UTC")}


_STRIKE_NUMBERS: Final = _number_form(
    Text("Strikes, and who is too new to draw"),
    Text("Strikes and newcomers"),
    {"strike_days": Text("{n}", n=DEFAULTS.strike_days), "min_account_h": ANY, "min_member_h": ANY},
)


def _strike_fields(settings: GuildSettings, language: Language) -> list[Field]:
    shown = "" if settings.ladder == DEFAULTS.ladder else ladder_code(settings.ladder)
    hint = language.text("As in: {meaning}", meaning=ladder_code(DEFAULTS.ladder))
    label = language.tell(_LABELS["ladder"])
    ladder = Field("ladder", label, MAX_LADDER_CHARACTERS, value=shown, hint=hint)
    return [ladder, *_STRIKE_NUMBERS.fields(settings, language)]


def _read_strikes(written: Mapping[str, str]) -> dict[str, Any]:
    text = written.get("ladder", "").strip()
    return {"ladder": parse_ladder(text) if text else DEFAULTS.ladder, **_STRIKE_NUMBERS.read(written)}


FORMS: Final[Mapping[str, Form]] = {
    "defaults": _number_form(
        Text("When a member does not say"),
        Text("Defaults"),
        {"default_images": THE_BOTS, **{f"default_{name}": THE_MODELS for name in SAMPLING_BOUNDS}},
    ),
    "maxima": _number_form(
        Text("What a member may ask for at most"),
        Text("Maxima"),
        {"max_images": THE_BOTS, **{f"max_{name}": ANY for name in SAMPLING_BOUNDS}},
    ),
    "limits": _number_form(
        Text("Limits for each member, and for all"),
        Text("Limits"),
        {
            "max_jobs_per_user": THE_BOTS,
            "cooldown_s": NONE,
            "daily_images": ANY,
            "guild_max_jobs": ANY,
            "guild_daily_images": ANY,
        },
    ),
    "strikes": Form(
        _STRIKE_NUMBERS.title,
        _STRIKE_NUMBERS.button,
        ("ladder", *_STRIKE_NUMBERS.keys),
        _strike_fields,
        _read_strikes,
    ),
    "keeping": _number_form(
        Text("Reports, reviews, how long jobs are kept"),
        Text("Reports and keeping"),
        {"reports_to_hide": HIDDEN_AFTER, "review_hours": REVIEW_HOURS, "retention_days": FOR_EVER},
    ),
    "quiet": Form(
        Text("Quiet hours, in which nothing is drawn"),
        Text("Quiet hours"),
        ("quiet_hours",),
        _quiet_fields,
        _read_quiet,
    ),
}


def form_modal(name: str, settings: GuildSettings, language: Language) -> discord.ui.Modal:
    """The form with what is set now."""
    form = FORMS[name]
    argument = f"{name}.{digest_of(settings, form.keys)}"
    custom_id = CustomId(Action.SETTINGS_SUBMIT, NO_JOB, argument)
    return make_form(language.tell(form.title), custom_id, form.fields(settings, language))


def with_labels(said: Text) -> Text:
    """What the settings say of a wrong value, with the labels of the fields in the place of the keys."""
    keys = {field: said.values[field] for field in ("name", "key", "limit") if field in said.values}
    labels = {field: _LABELS[key] for field, key in keys.items() if isinstance(key, str) and key in _LABELS}
    return said.replacing(**labels)


def _field(name: str, label: Text, shown: str, empty: Text, language: Language) -> Field:
    """empty: what it means to leave it empty."""
    hint = language.text("Empty: {meaning}", meaning=empty)
    return Field(name, language.tell(label), MAX_FIELD_CHARACTERS, value=shown, hint=hint)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _number(name: Text, text: str) -> float | None:
    """None for an empty field. A comma is taken for the decimal point that it is in many languages."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise InvalidParameterError("{name} must be a number, not {given}.", name=name, given=text) from None


def _time(text: str) -> datetime.time:
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise InvalidParameterError("Quiet hours need two times of the day, as in 22:00, not {given}.", given=text)
    return datetime.time(int(match[1]), int(match[2]))
