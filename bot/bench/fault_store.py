"""Holds the bot's store against what the users of a soak saw. Called once the bot has ended, on the bench's loop."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from bot.bench.chat_accounts import Account, Outcome, judge
from bot.bench.chat_record import ChatRecord
from bot.config import Settings
from bot.store import JobRecord, JobState, Store
from bot.store.states import FINAL_STATES

MAX_JOBS_OF_ONE: Final = 100_000


async def store_problems(settings: Settings, record: ChatRecord) -> list[str]:
    """Invariants that don't hold, a sentence each: every job is over; no two jobs have the same message; a job was
    delivered if, and only if, its user saw pictures. Raises StoreError."""
    users = {int(sent.user_id) for sent in record.sent}
    async with Store.open(settings.store_url) as store:
        jobs = [job for user in users for job in await store.jobs.latest_of(user, MAX_JOBS_OF_ONE)]
    return problems_of(jobs, judge(record))


def problems_of(jobs: Sequence[JobRecord], accounts: Sequence[Account]) -> list[str]:
    """As `store_problems`. Pure."""
    problems = [f"job {job.id} is still {job.state}" for job in jobs if job.state not in FINAL_STATES]
    shown = Counter(job.message_id for job in jobs if job.message_id is not None)
    problems += [f"message {message_id} is that of {number} jobs" for message_id, number in shown.items() if number > 1]
    by_interaction = {str(job.interaction_id): job for job in jobs}
    for account in accounts:
        job = by_interaction.get(account.sent.interaction_id)
        was_seen = account.outcome is Outcome.DELIVERED
        if job is None and account.outcome in (Outcome.DELIVERED, Outcome.FAILED, Outcome.LOST):
            problems.append(f"the command {account.sent.interaction_id} was acknowledged, and there is no job of it")
        elif job is not None and was_seen != (job.state is JobState.DELIVERED):
            problems.append(f"job {job.id} is {job.state}, and its user's command was {account.outcome}")
    return problems
