"""Whether a guild's settings let a request in. Pure; asked before a job is stored, in the order of the checks below.

Times and mentions are in Discord's own notation, which each reader's client shows in its own way.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bot.errors import NotAdmittedError, UserLimitError
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.moderation.quotas import Limits, limits_of
from bot.moderation.sanctions import check_age, check_sanctions
from bot.store import SanctionRecord, Usage

DAY: Final = timedelta(days=1)
MAX_NAMED: Final = 10
# What was asked for later than this from now was asked for before the host's clock went back. A request may be a moment
# younger than the one that waits for it.
MAX_SKEW: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks a guild for. now: aware. num_jobs, num_images: in all.

    channel_ids: the channel, what it is a thread of, and their category. role_ids: of whoever asks. known_ids: the
    channels and roles that the guild has, or at least those of them that its settings name. usage: since DAY before
    now, of whoever asks; guild_usage: of everybody. sanctions: of whoever asks. created_at, joined_at: since when they
    have their account, and are a member; None if that isn't known. discord_now: Discord's own time, which counts for
    these and for quiet hours.
    """

    now: datetime
    num_jobs: int
    num_images: int
    channel_ids: frozenset[int]
    role_ids: frozenset[int]
    known_ids: frozenset[int]
    usage: Usage
    discord_now: datetime
    guild_usage: Usage = field(default_factory=Usage)
    sanctions: Sequence[SanctionRecord] = ()
    created_at: datetime | None = None
    joined_at: datetime | None = None

    def as_discord(self, time: datetime) -> datetime:
        """A time of the host's clock as Discord's has it, which shows how far away it is."""
        return time + (self.discord_now - self.now)


def needs_usage(limits: Limits) -> bool:
    """Whether `admit` looks at the member's usage at all."""
    return bool(limits.cooldown_s) or limits.daily_images is not None or limits.max_jobs is not None


def needs_guild_usage(settings: GuildSettings) -> bool:
    """Whether `admit` looks at everybody's usage at all."""
    return settings.guild_max_jobs is not None or settings.guild_daily_images is not None


def admit(settings: GuildSettings, asked: Asked) -> None:
    """Raises NotAdmittedError or UserLimitError, with the rule and when or where it works again."""
    check_sanctions(asked.sanctions, asked.discord_now)
    check_age(settings, asked.discord_now, created_at=asked.created_at, joined_at=asked.joined_at)
    _check_time(settings, asked)
    check_place(settings, asked.channel_ids, asked.known_ids)
    _check_roles(settings, asked)
    limits = limits_of(settings, asked.role_ids)
    _check_unfinished(limits, asked)
    _check_cooldown(limits, asked)
    _check_day(limits, asked)
    _check_guild(settings, asked)


def _check_time(settings: GuildSettings, asked: Asked) -> None:
    if settings.is_paused:
        raise NotAdmittedError(
            "This server has paused drawing. It goes on when a member with “Manage Server” resumes it with /settings."
        )
    quiet = settings.quiet_hours
    if quiet is not None and quiet.cover(asked.discord_now):
        raise NotAdmittedError(
            "This server has quiet hours from {start} to {end} ({zone}). I draw again {when}.",
            start=quiet.start.isoformat("minutes"),
            end=quiet.end.isoformat("minutes"),
            zone=quiet.zone,
            when=_moment(quiet.end_after(asked.discord_now)),
        )


def check_place(settings: GuildSettings, channel_ids: frozenset[int], known_ids: frozenset[int]) -> None:
    """Raises NotAdmittedError outside of the channels that are allowed. channel_ids, known_ids: as in Asked."""
    allowed = settings.allowed_channels
    if not allowed or channel_ids & set(allowed):
        return
    there = [f"<#{channel_id}>" for channel_id in allowed if channel_id in known_ids]
    if not there:
        raise NotAdmittedError(
            "The channels in which I may draw in this server don't exist any more. Members with “Manage Server” can "
            "choose others with /settings."
        )
    raise NotAdmittedError(
        "In this server I draw in certain channels only: {channels}. Ask again there.", channels=_named(there)
    )


def _check_roles(settings: GuildSettings, asked: Asked) -> None:
    allowed = settings.allowed_roles
    if not allowed or asked.role_ids & set(allowed):
        return
    there = [f"<@&{role_id}>" for role_id in allowed if role_id in asked.known_ids]
    if not there:
        raise NotAdmittedError(
            "The roles that may draw in this server don't exist any more. Members with “Manage Server” can choose "
            "others with /settings."
        )
    raise NotAdmittedError(
        "In this server only members with certain roles may draw: {roles}. Whoever gives out roles here can give you "
        "one.",
        roles=_named(there),
    )


