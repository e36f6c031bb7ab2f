"""The database and the jobs in it. Used by the examination; event loop, with what blocks in threads."""

from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from bot.config import TelemetrySettings
from bot.doctor.finding import Outcome, failed, ok, warned
from bot.shards import Shards, format_ids
from bot.store.inspection import Inspection
from bot.store.refusals import NEWER

STUCK_AFTER: Final = timedelta(minutes=30)
REVIEW_AFTER: Final = timedelta(days=1)


def check_store(seen: Inspection) -> Outcome:
    """Whether this version of the program can use the database."""
    if not seen.is_there:
        return ok(f"{seen.name} is made at the first start.")
    if not seen.is_known:
        return failed(f"{seen.name} {NEWER.found}", NEWER.cure)
    if seen.revision != seen.newest:
        return warned(
            f"{seen.name} has the schema {seen.revision}, and this version uses {seen.newest}.",
            "The next start upgrades it, which can't be undone: make a backup before.",
        )
    return ok(f"{seen.name} answers and has the schema {seen.revision}.")


def check_queue(seen: Inspection, now: datetime | None = None) -> Outcome:
    """Whether accepted jobs move. now: aware."""
    now = now or datetime.now(UTC)
    jobs, reviews = seen.under_way, seen.in_review
    if jobs.oldest_at is not None and now - jobs.oldest_at > STUCK_AFTER:
        return failed(
            f"{_count(jobs.num_jobs)} unfinished; the oldest has not moved since {_moment(jobs.oldest_at)}.",
            "Start the bot, or restart it if it runs: it goes on with them. Its log says what held them up.",
        )
    if reviews.oldest_at is not None and now - reviews.oldest_at > REVIEW_AFTER:
        return warned(
            f"{_count(reviews.num_jobs)} waiting for moderators, the oldest since {_moment(reviews.oldest_at)}.",
            "Tell the moderators, who find them with /mod review, or set a deadline in /settings.",
        )
    return ok(f"{_count(jobs.num_jobs)} under way, {reviews.num_jobs} waiting for moderators.")


def check_shards(seen: Inspection, shards: Shards) -> Outcome:
    """Whether every shard of the bot has a process. shards: of this one."""
    for _, count, owner in seen.leases:
        if count != shards.count:
            return failed(
                f"sharding.count is {shards.count} here and {count} in another process ({owner}).",
                "Stop all processes, set the same number everywhere, and start them again.",
            )
    held = {shard for shard, _, _ in seen.leases}
    free = [shard for shard in range(shards.count) if shard not in held]
    if free:
        return warned(
            f"The shards {format_ids(free)} of {shards.count} have no process.",
            "Start one for each of them, with sharding.ids: their servers get no answers until then.",
        )
    owners = {owner for _, _, owner in seen.leases}
    return ok(f"{shards.count} shards have {len(owners)} {'process' if len(owners) == 1 else 'processes'}.")


async def check_running(session: aiohttp.ClientSession, telemetry: TelemetrySettings) -> Outcome | None:
    """What a bot that runs here says of itself. None if it is well, or if none can be asked."""
    if not telemetry.enabled or not telemetry.port:
        return None
    host = "127.0.0.1" if telemetry.host in ("0.0.0.0", "::") else telemetry.host  # noqa: S104 - it is only asked
    try:
        async with session.get(f"http://{host}:{telemetry.port}/healthz") as response:
            told = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    if response.status == 200 or not isinstance(told, dict) or "checks" not in told:
        return None  # it is well, or somebody else listens there
    wrong = ", ".join(f"{name}: {check['found']}" for name, check in told["checks"].items() if not check["ok"])
    return failed(f"The bot that runs says that it is not well ({wrong}).", "Restart it: it goes on with its jobs.")


def _count(number: int) -> str:
    return f"{number} {'job is' if number == 1 else 'jobs are'}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
