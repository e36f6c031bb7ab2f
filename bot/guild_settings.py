"""What a guild's administrators may set: frozen, validated, and kept as JSON. Pure; bot.store keeps it.

In the JSON stands only what differs from the defaults, so that a guild follows them where it never chose.
"""

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import InvalidParameterError
from bot.image_rule import ImageRule
from bot.requests import MAX_IMAGES, SAMPLING_BOUNDS, Bounds, check_number, check_whole, exceeds
from bot.role_limits import RoleLimits, check_role_limits, role_limits_from, role_limits_json
from bot.sanction_ladder import DEFAULT_LADDER, Step, check_ladder, ladder_from, ladder_json

ResultFormat = Literal["png", "webp"]
ReviewDefault = Literal["approve", "approve_spoiler", "reject"]

MAX_LISTED: Final = 25  # of a select of Discord's
MAX_ID: Final = 2**63 - 1
MAX_REVIEW_HOURS: Final = 30 * 24
MAX_COOLDOWN_S: Final = 24 * 60 * 60
MAX_RETENTION_DAYS: Final = 3650
MAX_REPORTS_TO_HIDE: Final = 100
MAX_STRIKE_DAYS: Final = 366
MAX_AGE_H: Final = 366 * 24
COUNT_BOUNDS: Final[Mapping[str, Bounds]] = {
    "default_images": Bounds(1, MAX_IMAGES),
    "max_images": Bounds(1, MAX_IMAGES),
    "max_jobs_per_user": Bounds(1, 100_000),
    "daily_images": Bounds(1, 100_000),
    "guild_max_jobs": Bounds(1, 100_000),
    "guild_daily_images": Bounds(1, 1_000_000),
}

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_SWITCHES: Final = ("is_paused", "previews")
_ROLE_LISTS: Final = ("allowed_roles", "moderator_roles", "trusted_roles")
_LISTS: Final = ("allowed_channels", *_ROLE_LISTS)
_CHANNELS: Final = ("review_channel", "log_channel")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of the day, every day, in which nothing is drawn. From start to end, over midnight if end is earlier.

    start, end: of the clocks in that zone. zone: the IANA name of a time zone. Raises InvalidParameterError for one
    that isn't known here, and if start is end.
    """

    start: datetime.time
    end: datetime.time
    zone: str
    _rules: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise InvalidParameterError("{key} must end at another time than they start.", key="quiet_hours")
        try:
            # Kept, so that nobody has to read its file again.
            object.__setattr__(self, "_rules", ZoneInfo(self.zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidParameterError(
                "{key}: there is no time zone {zone:.40}; write its name as in Europe/Berlin.",
                key="quiet_hours",
                zone=self.zone,
            ) from None

    def cover(self, moment: datetime.datetime) -> bool:
        """Whether `moment`, an aware time, lies within them."""
        local = moment.astimezone(self._rules).time()
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def end_after(self, moment: datetime.datetime) -> datetime.datetime:
        """When they are over next, after `moment`, an aware time; in UTC."""
        local = moment.astimezone(self._rules)
        day = local.date() if local.time() < self.end else local.date() + datetime.timedelta(days=1)
        return datetime.datetime.combine(day, self.end, self._rules).astimezone(datetime.UTC)


def _check_ids(key: str, ids: tuple[int, ...]) -> tuple[int, ...]:
    """Without those that stand there twice."""
    for number in ids:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_ID:
            raise InvalidParameterError(
                "{key} holds {given!r:.40}, which is no id of Discord's.", key=key, given=number
            )
    ids = tuple(dict.fromkeys(ids))
    if len(ids) > MAX_LISTED:
        raise InvalidParameterError(
            "{key} has {count} entries; at most {limit} fit.", key=key, count=len(ids), limit=MAX_LISTED
        )
    return ids


def _check_limit(key: str, value: Any, bounds: Bounds, *, is_whole: bool) -> None:
    if value is None:
        return
    if is_whole:
        check_whole(key, value, int(bounds.low), int(bounds.high))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidParameterError("{key} must be a number.", key=key)
    else:
        check_number(key, value, bounds.low, bounds.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuildSettings:
    """Validates itself: raises InvalidParameterError, which names the key and what it may be.

    allowed_channels, allowed_roles: ids, at most MAX_LISTED of each; () for all. default_images,
    default_condition_scale and so on: for requests that don't say; None for the bot's or the model's own. max_images,
    max_condition_scale and so on: the most that a request may say; None for the bot's. max_jobs_per_user: unfinished
    ones; None for the bot's.
    cooldown_s: between two requests of one user. daily_images: of one user; None for any number. guild_max_jobs,
    guild_daily_images: of all members together; None for any number. role_limits: what counts for members of a role
    instead. language: a code such
    as "de" or "pt-BR" for everybody; None for each user's own. previews: whether unfinished pictures are shown.
    moderator_roles: whose members are moderators, with those who have Discord's Moderate Members. trusted_roles: whose
    members' jobs are never held for review. review_channel: where moderators decide; log_channel: where the audit is
    mirrored; None for nowhere.
    ladder: what strikes lead to, step by step. strike_days: how long a strike counts. min_account_h, min_member_h: how
    old an account and a membership must be to draw, in hours.
    retention_days: how long jobs are kept; 0 for ever. reports_to_hide: from how many members; 0 for any number.
    image_rules: what pictures may not look like, a rule for each category. review_hours: how long something waits for
    moderators; review_default: what becomes of it then.
    """

    allowed_channels: tuple[int, ...] = ()
    allowed_roles: tuple[int, ...] = ()
    max_images: int | None = None
    default_images: int | None = None
    max_condition_scale: float | None = None
    default_condition_scale: float | None = None
    max_top_k: int | None = None
    default_top_k: int | None = None
    max_top_p: float | None = None
    default_top_p: float | None = None
    max_temperature: float | None = None
    default_temperature: float | None = None
    max_jobs_per_user: int | None = None
    cooldown_s: int = 0
    daily_images: int | None = None
    guild_max_jobs: int | None = None
    guild_daily_images: int | None = None
    role_limits: tuple[RoleLimits, ...] = ()
    result_format: ResultFormat = "png"
    language: str | None = None
    quiet_hours: QuietHours | None = None
    is_paused: bool = False
    previews: bool = True
    moderator_roles: tuple[int, ...] = ()
    trusted_roles: tuple[int, ...] = ()
    review_channel: int | None = None
    log_channel: int | None = None
    ladder: tuple[Step, ...] = DEFAULT_LADDER
    strike_days: int = 90
    min_account_h: int = 0
    min_member_h: int = 0
    retention_days: int = 0
    reports_to_hide: int = 3
    image_rules: tuple[ImageRule, ...] = ()
    review_hours: int = 48
    review_default: ReviewDefault = "reject"

    def __post_init__(self) -> None:
        for key in _LISTS:
            object.__setattr__(self, key, _check_ids(key, getattr(self, key)))
        for key in _CHANNELS:
            if getattr(self, key) is not None:
                _check_ids(key, (getattr(self, key),))
        for key, bounds in COUNT_BOUNDS.items():
            _check_limit(key, getattr(self, key), bounds, is_whole=True)
        for name, bounds in SAMPLING_BOUNDS.items():
            for key in (f"max_{name}", f"default_{name}"):
                _check_limit(key, getattr(self, key), bounds, is_whole=name == "top_k")
        for name in ("images", *SAMPLING_BOUNDS):
            self._check_default(name)
        check_whole("cooldown_s", self.cooldown_s, 0, MAX_COOLDOWN_S)
        check_role_limits(self.role_limits)
        check_ladder(self.ladder)
        check_whole("strike_days", self.strike_days, 1, MAX_STRIKE_DAYS)
        check_whole("min_account_h", self.min_account_h, 0, MAX_AGE_H)
        check_whole("min_member_h", self.min_member_h, 0, MAX_AGE_H)
        check_whole("retention_days", self.retention_days, 0, MAX_RETENTION_DAYS)
        check_whole("reports_to_hide", self.reports_to_hide, 0, MAX_REPORTS_TO_HIDE)
        check_whole("review_hours", self.review_hours, 1, MAX_REVIEW_HOURS)
        if self.review_default not in get_args(ReviewDefault):
            raise InvalidParameterError("review_default must be approve, approve_spoiler or reject.")
        self._check_image_rules()
        for key in _SWITCHES:
            if not isinstance(getattr(self, key), bool):
                raise InvalidParameterError("{key} must be on or off.", key=key)
        if self.result_format not in get_args(ResultFormat):
            raise InvalidParameterError("result_format must be png or webp.")
        if self.language is not None and not _LANGUAGE.fullmatch(self.language):
            raise InvalidParameterError(
                "language must be a code such as de or pt-BR, not {given:.40}.", given=self.language
            )

    def _check_default(self, name: str) -> None:
        default, most = getattr(self, f"default_{name}"), getattr(self, f"max_{name}")
        if default is not None and most is not None and exceeds(name, default, most):
            raise InvalidParameterError(
                "{key} is {default:.10g}, and {limit} is {most:.10g}: the default must not be more.",
                key=f"default_{name}",
                limit=f"max_{name}",
                default=default,
                most=most,
            )

    def _check_image_rules(self) -> None:
        rules = self.image_rules
        if not all(isinstance(rule, ImageRule) for rule in rules) or len(rules) > MAX_LISTED:
            raise InvalidParameterError("image_rules holds at most {limit} rules.", limit=MAX_LISTED)
        if len({rule.category for rule in rules}) < len(rules):
            raise InvalidParameterError("image_rules has two rules for one category.")


DEFAULTS: Final = GuildSettings()


def channel_ids(settings: GuildSettings) -> tuple[int, ...]:
    """Every channel that the settings name."""
    single = (getattr(settings, key) for key in _CHANNELS)
    return (*settings.allowed_channels, *(id_ for id_ in single if id_ is not None))


def role_ids_in(settings: GuildSettings) -> tuple[int, ...]:
    """Every role that the settings name."""
    listed = (id_ for key in _ROLE_LISTS for id_ in getattr(settings, key))
    return (*listed, *(limits.role_id for limits in settings.role_limits))


def json_of(settings: GuildSettings) -> dict[str, Any]:
    """What differs from the defaults, as JSON."""
    values = {known.name: getattr(settings, known.name) for known in fields(settings)}
    return {key: _as_json(key, value) for key, value in values.items() if value != getattr(DEFAULTS, key)}


def digest_of(settings: GuildSettings, keys: Iterable[str]) -> str:
    """Of the values of some keys: 12 hexadecimal digits, the same in every process."""
    values = json_of(settings)
    text = json.dumps([[key, values.get(key)] for key in sorted(keys)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def settings_from(values: Mapping[str, Any]) -> tuple[GuildSettings, dict[str, str]]:
    """The settings that `json_of` made `values` of, and what is wrong with them: key -> sentence.

    A damaged value falls back to its default. Keys that this version doesn't know are passed over.
    """
    kept: dict[str, Any] = {}
    problems: dict[str, str] = {}
    settings = DEFAULTS
    for key in (known.name for known in fields(GuildSettings) if known.name in values):
        try:
            given = kept | {key: _from_json(key, values[key])}
            settings, kept = GuildSettings(**given), given
        except (InvalidParameterError, TypeError, ValueError, LookupError) as error:
            problems[key] = str(error)
    return settings, problems


def _as_json(key: str, value: Any) -> Any:
    if key == "ladder":
        return ladder_json(value)
    if key == "role_limits":
        return role_limits_json(value)
    match value:
        case tuple():
            return [each.to_json() if isinstance(each, ImageRule) else each for each in value]
        case QuietHours():
            return {
                "start": value.start.isoformat("minutes"),
                "end": value.end.isoformat("minutes"),
                "zone": value.zone,
            }
        case _:
            return value


def _from_json(key: str, value: Any) -> Any:
    if key in _LISTS:
        return tuple(value)
    if key == "ladder":
        return ladder_from(value)
    if key == "image_rules":
        return tuple(ImageRule.from_json(rule) for rule in value)
    if key == "role_limits":
        return role_limits_from(value)
    if key == "quiet_hours" and value is not None:
        start, end = (datetime.time.fromisoformat(value[name]).replace(tzinfo=None) for name in ("start", "end"))
        return QuietHours(start, end, value["zone"])
    return value
