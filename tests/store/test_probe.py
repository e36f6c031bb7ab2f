"""A database that can be read and not written is seen, soon, and at little cost."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.store import Store, ValueStore
from bot.store.database import create_blocking_engine, sqlite_file
from bot.store.probe import EVERY_S, StoreProbe
from bot.telemetry.metrics import Metrics
from bot.telemetry.verdict import Check
from tests.clock import Clock
from tests.conftest import TIMEOUT_S
from tests.faults.store_faults import StoreFaults
from tests.store.postgres import PostgresServer
from tests.store.samples import run_sql, url_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def locked(url: str, store: Store) -> Iterator[None]:
    with create_blocking_engine(make_url(url), TIMEOUT_S).begin():
        yield


@contextmanager
def moved(url: str, store: Store) -> Iterator[None]:
    """Whatever is there instead."""
    file = sqlite_file(make_url(url))
    assert file is not None
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    yield
    os.rename(aside, file)


@contextmanager
def replaced(url: str, store: Store) -> Iterator[None]:
    with moved(url, store):
        file = sqlite_file(make_url(url))
        assert file is not None
        shutil.copy(file.with_suffix(".aside"), file)
        yield


@contextmanager
def full(url: str, store: Store) -> Iterator[None]:
    """What it takes can't be committed."""
    faults = StoreFaults("full", left=1)
    faults.put_on(store)
    yield
    assert faults.num_met == 1


Fault = Callable[[str, Store], AbstractContextManager[None]]


async def check_seen(url: str, clock: Clock, fault: Fault) -> None:
    """In the fault and after it, once what was found before is too old."""
    async with Store.open(url, busy_timeout_s=0.05) as store:
        probe = StoreProbe(store.values, timeout_s=TIMEOUT_S, clock=clock)
        assert (await probe.check()).is_ok
        with fault(url, store):
            clock.now_s += EVERY_S
            assert await probe.check() == Check("store", False, "takes no writes")
            assert await store.values.get("readiness") is not None, "it can be read"
        clock.now_s += EVERY_S
        assert (await probe.check()).is_ok
        await probe.aclose()


@pytest.mark.fault
@pytest.mark.parametrize("fault", [locked, full])
async def test_a_database_that_can_not_be_written_is_seen(store_url: str, clock: Clock, fault: Fault) -> None:
    await check_seen(store_url, clock, fault)


@pytest.mark.fault
@pytest.mark.parametrize("fault", [moved, replaced])
async def test_a_file_that_is_elsewhere_is_seen(tmp_path: Path, clock: Clock, fault: Fault) -> None:
    await check_seen(url_of(tmp_path), clock, fault)


@pytest.mark.fault
async def test_a_server_that_takes_no_writes_is_seen_and_so_is_one_whose_database_is_gone(
    postgres: PostgresServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        with postgres.database() as url:
            store = await stack.enter_async_context(Store.open(url, metrics=metrics))
            probe = StoreProbe(store.values, timeout_s=TIMEOUT_S, clock=clock)
            assert (await probe.check()).is_ok
            run_sql(url, f"ALTER DATABASE {make_url(url).database} SET default_transaction_read_only = on")
            postgres.disconnect_all()
            clock.now_s += EVERY_S
            assert await probe.check() == Check("store", False, "takes no writes")
            assert "can only be read: its server is a standby" in caplog.text
            assert metrics.registry.get_sample_value("dalle_bot_store_errors_total", {"kind": "read_only"}) == 1
        clock.now_s += EVERY_S
        assert await probe.check() == Check("store", False, "takes no writes")
        assert "its server has no database of that name" in caplog.text


async def test_however_many_ask_it_is_written_to_once_in_a_while(tmp_path: Path, clock: Clock) -> None:
    metrics = Metrics()

    def num_writes() -> float | None:
        return metrics.registry.get_sample_value("dalle_bot_store_transaction_seconds_count", {"access": "write"})

    async with Store.open(url_of(tmp_path), metrics=metrics) as store:
        probe = StoreProbe(store.values, timeout_s=TIMEOUT_S, clock=clock)
        first = await asyncio.gather(*(probe.check() for _ in range(20)))
        clock.now_s += EVERY_S - 0.1
        assert [await probe.check(), *first] == [first[0]] * 21
        assert num_writes() == 1
        clock.now_s += 0.1
        assert (await probe.check()).is_ok
        assert num_writes() == 2


class HangingValues(ValueStore):
    """Takes no notice of being cancelled until its server comes back, as psycopg does for some seconds."""

    def __init__(self) -> None:
        self.num_begun = 0
        self.back = asyncio.Event()

    async def set(self, key: str, value: str, *, is_urgent: bool = False) -> None:
        self.num_begun += 1
        while not self.back.is_set():
            with suppress(asyncio.CancelledError):
                await self.back.wait()


@pytest.mark.fault
async def test_a_server_that_hangs_holds_nobody_up(clock: Clock) -> None:
    values = HangingValues()
    probe = StoreProbe(values, timeout_s=0.01, clock=clock)
    for _ in range(3):
        async with asyncio.timeout(TIMEOUT_S):
            assert await probe.check() == Check("store", False, "took no write within 0.01 s")
        clock.now_s += EVERY_S
    assert values.num_begun == 1, "one that hangs is enough"
    values.back.set()
    async with asyncio.timeout(TIMEOUT_S):
        while not (await probe.check()).is_ok:
            clock.now_s += EVERY_S
