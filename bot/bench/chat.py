"""`dalle-bot bench chat`: the real bot under a crowd of simulated users, judged by what they saw.

Three processes, so that measuring doesn't disturb what is measured: this one, which waits; the stand-in for Discord
with the crowd (chat_stand_in.py); the bot (chat_bot.py). Its steps: open, warm up with a job of each size, send, drain.
Called by the command, on an event loop of its own.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from bot.bench.chat_bot import dump_settings
from bot.bench.chat_bot_report import BotReport
from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_record import ChatRecord
from bot.bench.chat_report import ChatReport
from bot.bench.line_process import LineProcess
from bot.config import Settings
from bot.startup import StartUp

PRODUCT: Final = "bot.bench.chat_bot:open_as_product"

# Weights may have to be loaded and programs compiled; a large model on a slow processor draws for minutes.
_OPEN_TIMEOUT_S: Final = 1800.0
_CONNECT_TIMEOUT_S: Final = 60.0
_WARM_UP_S: Final = 600.0
_DRAIN_S: Final = 600.0
# Longer than the bot's interval of edits: whatever comes late is seen.
_QUIET_S: Final = 3.5
_GRACE_S: Final = 60.0

_T = TypeVar("_T")


async def measure_chat(
    settings: Settings,
    plan: ChatPlan,
    folder: Path,
    *,
    start_up: StartUp,
    engine: str = PRODUCT,
    watch: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> ChatReport:
    """Plays `plan` and judges it. folder: for the bot's data and log, and both records.

    engine: where the bot's process finds the function that opens its engine (see chat_bot.py). watch: entered with the
    id of that process while commands are sent and jobs are under way.
    Raises JobFailedError with what went wrong in one of the processes, or if one does not answer in time.
    """
    record, report = folder / "record.json", folder / "bot.json"
    async with (
        LineProcess.start("The stand-in for Discord", "bot.bench.chat_stand_in", folder / "stand-in.log") as stand_in,
        LineProcess.start("The bot", "bot.bench.chat_bot", folder / "bot.log") as bot,
    ):
        with start_up.stage("open the bot"):
            where = await stand_in.ask({"do": "open"}, _CONNECT_TIMEOUT_S)
            order: dict[str, Any] = {"do": "open", "settings": dump_settings(settings), "engine": engine, **where}
            order |= {"data_dir": str(folder / "data"), "timeout_s": _OPEN_TIMEOUT_S}
            await bot.ask(order, _OPEN_TIMEOUT_S + _GRACE_S)
            connected = {"do": "connected", "timeout_s": _CONNECT_TIMEOUT_S}
            await stand_in.ask(connected, _CONNECT_TIMEOUT_S + _GRACE_S)
        with start_up.stage("warm up"):
            await stand_in.ask({"do": "warm_up", "limit_s": _WARM_UP_S}, _WARM_UP_S + _GRACE_S)
            await bot.ask({"do": "watch"}, _GRACE_S)
        with watch(bot.pid):
            with start_up.stage(f"send for {plan.seconds:g} s"):
                await stand_in.ask({"do": "send", "plan": asdict(plan)}, plan.seconds + _GRACE_S)
            with start_up.stage("drain"):
                order = {"do": "drain", "limit_s": _DRAIN_S, "quiet_s": _QUIET_S, "path": str(record)}
                await stand_in.ask(order, _DRAIN_S + _QUIET_S + _GRACE_S)
        await bot.ask({"do": "report", "path": str(report)}, _GRACE_S)
    return ChatReport(plan, _read(record, ChatRecord.from_json), _read(report, BotReport.from_json))


def _read(path: Path, parse: Callable[[dict[str, Any]], _T]) -> _T:
    return parse(json.loads(path.read_text(encoding="utf-8")))
