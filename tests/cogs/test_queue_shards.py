"""Which jobs /queue lists where a member has some in servers of several processes."""

from pathlib import Path
from unittest.mock import MagicMock

from bot.cogs.queue import QueueCog
from bot.shards import Shards
from bot.store import Store
from tests.store.samples import SNOWFLAKE, new_job, url_of


async def test_only_jobs_that_this_process_can_end_are_listed(tmp_path: Path) -> None:
    others = dict.fromkeys(("executor", "deliveries", "cancelling", "languages"), MagicMock())
    async with Store.open(url_of(tmp_path)) as store:
        for shard in range(3):
            await store.jobs.create(new_job(shard, guild_id=(3 + shard) << 22))
        queue = QueueCog(store=store.jobs, shards=Shards(3, (1,)), **others)
        assert [job.record.guild_id for job in await queue._unfinished(SNOWFLAKE)] == [4 << 22]
