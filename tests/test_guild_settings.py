import json
from dataclasses import fields, replace
from datetime import UTC, datetime, time
from typing import Any

import pytest

from bot.errors import InvalidParameterError
from bot.guild_settings import DEFAULTS, MAX_LISTED, GuildSettings, QuietHours, json_of, settings_from
from bot.image_rule import ImageAction, ImageRule
from bot.role_limits import RoleLimits
from bot.sanction_ladder import SanctionKind, Step

NIGHT = QuietHours(time(22), time(7, 30), "Europe/Berlin")
OTHERS: dict[str, Any] = {
    "allowed_channels": (2**63 - 1, 5),
    "allowed_roles": (7,),
    "max_images": 4,
    "default_images": 2,
    "max_condition_scale": 20.5,
    "default_condition_scale": 10.0,
    "max_top_k": 0,
    "default_top_k": 256,
    "max_top_p": 0.9,
    "default_top_p": 0.5,
    "max_temperature": 2.0,
    "default_temperature": 1.1,
    "max_jobs_per_user": 2,
    "cooldown_s": 30,
    "daily_images": 90,
    "result_format": "webp",
    "language": "pt-BR",
    "quiet_hours": NIGHT,
    "is_paused": True,
    "previews": False,
    "retention_days": 30,
    "reports_to_hide": 0,
    "moderator_roles": (8, 9),
    "trusted_roles": (10,),
    "review_channel": 11,
    "log_channel": 12,
    "guild_max_jobs": 50,
    "guild_daily_images": 1000,
    "role_limits": (RoleLimits(role_id=9, daily_images=0, weight=2.5),),
    "ladder": (Step(SanctionKind.COOLDOWN, 60), Step(SanctionKind.BAN)),
    "strike_days": 7,
    "min_account_h": 48,
    "min_member_h": 1,
    "image_rules": (ImageRule("blood", ImageAction.HOLD), ImageRule("drugs", ImageAction.WARN, 0.5)),
    "review_hours": 12,
    "review_default": "approve_spoiler",
}


def test_every_setting_survives_json() -> None:
    assert set(OTHERS) == {field.name for field in fields(GuildSettings)}
    settings = GuildSettings(**OTHERS)
    values = json_of(settings)
    assert set(values) == set(OTHERS), "each of these differs from its default"
    assert settings_from(json.loads(json.dumps(values))) == (settings, {})


def test_defaults_leave_nothing_behind() -> None:
    assert json_of(DEFAULTS) == {}
    assert settings_from({}) == (DEFAULTS, {})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"review_hours": 0}, "review_hours must be between 1 and 720, not 0."),
        ({"review_default": "ban"}, "review_default must be approve, approve_spoiler or reject."),
        ({"image_rules": ("blood",)}, "image_rules holds at most 25 rules."),
        ({"image_rules": (ImageRule("a", ImageAction.HOLD),) * 2}, "image_rules has two rules for one category."),
        ({"allowed_channels": (1, 0)}, "allowed_channels holds 0, which is no id of Discord's."),
        ({"allowed_channels": (2**63,)}, "allowed_channels holds 9223372036854775808, which is no id"),
        ({"allowed_roles": ("7",)}, "allowed_roles holds '7', which is no id"),
        (
            {"allowed_roles": tuple(range(1, MAX_LISTED + 2))},
            f"allowed_roles has {MAX_LISTED + 1} entries; at most {MAX_LISTED} fit.",
        ),
        ({"default_images": 0}, "default_images must be between 1 and 9, not 0."),
        ({"max_images": 10}, "max_images must be between 1 and 9, not 10."),
        ({"max_images": 2.5}, "max_images must be a whole number between 1 and 9, not 2.5."),
        ({"max_images": True}, "max_images must be a whole number between 1 and 9, not True."),
        ({"max_images": 3, "default_images": 4}, "default_images is 4, and max_images is 3: the default must not be"),
        ({"max_top_k": 50, "default_top_k": 0}, "default_top_k is 0, and max_top_k is 50: the default must not be"),
        ({"max_top_k": 0.5}, "max_top_k must be a whole number between 0 and 65536"),
        ({"default_top_p": 0.001}, "default_top_p must be between 0.01 and 1, not 0.001."),
        ({"default_top_p": "1"}, "default_top_p must be a number."),
        ({"max_temperature": float("nan")}, "max_temperature must be between 0.05 and 5, not nan."),
        ({"max_condition_scale": 51}, "max_condition_scale must be between 0 and 50, not 51."),
        ({"max_jobs_per_user": 0}, "max_jobs_per_user must be between 1 and 100000, not 0."),
        ({"cooldown_s": 86401}, "cooldown_s must be between 0 and 86400, not 86401."),
        ({"cooldown_s": None}, "cooldown_s must be a whole number"),
        ({"daily_images": 0}, "daily_images must be between 1 and 100000, not 0."),
        ({"result_format": "gif"}, "result_format must be png or webp."),
        ({"language": "Deutsch"}, "language must be a code such as de or pt-BR, not Deutsch."),
        ({"retention_days": -1}, "retention_days must be between 0 and 3650, not -1."),
        ({"reports_to_hide": 101}, "reports_to_hide must be between 0 and 100, not 101."),
        ({"is_paused": 1}, "is_paused must be on or off."),
        ({"previews": None}, "previews must be on or off."),
        ({"moderator_roles": (-1,)}, "moderator_roles holds -1, which is no id"),
        ({"role_limits": (RoleLimits(role_id=9),) * 2}, "role_limits names a role twice."),
        ({"guild_max_jobs": 0}, "guild_max_jobs must be between 1 and 100000, not 0."),
        ({"ladder": ()}, "The ladder needs 1 to 8 steps."),
        ({"ladder": ("ban",)}, "A step of the ladder is a warning, a cooldown or a ban."),
        ({"strike_days": 0}, "strike_days must be between 1 and 366, not 0."),
        ({"min_account_h": -1}, "min_account_h must be between 0 and 8784, not -1."),
        ({"min_member_h": 8785}, "min_member_h must be between 0 and 8784, not 8785."),
        ({"review_channel": 0}, "review_channel holds 0, which is no id"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        GuildSettings(**values)
    assert str(caught.value).startswith(sentence)


def test_an_id_that_stands_there_twice_counts_once() -> None:
    assert GuildSettings(allowed_roles=(3, 1, 3)).allowed_roles == (3, 1)


@pytest.mark.parametrize("zone", ["Atlantis/Capital", "../etc/passwd", "Europe", "", "x" * 300, "\x00"])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    with pytest.raises(InvalidParameterError, match="there is no time zone") as caught:
        replace(NIGHT, zone=zone)
    assert len(str(caught.value)) < 150


def test_quiet_hours_of_no_length_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="must end at another time"):
        replace(NIGHT, end=NIGHT.start)


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        (datetime(2026, 1, 10, 20, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 10, 21, 0, tzinfo=UTC), True),
        (datetime(2026, 1, 11, 6, 29, tzinfo=UTC), True),
        (datetime(2026, 1, 11, 6, 30, tzinfo=UTC), False),
        (datetime(2026, 7, 10, 20, 0, tzinfo=UTC), True),
    ],
)
def test_quiet_hours_over_midnight_follow_the_zone_and_its_summer_time(moment: datetime, is_quiet: bool) -> None:
    assert NIGHT.cover(moment) is is_quiet


