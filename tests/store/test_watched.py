"""Transactions as metrics: what is timed, what counts as a failure and what does not."""

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from bot.errors import StoreError
from bot.store import JobState, NewJob, Store, watched
from bot.store.database import create_blocking_engine, describe
from bot.store.refusals import LOCKED
from bot.store.watched import kind_of
from bot.telemetry.metrics import STORE_ERRORS, Metrics
from tests.conftest import TIMEOUT_S, eventually
from tests.faults.store_faults import StoreFaults
from tests.store.samples import locked


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"dalle_bot_store_{name}", labels)
    assert found is not None
    return found


def errors(metrics: Metrics) -> dict[str, float]:
    counted = {kind: value(metrics, "errors_total", kind=kind) for kind in STORE_ERRORS}
    return {kind: count for kind, count in counted.items() if count}


def new_job(job_id: str) -> NewJob:
    return NewJob(
        id=job_id, prompt="a", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=int(job_id, 16), guild_id=3
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
async def store(file: Path, metrics: Metrics) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{file}", busy_timeout_s=0.05, metrics=metrics) as store:
        yield store


async def test_transactions_are_timed_by_what_they_do(store: Store, metrics: Metrics) -> None:
    await store.jobs.create(new_job("0000000000aa"))
    await store.jobs.get("0000000000aa")
    await store.jobs.get("0000000000aa")
    counts = [value(metrics, "transaction_seconds_count", access=access) for access in ("write", "read")]
    assert counts == [1, 2]
    assert errors(metrics) == {}


async def test_a_locked_database_is_counted_once(store: Store, metrics: Metrics, file: Path) -> None:
    with locked(file), pytest.raises(StoreError, match="locked"):
        await store.jobs.create(new_job("0000000000aa"))
    assert errors(metrics) == {"locked": 1}
    await store.jobs.create(new_job("0000000000aa"))
    assert errors(metrics) == {"locked": 1}


async def test_what_the_store_refuses_by_its_rules_is_no_failure(store: Store, metrics: Metrics) -> None:
    await store.jobs.create(new_job("0000000000aa"))
    with pytest.raises(StoreError, match="already"):
        await store.jobs.create(new_job("0000000000aa"))
    with pytest.raises(StoreError, match="can't become"):
        await store.jobs.move("0000000000aa", JobState.DELIVERED)
    assert errors(metrics) == {}


async def test_whoever_gives_up_waiting_is_counted(store: Store, metrics: Metrics) -> None:
    holder = asyncio.Event()

    async def hold() -> None:
        async with store.jobs._database.transaction():
            await holder.wait()

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await store.jobs.create(new_job("0000000000aa"))
    holder.set()
    await holding
    assert errors(metrics) == {"abandoned": 1}


async def test_whoever_gives_up_on_a_locked_database_was_locked_out(
    store_url: str, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """The one whose turn it is, and those that wait behind it."""

    async def give_up(store: Store, number: int) -> str:
        try:
            await store.jobs.create(new_job(f"{number:012x}"))
        except asyncio.CancelledError as error:
            return "".join(traceback.format_exception(error))
        return "nothing kept it waiting"

    url = make_url(store_url)
    async with Store.open(store_url, busy_timeout_s=TIMEOUT_S, metrics=metrics) as store:
        with create_blocking_engine(url, TIMEOUT_S).begin():
            writing = [asyncio.create_task(give_up(store, number)) for number in (1, 2)]
            await eventually(lambda: store.jobs._database._at_lock is not None)
            for each in writing:
                each.cancel()
        tracebacks = await asyncio.gather(*writing)
        await store.jobs.create(new_job("0000000000aa"))
    sentence = str(LOCKED.error(describe(url)))
    assert all(f"CancelledError\n{sentence}\n" in each for each in tracebacks), tracebacks
    warnings = [record.getMessage().split(" s: ")[1] for record in caplog.records if record.name == watched.__name__]
    assert warnings == [sentence, sentence]
    assert errors(metrics) == {"locked": 2}


async def test_whoever_gives_up_after_a_disk_has_failed_was_not_locked_out(
    store: Store, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    StoreFaults("gone", left=1).put_on(store)
    with pytest.raises(StoreError):
        await store.jobs.create(new_job("0000000000aa"))
    goes_on = threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(store.jobs._database, "_check_file", lambda: goes_on.wait(TIMEOUT_S))
        first, second = [asyncio.create_task(store.jobs.create(new_job(f"0000000000b{number}"))) for number in range(2)]
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        goes_on.set()
        await first
    assert errors(metrics) == {"unreachable": 1, "abandoned": 1}


async def test_states_are_counted_once_they_are_committed(store: Store, metrics: Metrics) -> None:
    await store.jobs.create(new_job("0000000000aa"), new_job("0000000000bb"))
    await store.jobs.acknowledge("0000000000aa", 2, 9)
    with pytest.raises(StoreError):
        await store.jobs.move("0000000000bb", JobState.RUNNING)
    counted = {
        state: metrics.registry.get_sample_value("dalle_bot_job_transitions_total", {"state": state})
        for state in ("received", "acknowledged", "running")
    }
    assert counted == {"received": 2, "acknowledged": 1, "running": 0}


async def test_a_file_that_was_taken_away_is_counted(store: Store, metrics: Metrics, file: Path) -> None:
    await asyncio.to_thread(file.rename, file.with_suffix(".away"))
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        await store.jobs.create(new_job("0000000000aa"))
    assert errors(metrics) == {"unreachable": 1}


@pytest.mark.parametrize(
    ("code", "kind"), [("53100", "full"), ("25006", "read_only"), ("55P03", "locked"), ("57P01", "unreachable")]
)
def test_postgresql_is_understood_by_its_codes_whatever_its_language(code: str, kind: str) -> None:
    class RefusalError(Exception):
        sqlstate = code

    error = StoreError("The database refuses.")
    error.__cause__ = DBAPIError("INSERT", None, RefusalError("Auf dem Gerät geht das nicht"))
    assert kind_of(error) == kind
