"""`dalle-bot bench overload`: many times more commands than can be drawn, and what the bot does with the rest.

It is `bench chat` (see chat.py) with an engine whose pace is known, so that the load is a multiple of a capacity, and
with an eye on the memory of the bot's process. The engine draws nothing, at the size of real pictures: what comes
before it and after it is what is measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bot.bench.chat import measure_chat
from bot.bench.chat_plan import MIX, ChatPlan
from bot.bench.memory_trace import MemoryTrace
from bot.bench.overload_report import OverloadReport
from bot.config import Settings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine
from bot.startup import StartUp, spare_collections

NUM_USERS: Final = 900
NUM_SLOTS: Final = 4
IMAGE_LENGTH: Final = 16
IMAGE_SIZE_PX: Final = 256
IMAGE_S: Final = 0.4
"""Seconds that an image takes, beside those in the other slots."""
CAPACITY: Final = NUM_SLOTS / IMAGE_S / (sum(MIX) / len(MIX))
"""Commands a second of `bench chat`'s mix that the engine can draw."""
PACED: Final = "bot.bench.overload:open_paced"


def open_paced(settings: Settings, start_up: StartUp) -> Engine:
    """The OpenEngine (see chat_bot.py) of the bot's process."""
    num_chunks = -(-IMAGE_LENGTH // settings.engine.chunk_tokens)
    engine = FakeEngine(
        num_slots=NUM_SLOTS, image_length=IMAGE_LENGTH, image_size_px=IMAGE_SIZE_PX, delay_s=IMAGE_S / num_chunks
    )
    # As the end of every start: otherwise garbage would lie about for longer than in a bot that serves.
    spare_collections()
    return engine


async def measure_overload(
    settings: Settings, folder: Path, *, times: float, seconds: float, seed: int, start_up: StartUp
) -> OverloadReport:
    """times: the load as a multiple of the capacity. seconds: how long. folder: as for `measure_chat`, which also says
    what is raised."""
    traces: list[MemoryTrace] = []

    @contextmanager
    def watch(pid: int) -> Iterator[None]:
        with MemoryTrace(pid) as trace:
            traces.append(trace)
            yield

    plan = ChatPlan(NUM_USERS, seconds, every_s=NUM_USERS / (times * CAPACITY), seed=seed)
    chat = await measure_chat(settings, plan, folder, start_up=start_up, engine=PACED, watch=watch)
    return OverloadReport(chat, times, CAPACITY, [sample for trace in traces for sample in trace.samples])