def _check_unfinished(limits: Limits, asked: Asked) -> None:
    most = limits.max_jobs
    if most is None or asked.usage.num_unfinished + asked.num_jobs <= most:
        return
    if "max_jobs" in limits.by_role:
        rule = Text.plural(
            "With your roles you may have {n} unfinished job in this server",
            "With your roles you may have {n} unfinished jobs in this server",
            most,
        )
    else:
        rule = Text.plural(
            "In this server each member may have {n} unfinished job",
            "In this server each member may have {n} unfinished jobs",
            most,
        )
    if asked.num_jobs > most:
        raise UserLimitError("{rule}, and this makes {count}: ask for fewer.", rule=rule, count=asked.num_jobs)
    raise UserLimitError(
        "{rule}, and you have {count}. Ask again when one is done, or cancel one with /queue.",
        rule=rule,
        count=asked.usage.num_unfinished,
    )


def _check_cooldown(limits: Limits, asked: Asked) -> None:
    last = asked.usage.last_asked_at
    if not limits.cooldown_s or last is None or last > asked.now + MAX_SKEW:
        return
    over = last + timedelta(seconds=limits.cooldown_s)
    if asked.now < over:
        span = duration(limits.cooldown_s)
        rule = (
            Text("With your roles you may ask once in {duration} in this server", duration=span)
            if "cooldown_s" in limits.by_role
            else Text("In this server each member may ask once in {duration}", duration=span)
        )
        raise NotAdmittedError("{rule}. You can ask again {when}.", rule=rule, when=_moment(asked.as_discord(over)))


def _check_day(limits: Limits, asked: Asked) -> None:
    most = limits.daily_images
    if most is None:
        return
    if "daily_images" in limits.by_role:
        rule = Text.plural(
            "With your roles you may ask for {n} picture within 24 hours in this server",
            "With your roles you may ask for {n} pictures within 24 hours in this server",
            most,
        )
    else:
        rule = Text.plural(
            "In this server each member may ask for {n} picture within 24 hours",
            "In this server each member may ask for {n} pictures within 24 hours",
            most,
        )
    used = _check_pictures(most, rule, asked.usage, asked)
    if used is not None:
        raise NotAdmittedError(
            "{rule}, and you have asked for {used}. There is room for {count} more {when}.",
            rule=rule,
            used=used.number,
            count=asked.num_images,
            when=used.room_at,
        )


def _check_guild(settings: GuildSettings, asked: Asked) -> None:
    """What all members together may ask for."""
    most = settings.guild_max_jobs
    if most is not None and asked.guild_usage.num_unfinished + asked.num_jobs > most:
        rule = Text.plural(
            "This server may have {n} unfinished job in all",
            "This server may have {n} unfinished jobs in all",
            most,
        )
        if asked.num_jobs > most:
            raise UserLimitError("{rule}, and this makes {count}: ask for fewer.", rule=rule, count=asked.num_jobs)
        raise NotAdmittedError(
            "{rule}, and it has {count}. Ask again when one is done.", rule=rule, count=asked.guild_usage.num_unfinished
        )
    most = settings.guild_daily_images
    if most is None:
        return
    rule = Text.plural(
        "This server may ask for {n} picture within 24 hours in all",
        "This server may ask for {n} pictures within 24 hours in all",
        most,
    )
    used = _check_pictures(most, rule, asked.guild_usage, asked)
    if used is not None:
        raise NotAdmittedError(
            "{rule}, and it has asked for {used}. There is room for {count} more {when}.",
            rule=rule,
            used=used.number,
            count=asked.num_images,
            when=used.room_at,
        )


@dataclass(frozen=True, slots=True)
class _Used:
    """number: of pictures that count now. room_at: when there is room for what was asked, in Discord's notation."""

    number: int
    room_at: str


def _check_pictures(most: int, rule: Text, usage: Usage, asked: Asked) -> _Used | None:
    """What is in the way of the pictures; None if there is room. Raises NotAdmittedError if there never is."""
    drawn = [(at, number) for at, number in usage.images if asked.now - DAY < at <= asked.now + MAX_SKEW]
    used = sum(number for _, number in drawn)
    if used + asked.num_images <= most:
        return None
    if asked.num_images > most:
        raise NotAdmittedError("{rule}, and this makes {count}: ask for fewer.", rule=rule, count=asked.num_images)
    return _Used(used, _moment(asked.as_discord(_room_at(drawn, used + asked.num_images - most))))


def _room_at(drawn: Iterable[tuple[datetime, int]], wanted: int) -> datetime:
    """When `wanted` of the pictures that count now don't any more."""
    for at, number in sorted(drawn):
        wanted -= number
        if wanted <= 0:
            return at + DAY
    raise ValueError("fewer pictures count than there should be room for")


def duration(seconds: int) -> Text:
    """In the largest unit that shows it exactly."""
    if seconds and not seconds % 3600:
        return Text.plural("{n} hour", "{n} hours", seconds // 3600)
    if seconds and not seconds % 60:
        return Text.plural("{n} minute", "{n} minutes", seconds // 60)
    return Text.plural("{n} second", "{n} seconds", seconds)


def _moment(time: datetime) -> str:
    """Not before `time`."""
    seconds = math.ceil(time.timestamp())
    return f"<t:{seconds}:R> (<t:{seconds}:t>)"


def _named(mentions: Iterable[str]) -> str:
    named = list(mentions)
    return ", ".join([*named[:MAX_NAMED], *(["…"] if len(named) > MAX_NAMED else [])])
