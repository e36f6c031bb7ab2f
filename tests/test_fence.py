"""What goes out to Discord while the fence is open, and what doesn't once it is closed."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bot.fence import Fence, FenceClosedError
from tests.conftest import TIMEOUT_S


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_it_is_open_until_somebody_says_when_it_closes() -> None:
    fence = Fence()
    async with fence.passing():
        assert not fence.is_closed
    fence.close_at(now_s() + TIMEOUT_S)
    async with fence.passing():
        assert not fence.is_closed


async def test_once_closed_nothing_passes_and_it_stays_so() -> None:
    fence = Fence()
    fence.close_at(now_s())
    fence.close_at(now_s() + TIMEOUT_S)
    assert fence.is_closed
    with pytest.raises(FenceClosedError, match="lost its shards"):
        async with fence.passing():
            raise AssertionError("it has passed")
    await asyncio.wait_for(fence.closed(), TIMEOUT_S)


async def test_what_is_under_way_is_broken_off() -> None:
    fence = Fence()

    async def request() -> None:
        async with fence.passing():
            fence.close_at(now_s())
            await asyncio.sleep(TIMEOUT_S)

    with pytest.raises(TimeoutError):
        await request()


async def test_what_is_under_way_goes_on_when_the_end_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    fence, loop = Fence(), asyncio.get_running_loop()
    first_s, clock = now_s() + TIMEOUT_S, loop.time
    fence.close_at(first_s)
    async with fence.passing():
        fence.close_at(now_s() + 10 * TIMEOUT_S)
        monkeypatch.setattr(loop, "time", lambda: clock() + TIMEOUT_S)
        assert now_s() >= first_s
        # What is due by now has its turn.
        await asyncio.sleep(0.01)


async def test_whoever_waits_for_the_end_hears_of_it_at_once() -> None:
    fence = Fence()
    fence.close_at(now_s() + 1000 * TIMEOUT_S)
    waiting = asyncio.create_task(fence.closed())
    await asyncio.sleep(0)
    fence.close_at(now_s())
    await asyncio.wait_for(waiting, TIMEOUT_S)


async def test_no_attempt_reaches_the_server_once_it_is_closed() -> None:
    """As after a pause of the whole process, when the fence's own timer has not run yet."""
    fence, trace, asked = Fence(), aiohttp.TraceConfig(), []
    trace.on_request_start.append(fence.on_attempt)

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(f"http://{host}:{port}", trace_configs=[trace]) as session:
            async with session.get("/before"):
                fence.close_at(now_s())
            with pytest.raises(FenceClosedError):
                await session.get("/after")
    finally:
        await runner.cleanup()
    assert asked == ["/before"]
