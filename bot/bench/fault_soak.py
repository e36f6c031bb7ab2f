"""`dalle-bot bench chat --faults`: the real bot under a crowd while Discord, the engine and the bot's own process fail.

The processes are those of `bench chat` (chat.py). Discord's faults come by the plan of the stand-in, the engine's by
fault_engine.py; this one kills the bot's process now and then, in the middle of its work, and starts it anew on the
same data. All of it follows from one seed. Called by the command, on an event loop of its own.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from bot.bench.chat_bot import dump_settings
from bot.bench.chat_bot_report import BotReport
from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_record import ChatRecord
from bot.bench.fault_report import KILLED, FaultReport
from bot.bench.fault_store import store_problems
from bot.bench.line_process import LineProcess
from bot.bench.pixels import expected_pixels
from bot.config import Settings
from bot.startup import StartUp

FAULTY: Final = "bot.bench.fault_engine:open_faulty"
SLICE_JOBS: Final = 20
# Before each kill so many commands are sent, and so many seconds at most go by: it comes while they are answered.
BURST: Final = 6
MAX_DELAY_S: Final = 0.5

_OPEN_TIMEOUT_S: Final = 1800.0
_CONNECT_TIMEOUT_S: Final = 120.0
_SLICE_S: Final = 1800.0
_DRAIN_S: Final = 1800.0
_QUIET_S: Final = 3.5
_GRACE_S: Final = 120.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """jobs: how many are to be acknowledged. share: of the commands that a fault comes before. jobs_per_kill: of the
    bot's process, on average. users: of whom at most `max_open` commands are under way at once."""

    jobs: int
    seed: int
    share: float = 0.3
    jobs_per_kill: int = 100
    users: int = 40
    max_open: int = 12

    def kills(self) -> list[tuple[int, float]]:
        """After how many acknowledged jobs the process is killed, and how many seconds later."""
        rng = random.Random(f"kills/{self.seed}")  # noqa: S311 - no secret
        number = max(1, round(self.jobs / self.jobs_per_kill))
        places = sorted(rng.sample(range(1, self.jobs), min(number, self.jobs - 1)))
        return [(place, rng.uniform(0.0, MAX_DELAY_S)) for place in places]


async def soak(
    settings: Settings, plan: SoakPlan, folder: Path, *, start_up: StartUp, product: str | None = None
) -> FaultReport:
    """Plays `plan` and judges it. folder: for the bot's data and logs, and both records.

    product: where the bot's process finds the function that opens the real engine; None for the fake one, whose
    pictures are known. Raises JobFailedError with what went wrong in one of the processes, or if one does not answer
    in time.
    """
    record, report, tally = folder / "record.json", folder / "bot.json", folder / "engine-faults"
    kills = plan.kills()
    async with (
        LineProcess.start("The stand-in for Discord", "bot.bench.chat_stand_in", folder / "stand-in.log") as stand_in,
        AsyncExitStack() as stack,
    ):
        where = await stand_in.ask({"do": "open"}, _CONNECT_TIMEOUT_S)
        order: dict[str, Any] = {"do": "open", "settings": dump_settings(settings), **where}
        order |= {"data_dir": str(folder / "data"), "timeout_s": _OPEN_TIMEOUT_S, "engine": product or FAULTY}
        soaking = _Soaking(plan, folder, stand_in, order, tally if product is None else None)
        stack.push_async_callback(soaking.aclose)
        with start_up.stage("open the bot"):
            await soaking.start_bot()
            await stand_in.ask({"do": "warm_up", "limit_s": _DRAIN_S}, _DRAIN_S + _GRACE_S)
        with start_up.stage("soak", total=plan.jobs, unit="jobs") as advance:
            for place, delay_s in kills:
                await soaking.reach(place, advance, burst=BURST)
                await soaking.kill_bot(delay_s)
            await soaking.reach(plan.jobs, advance)
            faults: Counter[str] = Counter((await stand_in.ask({"do": "calm"}, _GRACE_S))["faults"])
        with start_up.stage("drain"):
            drain = {"do": "drain", "limit_s": _DRAIN_S, "quiet_s": _QUIET_S, "path": str(record)}
            await stand_in.ask(drain, _DRAIN_S + _QUIET_S + _GRACE_S)
            await soaking.bot.ask({"do": "report", "path": str(report)}, _GRACE_S)
            await soaking.aclose()
    faults[KILLED] = len(kills)
    faults.update(tally.read_text(encoding="utf-8").splitlines() if tally.exists() else ())
    seen = _read(record, ChatRecord.from_json)
    took_s = seen.ended_s - seen.began_s
    return FaultReport(
        ChatPlan(plan.users, took_s, plan.users * took_s / len(seen.sent), plan.seed),
        seen,
        _read(report, BotReport.from_json),
        expected=expected_pixels if product is None else None,
        faults=dict(faults),
        store_problems=tuple(await store_problems(settings.model_copy(update={"data_dir": folder / "data"}), seen)),
    )


class _Soaking:
    """The bot's process, as often as it is started. tally: of the fake engine's faults; None for the real one."""

    def __init__(
        self, plan: SoakPlan, folder: Path, stand_in: LineProcess, order: dict[str, Any], tally: Path | None
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._stand_in = stand_in
        self._order = order
        self._tally = tally
        self._num_starts = 0
        self._num_jobs = 0
        self._stack = AsyncExitStack()
        self.bot: LineProcess

    async def start_bot(self) -> None:
        self._num_starts += 1
        log = self._folder / f"bot-{self._num_starts}.log"
        self.bot = await self._stack.enter_async_context(LineProcess.start("The bot", "bot.bench.chat_bot", log))
        order = self._order
        if self._tally is not None:
            arguments = {"seed": self._plan.seed, "run": self._num_starts, "tally": str(self._tally)}
            order = order | {"engine_arguments": arguments}
        await self.bot.ask(order, _OPEN_TIMEOUT_S + _GRACE_S)
        connected = {"do": "connected", "timeout_s": _CONNECT_TIMEOUT_S}
        await self._stand_in.ask(connected, _CONNECT_TIMEOUT_S + _GRACE_S)
        await self.bot.ask({"do": "watch"}, _GRACE_S)

    async def kill_bot(self, delay_s: float) -> None:
        """And start it anew."""
        await asyncio.sleep(delay_s)
        await self.bot.kill()
        await self._stack.aclose()
        await self.start_bot()

    async def aclose(self) -> None:
        """Lets the bot end in good order. Safe to call twice."""
        await self._stack.aclose()

    async def reach(self, num_jobs: int, advance: Callable[[int], None], *, burst: int = 0) -> None:
        """Keeps it busy until so many jobs in all have been acknowledged; then sends `burst` commands more."""
        while self._num_jobs < num_jobs:
            jobs = min(num_jobs, self._num_jobs + SLICE_JOBS)
            order = {"do": "keep_busy", "jobs": jobs, "limit_s": _SLICE_S, "burst": burst if jobs == num_jobs else 0}
            order |= {"seed": self._plan.seed, "users": self._plan.users, "max_open": self._plan.max_open}
            answer = await self._stand_in.ask(order | {"share": self._plan.share}, _SLICE_S + _GRACE_S)
            advance(answer["jobs"] - self._num_jobs)
            self._num_jobs = answer["jobs"]


def _read(path: Path, parse: Callable[[dict[str, Any]], _T]) -> _T:
    return parse(json.loads(path.read_text(encoding="utf-8")))
