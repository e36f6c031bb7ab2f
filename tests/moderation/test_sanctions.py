from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import NotAdmittedError
from bot.guild_settings import GuildSettings
from bot.moderation.sanctions import check_age, check_sanctions, following, holds, keeping_out, num_strikes, step_of
from bot.sanction_ladder import DEFAULT_LADDER, SanctionKind, Step
from bot.store import NewSanction, SanctionRecord

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def sanction(
    kind: SanctionKind = SanctionKind.STRIKE, ends: timedelta | None = DAY, *, id_: int = 1, **changes: Any
) -> SanctionRecord:
    """ends: after NOW; None for never."""
    values: dict[str, Any] = {
        "id": id_,
        "guild_id": 1,
        "user_id": 2,
        "kind": kind,
        "reason": "spam",
        "given_by": 3,
        "given_at": NOW - HOUR,
        "expires_at": None if ends is None else NOW + ends,
        "revoked_at": None,
        "revoked_by": None,
        "appealed_at": None,
        "appeal": None,
        "appeal_locale": None,
        "appeal_decision": None,
        "appeal_decided_by": None,
        "appeal_decided_at": None,
    }
    return SanctionRecord(**(values | changes))


def strike_of(lasts: timedelta = 90 * DAY) -> NewSanction:
    return NewSanction(
        guild_id=1,
        user_id=2,
        kind=SanctionKind.STRIKE,
        reason="spam",
        given_by=3,
        given_at=NOW,
        expires_at=NOW + lasts,
        case_number=7,
    )


@pytest.mark.parametrize(
    ("given", "is_so"),
    [
        (sanction(), True),
        (sanction(ends=None), True),
        (sanction(ends=timedelta(seconds=1)), True),
        (sanction(ends=timedelta(0)), False),
        (sanction(ends=-DAY), False),
        (sanction(ends=None, revoked_at=NOW - HOUR), False),
        # Discord's clock is behind the one that gave it; it was given all the same.
        (sanction(given_at=NOW + HOUR), True),
    ],
)
def test_what_holds(given: SanctionRecord, is_so: bool) -> None:
    assert holds(given, NOW) is is_so


def test_strikes_count_until_they_expire_or_are_revoked() -> None:
    strikes = [
        sanction(),
        sanction(ends=-DAY),
        sanction(revoked_at=NOW),
        sanction(SanctionKind.BAN),
        sanction(ends=HOUR),
    ]
    assert num_strikes(strikes, NOW) == 2
    assert num_strikes(strikes, NOW + 2 * HOUR) == 1
    assert num_strikes(strikes, NOW + 2 * DAY) == 0


@pytest.mark.parametrize(
    ("strikes", "step"),
    [(1, DEFAULT_LADDER[0]), (2, DEFAULT_LADDER[1]), (4, DEFAULT_LADDER[3]), (9, DEFAULT_LADDER[3])],
)
def test_the_ladder_is_climbed_and_its_last_step_stays(strikes: int, step: Step) -> None:
    assert step_of(DEFAULT_LADDER, strikes) == step


@pytest.mark.parametrize(
    ("earlier", "kind", "lasts"),
    [
        ([], SanctionKind.WARNING, None),
        ([sanction()], SanctionKind.COOLDOWN, HOUR),
        ([sanction(), sanction(ends=-DAY)], SanctionKind.COOLDOWN, HOUR),
        ([sanction(), sanction()], SanctionKind.BAN, DAY),
        ([sanction()] * 3, SanctionKind.BAN, None),
        ([sanction()] * 8, SanctionKind.BAN, None),
    ],
)
def test_what_a_strike_leads_to(earlier: list[SanctionRecord], kind: SanctionKind, lasts: timedelta | None) -> None:
    strike = strike_of()
    now = sanction(ends=90 * DAY, given_at=NOW)
    led_to = following(GuildSettings(), strike, [now, *earlier], NOW)
    assert (led_to.kind, led_to.expires_at) == (kind, None if lasts is None else NOW + lasts)
    assert (led_to.user_id, led_to.reason, led_to.given_by, led_to.case_number) == (2, "spam", 3, 7)


def test_a_guilds_own_ladder_counts() -> None:
    settings = GuildSettings(ladder=(Step(SanctionKind.BAN, 60),))
    assert following(settings, strike_of(), [sanction()], NOW).expires_at == NOW + timedelta(minutes=1)


def test_the_longest_keeps_out() -> None:
    short, long = sanction(SanctionKind.COOLDOWN, HOUR, id_=1), sanction(SanctionKind.BAN, DAY, id_=2)
    for_ever = sanction(SanctionKind.BAN, None, id_=3)
    over, strike = sanction(SanctionKind.BAN, -DAY, id_=4), sanction(id_=5)
    assert keeping_out([short, long, over, strike], NOW) is long
    assert keeping_out([for_ever, long, short], NOW) is for_ever
    assert keeping_out([short, long], NOW + 2 * HOUR) is long
    assert keeping_out([over, strike, sanction(SanctionKind.WARNING, None)], NOW) is None


UNTIL = f"<t:{int((NOW + DAY).timestamp())}:f> (<t:{int((NOW + DAY).timestamp())}:R>)"
ASK = "; with /appeal you can ask its moderators to look at it again."


@pytest.mark.parametrize(
    ("barring", "sentence"),
    [
        (sanction(SanctionKind.BAN), f"You are banned from drawing in this server until {UNTIL}{ASK}"),
        (sanction(SanctionKind.BAN, None), f"You are banned from drawing in this server for good{ASK}"),
        (sanction(SanctionKind.COOLDOWN), f"After a strike you can't draw in this server until {UNTIL}{ASK}"),
        (
            sanction(SanctionKind.BAN, None, appealed_at=NOW),
            "You are banned from drawing in this server for good; its moderators have your appeal and have not decided "
            "yet.",
        ),
        (
            sanction(SanctionKind.BAN, None, appealed_at=NOW, appeal_decision="upheld"),
            "You are banned from drawing in this server for good; its moderators have looked at it again already.",
        ),
    ],
)
def test_a_refusal_says_until_when_and_how_to_appeal(barring: SanctionRecord, sentence: str) -> None:
    with pytest.raises(NotAdmittedError) as refusal:
        check_sanctions([barring], NOW)
    assert str(refusal.value) == sentence


def test_strikes_and_warnings_keep_nobody_out() -> None:
    check_sanctions([sanction(), sanction(SanctionKind.WARNING, None), sanction(SanctionKind.BAN, -HOUR)], NOW)


def test_who_is_too_new_is_told_when_it_works() -> None:
    settings = GuildSettings(min_account_h=48, min_member_h=1)
    with pytest.raises(NotAdmittedError) as refusal:
        check_age(settings, NOW, created_at=NOW - DAY, joined_at=NOW - DAY)
    over = int((NOW + DAY).timestamp())
    assert str(refusal.value) == (
        f"In this server accounts must be 2 days old to draw. You can draw here <t:{over}:f> (<t:{over}:R>)."
    )
    with pytest.raises(NotAdmittedError, match="In this server members can draw 1 hour after they joined"):
        check_age(settings, NOW, created_at=NOW - 2 * DAY, joined_at=NOW)
    check_age(settings, NOW, created_at=NOW - 2 * DAY, joined_at=NOW - HOUR)


def test_what_is_not_known_or_not_asked_for_keeps_nobody_out() -> None:
    check_age(GuildSettings(min_account_h=48, min_member_h=1), NOW, created_at=None, joined_at=None)
    check_age(GuildSettings(), NOW, created_at=NOW, joined_at=NOW)
