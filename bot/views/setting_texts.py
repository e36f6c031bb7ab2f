"""A guild's settings in words: what each is called, and what it is set to. Pure; the panel and its pages use it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from bot.errors import InvalidParameterError
from bot.guild_settings import DEFAULTS, MAX_LISTED, GuildSettings, json_of
from bot.language import Language, Text
from bot.message_text import escape, escape_shortened
from bot.moderation.admission import duration
from bot.moderation.ladder_text import ladder_text
from bot.moderation.spans import span_text
from bot.requests import SAMPLING_BOUNDS
from bot.sanction_ladder import ladder_from
from bot.store import SettingChange

MAX_UNKNOWN_UNITS: Final = 60
MAX_NAMED: Final = 3  # of a list, in a change

THE_BOTS: Final = Text("the bot's own")
THE_MODELS: Final = Text("the model's own")
ANY: Final = Text("any")
NONE: Final = Text("none")
ON: Final = Text("on")
OFF: Final = Text("off")
FOR_EVER: Final = Text("for ever")
REVIEW_DEFAULTS: Final[Mapping[str, Text]] = {
    "reject": Text("is rejected"),
    "approve_spoiler": Text("is shown as a spoiler"),
    "approve": Text("is shown"),
}
REVIEW_HOURS: Final = Text("{n} hours", n=DEFAULTS.review_hours)
HIDDEN_AFTER: Final = Text("after {count} reports", count=DEFAULTS.reports_to_hide)

NAMES: Final[Mapping[str, Text]] = {
    "allowed_channels": Text("Channels"),
    "allowed_roles": Text("Roles"),
    "default_images": Text("Images by default"),
    "max_images": Text("Images at most"),
    **{f"default_{name}": Text("{name} by default", name=name) for name in SAMPLING_BOUNDS},
    **{f"max_{name}": Text("{name} at most", name=name) for name in SAMPLING_BOUNDS},
    "max_jobs_per_user": Text("Unfinished jobs of a member"),
    "cooldown_s": Text("Cooldown of a member"),
    "daily_images": Text("Pictures of a member in 24 hours"),
    "guild_max_jobs": Text("Unfinished jobs of all members"),
    "guild_daily_images": Text("Pictures of all members in 24 hours"),
    "role_limits": Text("Roles with limits of their own"),
    "result_format": Text("Format of results"),
    "language": Text("Language of public messages"),
    "quiet_hours": Text("Quiet hours"),
    "is_paused": Text("Pause"),
    "previews": Text("Previews"),
    "reports_to_hide": Text("Reports that hide a picture"),
    "retention_days": Text("Days that jobs are kept"),
    "ladder": Text("What strikes lead to"),
    "strike_days": Text("Days that a strike counts"),
    "min_account_h": Text("Age of an account that draws"),
    "min_member_h": Text("Time since joining to draw"),
    "moderator_roles": Text("Moderators"),
    "trusted_roles": Text("Trusted members"),
    "review_channel": Text("Moderators' channel"),
    "log_channel": Text("Log of the moderation"),
    "image_rules": Text("Rules for pictures"),
    "review_hours": Text("Hours until a review ends"),
    "review_default": Text("What nobody decides"),
}

# What a key is while nobody has set it.
_DEFAULTS: Final[Mapping[str, Text | str | int]] = {
    "allowed_channels": Text("all"),
    "allowed_roles": Text("everybody"),
    "default_images": THE_BOTS,
    "max_images": THE_BOTS,
    **{f"default_{name}": THE_MODELS for name in SAMPLING_BOUNDS},
    **{f"max_{name}": ANY for name in SAMPLING_BOUNDS},
    "max_jobs_per_user": THE_BOTS,
    "cooldown_s": NONE,
    "daily_images": ANY,
    "guild_max_jobs": ANY,
    "guild_daily_images": ANY,
    "role_limits": NONE,
    "result_format": "PNG",
    "language": Text("each member's own"),
    "quiet_hours": NONE,
    "is_paused": OFF,
    "previews": ON,
    "reports_to_hide": HIDDEN_AFTER,
    "retention_days": FOR_EVER,
    "ladder": ladder_text(DEFAULTS.ladder),
    "strike_days": str(DEFAULTS.strike_days),
    "min_account_h": ANY,
    "min_member_h": ANY,
    "moderator_roles": Text("whoever may time out members"),
    "trusted_roles": NONE,
    "review_channel": NONE,
    "log_channel": NONE,
    "image_rules": NONE,
    "review_hours": DEFAULTS.review_hours,
    "review_default": REVIEW_DEFAULTS["reject"],
}


Shown = Text | str | float
"""What a field of a Text takes."""


def value_of(settings: GuildSettings, key: str) -> Shown:
    """What a key is set to."""
    return value_text(key, json_of(settings).get(key))


def value_text(key: str, value: Any, *, most: int = MAX_LISTED) -> Shown:
    """What a value means. value: as JSON, perhaps of another version; None for the default. most: how many of a list
    are named."""
    match key, value:
        case _, None:
            return _DEFAULTS.get(key, NONE)
        case _, bool():
            return ON if value else OFF
        case "allowed_channels", [*ids]:
            return _listed([f"<#{id_}>" for id_ in ids], most)
        case "review_channel" | "log_channel", int(id_):
            return f"<#{id_}>"
        case "moderator_roles", [*ids]:
            roles = _listed([f"<@&{id_}>" for id_ in ids], most)
            return Text("{roles} and whoever may time out members", roles=roles)
        case "allowed_roles" | "trusted_roles", [*ids]:
            return _listed([f"<@&{id_}>" for id_ in ids], most)
        case "cooldown_s", int(seconds):
            return duration(seconds)
        case "min_account_h" | "min_member_h", int(hours):
            return span_text(timedelta(hours=hours))
        case "role_limits", [*limits]:
            return _listed([f"<@&{each.get('role_id')}>" for each in limits if isinstance(each, dict)], most)
        case "ladder", [*steps]:
            return _ladder(steps, most)
        case "image_rules", [*rules]:
            return _listed([escape_shortened(f"{rule['category']}: {rule['action']}", 60) for rule in rules], most)
        case "review_default", str() if value in REVIEW_DEFAULTS:
            return REVIEW_DEFAULTS[value]
        case "reports_to_hide", 0:
            return Text("never")
        case "reports_to_hide", int(count):
            return Text("after {count} reports", count=count)
        case "quiet_hours", {"start": start, "end": end, "zone": zone}:
            return Text("{start} to {end} ({zone})", start=start, end=end, zone=zone)
        case "result_format", str():
            return {"png": "PNG", "webp": "WebP"}.get(value) or escape_shortened(value, MAX_UNKNOWN_UNITS)
        case _, int() | float():
            return value
        case _:
            return escape_shortened(str(value), MAX_UNKNOWN_UNITS)


def change_text(change: SettingChange, languages: Sequence[Language]) -> Text:
    """Who changed what, and when. languages: those that have a name."""
    when, user = f"<t:{int(change.changed_at.timestamp())}:f>", f"<@{change.user_id}>"
    match change.key, getattr(DEFAULTS, change.key, None) if change.new is None else change.new:
        case "is_paused", True:
            return Text("{when} {user} paused drawing.", when=when, user=user)
        case "is_paused", False:
            return Text("{when} {user} resumed drawing.", when=when, user=user)
        case "previews", True:
            return Text("{when} {user} switched previews on.", when=when, user=user)
        case "previews", False:
            return Text("{when} {user} switched previews off.", when=when, user=user)
    names = {known.code.replace("_", "-"): known.name for known in languages} if change.key == "language" else {}
    return Text(
        "{when} {user} changed “{name}” from {old} to {new}.",
        when=when,
        user=user,
        name=NAMES.get(change.key, escape(change.key)),
        old=names.get(str(change.old)) or value_text(change.key, change.old, most=MAX_NAMED),
        new=names.get(str(change.new)) or value_text(change.key, change.new, most=MAX_NAMED),
    )


def _ladder(steps: list[Any], most: int) -> Shown:
    try:
        return ladder_text(ladder_from(steps), most)
    except (InvalidParameterError, TypeError, ValueError):
        # Of another version.
        return escape_shortened(str(steps), MAX_UNKNOWN_UNITS)


def _listed(mentions: list[str], most: int) -> str:
    return ", ".join([*mentions[:most], *(["…"] if len(mentions) > most else [])])
