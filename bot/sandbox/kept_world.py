"""The pretended guilds as they are written to disk, and made again from there. Pure; used by the sandbox's start and by
what keeps it (keeper.py)."""

from dataclasses import dataclass
from typing import Any

from bot.sandbox.clock import Clock
from bot.sandbox.guild import Channel, Member, Role
from bot.sandbox.world import World


@dataclass(frozen=True, slots=True)
class KeptWorld:
    """A World. guilds: id → name. gone: ids of members who have left. last_id: the newest that was given.
    clock_shift_s: how far time was moved."""

    clock_shift_s: float
    last_id: int
    born_s: float
    guild_id: str
    guilds: dict[str, str]
    roles: tuple[Role, ...]
    members: tuple[Member, ...]
    bot_id: str
    owner_id: str
    channels: tuple[Channel, ...]
    elsewhere: tuple[Channel, ...]
    direct: tuple[Channel, ...]
    gone: tuple[str, ...]
    automod_rules: tuple[dict[str, Any], ...]
    bot_token: str


def kept_world(world: World, clock: Clock) -> KeptWorld:
    """What a world is now."""
    return KeptWorld(
        clock_shift_s=clock.shift_s,
        last_id=world.snowflakes.last,
        born_s=world.born_s,
        guild_id=world.guild_id,
        guilds=dict(world.guilds),
        roles=tuple(world.roles.values()),
        members=tuple(world.members.values()),
        bot_id=world.bot.id,
        owner_id=world.owner.id,
        channels=tuple(world.channels.values()),
        elsewhere=tuple(world.elsewhere.values()),
        direct=tuple(world.direct.values()),
        gone=tuple(world.gone),
        automod_rules=tuple(world.automod_rules),
        bot_token=world.bot_token,
    )


def world_again(kept: KeptWorld, clock: Clock) -> World:
    """The world that was kept; the clock is moved to where it was. Raises KeyError if it does not hold together."""
    clock.advance(kept.clock_shift_s)
    world = World(clock)
    world.snowflakes.last = max(world.snowflakes.last, kept.last_id)
    world.born_s = kept.born_s
    world.guild_id, world.guilds = kept.guild_id, dict(kept.guilds)
    world.roles = {role.id: role for role in kept.roles}
    world.everyone = world.roles[kept.guild_id]
    world.members = {member.id: member for member in kept.members}
    world.bot, world.owner = world.members[kept.bot_id], world.members[kept.owner_id]
    world.application_id, world.bot_token = kept.bot_id, kept.bot_token
    world.channels = {channel.id: channel for channel in kept.channels}
    world.elsewhere = {channel.id: channel for channel in kept.elsewhere}
    world.direct = {channel.recipient_id: channel for channel in kept.direct if channel.recipient_id is not None}
    world.gone = set(kept.gone)
    world.automod_rules = list(kept.automod_rules)
    return world
