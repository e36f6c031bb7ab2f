"""A process for the tests of LineProcess: `python -m tests.bench.line_servant`."""

import asyncio
import os
import sys

from bot.bench.line_process import Answer, Order, serve_orders
from bot.errors import JobFailedError


async def _handle(order: Order) -> Answer:
    match order["do"]:
        case "double":
            return {"doubled": 2 * order["number"]}
        case "fail":
            raise JobFailedError("It can't be done.")
        case "sleep":
            await asyncio.sleep(1.0)
        case "work":
            try:
                await asyncio.sleep(3600.0)
            finally:
                sys.stderr.write("tidied up\n")
        case "die":
            sys.stderr.write("I die\n")
            sys.stderr.flush()
            os._exit(3)
    return {"variables": sorted(os.environ)}


if __name__ == "__main__":
    asyncio.run(serve_orders(_handle))
