"""Jobs that the bot does not survive: one that hangs the device would do so again at every start. Asked at a start, on
the event loop.

How often the bot ended while a job was being drawn is kept beside the jobs. A stop in peace counts too, since nobody
can tell them apart afterwards; hardly any job is drawn across several of those.
"""

import asyncio
import json
import logging
from collections.abc import Collection
from typing import Final

from bot.errors import StoreError
from bot.store import JobOutline, JobState, Store

MAX_ENDS: Final = 3
STORE_TIMEOUT_S: Final = 10.0
KEY: Final = "ends_while_drawing"

_log = logging.getLogger(__name__)


async def fatal_jobs(store: Store, unfinished: Collection[JobOutline], *, are_left: Collection[str]) -> frozenset[str]:
    """The ids of those that are to be given up: they were being drawn at more than MAX_ENDS ends of the bot.

    unfinished: all that there are. are_left: the ids of those that the last run of this process has left; this start
    counts for them. If the store can't say, there are none.
    """
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            before = await store.values.get(KEY)
            known: dict[str, int] = json.loads(before or "{}")
            ends = {
                job.id: known.get(job.id, 0) + (job.state is JobState.RUNNING and job.id in are_left)
                for job in unfinished
            }
            ends = {job_id: number for job_id, number in ends.items() if number}
            if ends != known:
                await store.values.set(KEY, json.dumps(ends))
    except (StoreError, TimeoutError) as error:
        _log.warning("how often the bot ended with its jobs is not known: %s", str(error) or type(error).__name__)
        return frozenset()
    return frozenset(job_id for job_id, number in ends.items() if number > MAX_ENDS)
