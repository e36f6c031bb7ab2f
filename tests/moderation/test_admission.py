"""What a guild's settings refuse, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from bot.errors import NotAdmittedError, RequestError, UserLimitError
from bot.guild_settings import DEFAULTS, GuildSettings, QuietHours
from bot.moderation.admission import Asked, admit, duration, needs_usage
from bot.moderation.quotas import limits_of
from bot.sanction_ladder import SanctionKind
from bot.store import Usage
from tests.moderation.test_sanctions import sanction

NOW = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)
ASKED = Asked(
    now=NOW,
    num_jobs=1,
    num_images=4,
    channel_ids=frozenset({10, 11}),
    role_ids=frozenset({20}),
    known_ids=frozenset({10, 12, 13, 20, 21}),
    usage=Usage(),
    discord_now=NOW,
)
NIGHT = QuietHours(time(23), time(7), "Europe/Berlin")


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def shown(moment: datetime) -> str:
    return f"<t:{int(moment.timestamp())}:R> (<t:{int(moment.timestamp())}:t>)"


def refusal(settings: GuildSettings, asked: Asked = ASKED) -> RequestError:
    with pytest.raises(RequestError) as caught:
        admit(settings, asked)
    return caught.value


def test_the_defaults_let_everybody_in() -> None:
    admit(DEFAULTS, ASKED)
    assert not needs_usage(limits_of(DEFAULTS, ()))


def test_pause() -> None:
    assert str(refusal(GuildSettings(is_paused=True))) == (
        "This server has paused drawing. It goes on when a member with “Manage Server” resumes it with /settings."
    )


def test_quiet_hours_name_their_end() -> None:
    settings = GuildSettings(quiet_hours=NIGHT)
    assert str(refusal(settings)) == (
        "This server has quiet hours from 23:00 to 07:00 (Europe/Berlin). I draw again "
        f"{shown(datetime(2026, 7, 2, 5, tzinfo=UTC))}."
    )
    admit(settings, replace(ASKED, discord_now=ago(hours=1)))


def test_channels() -> None:
    assert str(refusal(GuildSettings(allowed_channels=(12, 99, 13)))) == (
        "In this server I draw in certain channels only: <#12>, <#13>. Ask again there."
    )
    admit(GuildSettings(allowed_channels=(99, 11)), ASKED)


def test_channels_that_are_all_gone_open_no_others() -> None:
    assert str(refusal(GuildSettings(allowed_channels=(98, 99)))) == (
        "The channels in which I may draw in this server don't exist any more. Members with “Manage Server” can choose "
        "others with /settings."
    )


def test_many_channels_are_not_all_named() -> None:
    asked = replace(ASKED, known_ids=frozenset(range(100, 125)))
    sentence = str(refusal(GuildSettings(allowed_channels=tuple(range(100, 125))), asked))
    assert "<#109>, …. Ask" in sentence
    assert "<#110>" not in sentence


def test_roles() -> None:
    assert str(refusal(GuildSettings(allowed_roles=(21,)))) == (
        "In this server only members with certain roles may draw: <@&21>. Whoever gives out roles here can give you "
        "one."
    )
    assert str(refusal(GuildSettings(allowed_roles=(99,)))).startswith("The roles that may draw in this server don't")
    admit(GuildSettings(allowed_roles=(21, 20)), ASKED)


def test_unfinished_jobs() -> None:
    settings = GuildSettings(max_jobs_per_user=2)
    assert needs_usage(limits_of(settings, ()))
    admit(settings, replace(ASKED, usage=Usage(num_unfinished=1)))
    error = refusal(settings, replace(ASKED, usage=Usage(num_unfinished=2)))
    assert isinstance(error, UserLimitError)
    assert str(error) == (
        "In this server each member may have 2 unfinished jobs, and you have 2. Ask again when one is done, or cancel "
        "one with /queue."
    )
    assert str(refusal(settings, replace(ASKED, num_jobs=3))) == (
        "In this server each member may have 2 unfinished jobs, and this makes 3: ask for fewer."
    )


def test_cooldown_names_its_end() -> None:
    settings = GuildSettings(cooldown_s=90)
    assert needs_usage(limits_of(settings, ()))
    error = refusal(settings, replace(ASKED, usage=Usage(last_asked_at=ago(seconds=30))))
    assert isinstance(error, NotAdmittedError)
    assert str(error) == (
        f"In this server each member may ask once in 90 seconds. You can ask again {shown(ago(seconds=-60))}."
    )
    admit(settings, replace(ASKED, usage=Usage(last_asked_at=ago(seconds=90))))


def test_what_works_again_is_told_by_discords_clock() -> None:
    day = timedelta(days=1)
    asked = replace(ASKED, discord_now=NOW + day, usage=Usage(last_asked_at=ago(seconds=30)))
    assert str(refusal(GuildSettings(cooldown_s=90), asked)).endswith(
        f"You can ask again {shown(ago(seconds=-60) + day)}."
    )
    asked = replace(asked, usage=Usage(images=((ago(hours=1), 4),)))
    assert str(refusal(GuildSettings(daily_images=5), asked)).endswith(f"4 more {shown(ago(hours=-23) + day)}.")


def test_the_daily_quota_names_when_there_is_room() -> None:
    settings = GuildSettings(daily_images=10)
    assert needs_usage(limits_of(settings, ()))
    images = ((ago(hours=1), 4), (ago(hours=23), 3), (ago(hours=25), 9))
    admit(settings, replace(ASKED, num_images=3, usage=Usage(images=images)))
    rule = "In this server each member may ask for 10 pictures within 24 hours"
    assert str(refusal(settings, replace(ASKED, usage=Usage(images=images)))) == (
        f"{rule}, and you have asked for 7. There is room for 4 more {shown(ago(hours=-1))}."
    )
    assert str(refusal(settings, replace(ASKED, num_images=7, usage=Usage(images=images)))) == (
        f"{rule}, and you have asked for 7. There is room for 7 more {shown(ago(hours=-23))}."
    )
    assert str(refusal(settings, replace(ASKED, num_images=11))) == f"{rule}, and this makes 11: ask for fewer."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (60, "1 minute"), (90, "90 seconds"), (7200, "2 hours"), (3660, "61 minutes")],
)
def test_durations(seconds: int, text: str) -> None:
    assert str(duration(seconds)) == text


def test_sanctions_and_age_are_asked_first_and_of_discords_time() -> None:
    paused = GuildSettings(is_paused=True, min_account_h=24)
    ban = sanction(SanctionKind.BAN, timedelta(hours=1), given_at=NOW)
    asked = replace(ASKED, sanctions=(replace(ban, expires_at=NOW + timedelta(hours=1)),), created_at=NOW)
    assert str(refusal(paused, asked)).startswith("You are banned from drawing in this server until")
    later = replace(asked, discord_now=NOW + timedelta(hours=2))
    assert str(refusal(paused, later)).startswith("In this server accounts must be 1 day old to draw.")
    assert str(refusal(paused, replace(later, discord_now=NOW + timedelta(days=1)))).startswith(
        "This server has paused"
    )


@pytest.mark.fault
def test_a_clock_that_went_back_keeps_nobody_out() -> None:
    """What was asked for while the host's clock was a day ahead."""
    usage = Usage(last_asked_at=NOW + timedelta(days=1), images=((NOW + timedelta(days=1), 9),))
    admit(GuildSettings(cooldown_s=60, daily_images=9), replace(ASKED, usage=usage))


@pytest.mark.fault
def test_a_request_that_another_one_overtook_waits_all_the_same() -> None:
    usage = Usage(last_asked_at=NOW + timedelta(seconds=1), images=((NOW + timedelta(seconds=1), 9),))
    assert "once in 1 minute" in str(refusal(GuildSettings(cooldown_s=60), replace(ASKED, usage=usage)))
    assert "9 pictures within 24 hours" in str(refusal(GuildSettings(daily_images=9), replace(ASKED, usage=usage)))


@pytest.mark.fault
def test_a_clock_that_went_ahead_lets_everybody_in_once_more() -> None:
    usage = Usage(last_asked_at=NOW - timedelta(days=365), images=((NOW - timedelta(days=365), 9),))
    admit(GuildSettings(cooldown_s=60, daily_images=9), replace(ASKED, usage=usage))