def test_quiet_hours_within_a_day() -> None:
    noon = QuietHours(time(12), time(13), "UTC")
    found = [noon.cover(datetime(2026, 1, 1, hour, tzinfo=UTC)) for hour in (11, 12, 13)]
    assert found == [False, True, False]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_channels", 5),
        ("allowed_channels", "56"),
        ("allowed_roles", [[1]]),
        ("default_images", "many"),
        ("max_images", {}),
        ("default_top_p", []),
        ("max_temperature", "hot"),
        ("cooldown_s", None),
        ("result_format", []),
        ("language", 5),
        ("quiet_hours", "always"),
        ("quiet_hours", {"start": "22:00", "zone": "UTC"}),
        ("quiet_hours", {"start": "22:00", "end": "25:00", "zone": "UTC"}),
        ("quiet_hours", {"start": "22:00", "end": "07:00", "zone": 5}),
        ("quiet_hours", {"start": 22, "end": 7, "zone": "UTC"}),
        ("is_paused", "yes"),
    ],
)
def test_a_damaged_value_falls_back_alone(key: str, value: Any) -> None:
    settings, problems = settings_from({"daily_images": 5, key: value, "previews": False})
    assert settings == GuildSettings(daily_images=5, previews=False)
    assert list(problems) == [key]
    assert problems[key]


def test_of_two_values_that_contradict_each_other_the_limit_stays() -> None:
    settings, problems = settings_from({"default_images": 9, "max_images": 4})
    assert settings == GuildSettings(max_images=4)
    assert list(problems) == ["default_images"]


def test_keys_of_a_newer_version_are_passed_over() -> None:
    assert settings_from({"aspect_ratio": "16:9", "cooldown_s": 5}) == (GuildSettings(cooldown_s=5), {})


@pytest.mark.parametrize(
    ("zone", "moment", "end"),
    [
        ("Europe/Berlin", datetime(2026, 7, 1, 21, tzinfo=UTC), datetime(2026, 7, 2, 5, 30, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 7, 2, 1, tzinfo=UTC), datetime(2026, 7, 2, 5, 30, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 21, tzinfo=UTC), datetime(2026, 10, 25, 6, 30, tzinfo=UTC)),
        ("UTC", datetime(2026, 7, 2, 7, 30, tzinfo=UTC), datetime(2026, 7, 3, 7, 30, tzinfo=UTC)),
    ],
)
def test_when_quiet_hours_end(zone: str, moment: datetime, end: datetime) -> None:
    assert QuietHours(time(22), time(7, 30), zone).end_after(moment) == end
