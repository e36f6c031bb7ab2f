"""Which jobs /queue lists where a member has some in servers of several processes."""

from pathlib import Path
from unittest.mock import MagicMock

from bot.cogs.queue import QueueCog
from bot.shards import Shards
from bot.store import Store
from tests.store.samples import SNOWFLAKE, new_job, url_of


async def test_all_of_them_are_listed_and_those_of_other_processes_as_such(tmp_path: Path) -> None:
    others = dict.fromkeys(("executor", "deliveries", "cancelling", "languages"), MagicMock())
    others["deliveries"].standing.return_value = None
    async with Store.open(url_of(tmp_path)) as store:
        for shard in range(3):
            await store.jobs.create(new_job(shard, guild_id=(3 + shard) << 22))
        queue = QueueCog(store=store.jobs, shards=Shards(3, (1,)), **others)
        listed = await queue._unfinished(SNOWFLAKE)
    assert [(job.record.guild_id, job.is_elsewhere) for job in listed] == [
        (3 << 22, True),
        (4 << 22, False),
        (5 << 22, True),
    ]
