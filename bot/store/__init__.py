"""Every job with its parameters, state and message ids, in SQL.

The client's cogs use `JobStore` on the event loop. Frozen dataclasses go in and come out; no row or session leaves.
"""

from bot.store.jobs import JobStore
from bot.store.records import JobRecord, NewJob
from bot.store.states import FINAL_STATES, JobState, may_move

__all__ = ["FINAL_STATES", "JobRecord", "JobState", "JobStore", "NewJob", "may_move"]
