"""The process of the stand-in for Discord and its crowd in `bench chat`: `python -m bot.bench.chat_stand_in`.

Orders (see line_process.py), in this sequence:

- {"do": "open"} → {"address", "token"}
- {"do": "connected", "timeout_s"} → {}: once the bot is there and has registered its commands
- {"do": "warm_up", "limit_s"} → {}: once a job of each size was delivered
- {"do": "send", "plan": ChatPlan} → {"sent"}: once all commands are sent
- or, again and again, {"do": "keep_busy", "seed", "users", "max_open", "jobs", "limit_s", "share", "burst"} → {"jobs"}:
  once so many jobs in all have been acknowledged, and `burst` more commands sent; the first time, the plan of faults of
  that seed and share begins
- or {"do": "flood", "interactions"} → {}: once so many commands are on their way that nobody need answer
- and then {"do": "calm"} → {"faults": {kind: number}}: ends the faults
- {"do": "drain", "limit_s", "quiet_s", "path"} → {}: once all is settled and the ChatRecord is in the file `path`
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.bench.chat_accounts import Outcome, judge
from bot.bench.chat_crowd import Crowd
from bot.bench.chat_plan import ChatPlan, endless_orders, plan_orders, warm_up_orders
from bot.bench.chat_plan import Order as PlannedOrder
from bot.bench.chat_record import ChatRecord
from bot.bench.line_process import Answer, Order, serve_orders
from bot.errors import JobFailedError
from bot.sandbox.errors import SandboxError
from bot.sandbox.fault_plan import FaultPlan
from bot.sandbox.finality import Patience
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.server import SandboxServer


@dataclass(slots=True)
class _StandIn:
    """stop: ends the server. orders: what is to be sent yet, once it keeps the bot busy."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Future[tuple[SandboxServer, Crowd]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    orders: Iterator[PlannedOrder] | None = None

    def on_ready(self, _: Handshake, server: SandboxServer) -> None:
        self.opened.set_result((server, Crowd(server)))

    async def handle(self, order: Order) -> Answer:
        server, crowd = await self.opened
        match order["do"]:
            case "open":
                return {"address": server.address, "token": server.token}
            case "connected":
                state = await server.wait_until_connected(order["timeout_s"])
                if not all(state.values()):
                    raise SandboxError("The bot did not connect to the stand-in and register its commands in time.")
            case "warm_up":
                await crowd.send(warm_up_orders())
                _check_warm_up(await crowd.drain(order["limit_s"], 0.0))
            case "send":
                orders = plan_orders(ChatPlan(**order["plan"]))
                await crowd.send(orders)
                return {"sent": len(orders)}
            case "keep_busy":
                if self.orders is None:
                    crowd.begin()
                    self.orders = endless_orders(order["seed"], order["users"])
                    server.faults.follow(FaultPlan(order["seed"], order["share"]))
                return {
                    "jobs": await crowd.keep_busy(
                        self.orders,
                        order["jobs"],
                        max_open=order["max_open"],
                        limit_s=order["limit_s"],
                        burst=order["burst"],
                    )
                }
            case "flood":
                await crowd.flood(order["interactions"])
            case "calm":
                server.faults.follow(None)
                return {"faults": server.faults.counts}
            case "drain":
                record = await crowd.drain(order["limit_s"], order["quiet_s"])
                await asyncio.to_thread(_write, Path(order["path"]), record)
            case unknown:
                raise ValueError(f"{unknown!r} is no order")
        return {}


def _check_warm_up(record: ChatRecord) -> None:
    for account in judge(record):
        if account.outcome is not Outcome.DELIVERED:
            said = [seen.content for seen in record.seen if seen.interaction_id == account.sent.interaction_id]
            raise JobFailedError(f"The warm-up's job was {account.outcome}: {said[-1] if said else 'not a word.'}")


def _write(path: Path, record: ChatRecord) -> None:
    path.write_text(json.dumps(record.to_json()), encoding="utf-8")


async def _main() -> None:
    stand_in = _StandIn()
    serving = asyncio.create_task(serve(0, None, Patience(), stand_in.stop, stand_in.on_ready))
    try:
        await serve_orders(stand_in.handle)
    finally:
        stand_in.stop.set()
        await serving


if __name__ == "__main__":
    asyncio.run(_main())
