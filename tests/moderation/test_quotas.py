from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import NotAdmittedError, UserLimitError
from bot.guild_settings import GuildSettings
from bot.moderation.admission import admit, needs_guild_usage, needs_usage
from bot.moderation.quotas import Limits, limits_of
from bot.role_limits import RoleLimits
from bot.store import Usage
from tests.moderation.test_admission import ASKED, NOW, ago, refusal, shown

PATRON, NEWCOMER, OTHER = 1, 2, 3
SETTINGS = GuildSettings(
    max_jobs_per_user=2,
    cooldown_s=60,
    daily_images=20,
    role_limits=(
        RoleLimits(role_id=PATRON, max_jobs=5, daily_images=0, weight=3),
        RoleLimits(role_id=NEWCOMER, max_jobs=1, cooldown_s=600, daily_images=4),
    ),
)


@pytest.mark.parametrize(
    ("roles", "limits"),
    [
        (set(), Limits(2, 60, 20, 1.0)),
        ({OTHER}, Limits(2, 60, 20, 1.0)),
        ({PATRON}, Limits(5, 60, None, 3.0, frozenset({"max_jobs", "daily_images"}))),
        ({NEWCOMER, OTHER}, Limits(1, 600, 4, 1.0, frozenset({"max_jobs", "cooldown_s", "daily_images"}))),
        ({PATRON, NEWCOMER}, Limits(5, 600, None, 3.0, frozenset({"max_jobs", "cooldown_s", "daily_images"}))),
    ],
)
def test_the_most_generous_role_counts_in_the_place_of_everybodys(roles: set[int], limits: Limits) -> None:
    assert limits_of(SETTINGS, roles) == limits


def test_no_role_counts_less_than_none() -> None:
    two = tuple(RoleLimits(role_id=n, cooldown_s=n * 10, weight=n) for n in (PATRON, NEWCOMER))
    limits = limits_of(GuildSettings(role_limits=two), {PATRON, NEWCOMER})
    assert (limits.cooldown_s, limits.weight) == (10, 2)


def test_usage_is_read_only_where_it_matters() -> None:
    assert not needs_usage(limits_of(GuildSettings(), set()))
    assert needs_usage(limits_of(SETTINGS, {PATRON}))
    free = GuildSettings(daily_images=5, role_limits=(RoleLimits(role_id=PATRON, daily_images=0),))
    assert needs_usage(limits_of(free, set()))
    assert not needs_usage(limits_of(free, {PATRON}))
    assert not needs_guild_usage(SETTINGS)
    assert needs_guild_usage(GuildSettings(guild_max_jobs=1))
    assert needs_guild_usage(GuildSettings(guild_daily_images=1))


def test_a_refusal_by_role_says_so_and_when_it_works_again() -> None:
    newcomer = replace(ASKED, role_ids=frozenset({NEWCOMER}))
    error = refusal(SETTINGS, replace(newcomer, usage=Usage(num_unfinished=1)))
    assert isinstance(error, UserLimitError)
    assert str(error).startswith("With your roles you may have 1 unfinished job in this server, and you have 1.")
    error = refusal(SETTINGS, replace(newcomer, usage=Usage(last_asked_at=ago(seconds=30))))
    assert str(error) == (
        f"With your roles you may ask once in 10 minutes in this server. You can ask again {shown(ago(seconds=-570))}."
    )
    error = refusal(SETTINGS, replace(newcomer, usage=Usage(images=((ago(hours=2), 3),))))
    assert str(error) == (
        "With your roles you may ask for 4 pictures within 24 hours in this server, and you have asked for 3. There is "
        f"room for 4 more {shown(ago(hours=-22))}."
    )
    patron = replace(ASKED, role_ids=frozenset({PATRON}))
    admit(SETTINGS, replace(patron, usage=Usage(num_unfinished=4, images=((ago(hours=2), 5000),))))


def test_what_all_members_together_may_have() -> None:
    settings = GuildSettings(guild_max_jobs=3, guild_daily_images=30)
    admit(settings, replace(ASKED, guild_usage=Usage(num_unfinished=2, images=((ago(hours=3), 26),))))
    error = refusal(settings, replace(ASKED, guild_usage=Usage(num_unfinished=3)))
    assert isinstance(error, NotAdmittedError)
    assert str(error) == "This server may have 3 unfinished jobs in all, and it has 3. Ask again when one is done."
    error = refusal(settings, replace(ASKED, num_jobs=4))
    assert str(error) == "This server may have 3 unfinished jobs in all, and this makes 4: ask for fewer."
    error = refusal(settings, replace(ASKED, guild_usage=Usage(images=((ago(hours=3), 27),))))
    assert str(error) == (
        "This server may ask for 30 pictures within 24 hours in all, and it has asked for 27. There is room for 4 more "
        f"{shown(ago(hours=-21))}."
    )
    assert "ask for fewer" in str(refusal(settings, replace(ASKED, num_images=31)))
    day_later = replace(ASKED, now=NOW + timedelta(days=1), guild_usage=Usage(images=((ago(hours=3), 30),)))
    admit(settings, day_later)
