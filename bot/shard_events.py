"""What the shards' connections tell the client, as discord.py queues it. Made by the client, on the event loop."""

import asyncio

from discord.gateway import ReconnectWebSocket
from discord.shard import EventItem, EventType


class ShardEvents(asyncio.PriorityQueue[EventItem]):
    """discord.py's queue, but for one thing: a gateway that hangs up before it greets, while a shard connects anew
    after an outage, is a reason to try again. discord.py itself takes it for an error and ends the program."""

    def put_nowait(self, item: EventItem) -> None:
        """As its base."""
        if item.type == EventType.terminate and isinstance(item.error, ReconnectWebSocket):
            kind = EventType.resume if item.error.resume else EventType.identify
            item = EventItem(kind, item.shard, item.error)
        super().put_nowait(item)
