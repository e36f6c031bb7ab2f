"""Which sanctions hold, what one more strike leads to, and who is too new. Pure.

`now` is always given, and everybody compares with Discord's own time (bot/cogs/discord_clock.py), which jumps for
nobody: the host's clock may. What was given later than `now` holds all the same, since it was given.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from bot.errors import NotAdmittedError
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.moderation.spans import span_text
from bot.sanction_ladder import SanctionKind, Step
from bot.store import NewSanction, SanctionRecord

KEEP_OUT: Final = (SanctionKind.COOLDOWN, SanctionKind.BAN)


def holds(sanction: SanctionRecord, now: datetime) -> bool:
    """Whether it was neither revoked nor is over."""
    return sanction.revoked_at is None and (sanction.expires_at is None or now < sanction.expires_at)


def num_strikes(sanctions: Iterable[SanctionRecord], now: datetime) -> int:
    """How many strikes count."""
    return sum(sanction.kind is SanctionKind.STRIKE and holds(sanction, now) for sanction in sanctions)


def keeping_out(sanctions: Iterable[SanctionRecord], now: datetime) -> SanctionRecord | None:
    """The cooldown or ban that holds longest, or None."""
    holding = [sanction for sanction in sanctions if sanction.kind in KEEP_OUT and holds(sanction, now)]
    if not holding:
        return None
    return max(holding, key=lambda sanction: (sanction.expires_at is None, sanction.expires_at or now, sanction.id))


def step_of(ladder: Sequence[Step], strikes: int) -> Step:
    """What so many strikes lead to; more than the ladder has steps lead to its last one. strikes: at least 1."""
    return ladder[min(strikes, len(ladder)) - 1]


def following(
    settings: GuildSettings, strike: NewSanction, sanctions: Iterable[SanctionRecord], now: datetime
) -> NewSanction:
    """What a strike leads to. sanctions: of its user, the strike included."""
    step = step_of(settings.ladder, num_strikes(sanctions, now))
    return NewSanction(
        guild_id=strike.guild_id,
        user_id=strike.user_id,
        kind=step.kind,
        reason=strike.reason,
        given_by=strike.given_by,
        given_at=now,
        expires_at=None if step.seconds is None else now + timedelta(seconds=step.seconds),
        case_number=strike.case_number,
    )


def check_sanctions(sanctions: Iterable[SanctionRecord], now: datetime) -> None:
    """Raises NotAdmittedError if one keeps its user out, with until when and how to appeal."""
    barring = keeping_out(sanctions, now)
    if barring is None:
        return
    until = None if barring.expires_at is None else moment(barring.expires_at)
    match barring.kind, until:
        case SanctionKind.COOLDOWN, str():
            said = Text("After a strike you can't draw in this server until {when}", when=until)
        case _, None:
            said = Text("You are banned from drawing in this server for good")
        case _:
            said = Text("You are banned from drawing in this server until {when}", when=until)
    if barring.appealed_at is None:
        raise NotAdmittedError("{rule}; with /appeal you can ask its moderators to look at it again.", rule=said)
    if barring.appeal_decision is None:
        raise NotAdmittedError("{rule}; its moderators have your appeal and have not decided yet.", rule=said)
    raise NotAdmittedError("{rule}; its moderators have looked at it again already.", rule=said)


def check_age(
    settings: GuildSettings, now: datetime, *, created_at: datetime | None, joined_at: datetime | None
) -> None:
    """Raises NotAdmittedError for whoever is too new, with when it works. None for a time that isn't known."""
    for since, hours, rule in (
        (
            created_at,
            settings.min_account_h,
            Text("In this server accounts must be {span} old to draw", span=_hours(settings.min_account_h)),
        ),
        (
            joined_at,
            settings.min_member_h,
            Text("In this server members can draw {span} after they joined", span=_hours(settings.min_member_h)),
        ),
    ):
        if hours and since is not None and now < since + timedelta(hours=hours):
            over = moment(since + timedelta(hours=hours))
            raise NotAdmittedError("{rule}. You can draw here {when}.", rule=rule, when=over)


def moment(time: datetime) -> str:
    """In Discord's notation, which each reader's client shows in its own way."""
    seconds = int(time.timestamp())
    return f"<t:{seconds}:f> (<t:{seconds}:R>)"


def _hours(hours: int) -> Text:
    return span_text(timedelta(hours=hours))
