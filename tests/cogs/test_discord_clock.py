from datetime import UTC, datetime, timedelta

import discord

from bot.cogs.discord_clock import DiscordClock
from bot.moderation.sanctions import holds
from tests.moderation.test_sanctions import NOW, sanction


class Host:
    """A machine whose wall clock somebody sets."""

    def __init__(self) -> None:
        self.wall, self.monotonic_s = NOW, 100.0

    def clock(self) -> DiscordClock:
        return DiscordClock(monotonic=lambda: self.monotonic_s, wall=lambda: self.wall)

    def wait(self, span: timedelta) -> None:
        self.wall += span
        self.monotonic_s += span.total_seconds()


def test_discords_time_goes_on_between_interactions() -> None:
    host = Host()
    clock = host.clock()
    clock.saw(discord.utils.time_snowflake(NOW))
    host.wait(timedelta(minutes=5))
    assert clock.now() == NOW + timedelta(minutes=5)


def test_a_jump_of_the_hosts_clock_changes_no_sanction() -> None:
    host = Host()
    clock = host.clock()
    clock.saw(discord.utils.time_snowflake(NOW))
    ban = sanction(ends=timedelta(hours=1))
    for jump in (timedelta(days=400), timedelta(days=-800)):
        host.wall += jump
        assert holds(ban, clock.now())
    host.wait(timedelta(hours=1))
    assert not holds(ban, clock.now())


def test_each_interaction_sets_it_right() -> None:
    host = Host()
    clock = host.clock()
    clock.saw(discord.utils.time_snowflake(NOW))
    # The machine slept, and its monotonic clock with it.
    clock.saw(discord.utils.time_snowflake(NOW + timedelta(hours=8)))
    assert clock.now() == NOW + timedelta(hours=8)


def test_before_the_first_interaction_there_is_only_the_hosts() -> None:
    clock = Host().clock()
    assert (clock.now(), clock.told()) == (NOW, None)
    clock.saw(discord.utils.time_snowflake(NOW - timedelta(hours=8)))
    assert clock.told() == clock.now() == NOW - timedelta(hours=8)
    assert abs(DiscordClock().now() - datetime.now(UTC)) < timedelta(seconds=5)
