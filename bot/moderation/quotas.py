"""Which limits count for a member: those of their roles in the place of everybody's. Pure; admission asks.

Of several roles the most generous one counts, for each limit by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass

from bot.guild_settings import GuildSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """max_jobs, daily_images: None for no limit of the guild's. cooldown_s: 0 for none. by_role: the names of those
    that come from a role."""

    max_jobs: int | None
    cooldown_s: int
    daily_images: int | None
    weight: float
    by_role: frozenset[str] = frozenset()


def limits_of(settings: GuildSettings, role_ids: Collection[int]) -> Limits:
    """What counts for a member with these roles."""
    theirs = [limits for limits in settings.role_limits if limits.role_id in role_ids]
    max_jobs = [limits.max_jobs for limits in theirs if limits.max_jobs is not None]
    cooldowns = [limits.cooldown_s for limits in theirs if limits.cooldown_s is not None]
    daily_images = [limits.daily_images for limits in theirs if limits.daily_images is not None]
    weights = [limits.weight for limits in theirs if limits.weight is not None]
    named = {"max_jobs": max_jobs, "cooldown_s": cooldowns, "daily_images": daily_images}
    return Limits(
        max_jobs=_most(max_jobs) if max_jobs else settings.max_jobs_per_user,
        cooldown_s=min(cooldowns, default=settings.cooldown_s),
        daily_images=_most(daily_images) if daily_images else settings.daily_images,
        weight=max(weights, default=1.0),
        by_role=frozenset(name for name, given in named.items() if given),
    )


def _most(counts: Collection[int]) -> int | None:
    """0 is no limit."""
    return None if 0 in counts else max(counts)
