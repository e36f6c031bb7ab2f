"""How a check ends that takes too long, raises or hangs in a thread."""

import threading

import pytest

from bot.doctor.finding import Finding, Outcome, Status, look, ok
from bot.errors import StoreError, StoreFaultError
from bot.lone_thread import in_thread


async def found(check: object, timeout_s: float = 5.0) -> Finding:
    return await look("store", check, timeout_s=timeout_s, if_late="Look at the disk.")  # type: ignore[arg-type]


async def test_what_a_check_says_is_found() -> None:
    async def check() -> Outcome:
        return ok("It answers.")

    finding = await found(check)
    assert (finding.status, finding.found, finding.fix) == (Status.OK, "It answers.", None)
    assert set(finding.to_json()) == {"name", "status", "found", "fix", "seconds"}


async def test_a_check_that_hangs_fails_in_time_and_holds_nobody_up() -> None:
    release = threading.Event()
    finding = await found(lambda: in_thread(lambda: release.wait(30) and ok("")), timeout_s=0.05)
    release.set()
    assert (finding.status, finding.fix) == (Status.FAILED, "Look at the disk.")
    assert "0.05 s" in finding.found
    assert finding.seconds < 5


async def test_a_fault_that_names_its_own_cure_is_told_with_that() -> None:
    async def check() -> Outcome:
        raise StoreFaultError("The disk is full.", "Make room.")

    finding = await found(check)
    assert (finding.status, finding.found, finding.fix) == (Status.FAILED, "The disk is full.", "Make room.")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (StoreError("The database is gone."), "The database is gone."),
        (RuntimeError("odd"), "It could not be found out (RuntimeError: odd)."),
    ],
)
async def test_what_a_check_raises_is_a_failure_with_a_fix(error: Exception, sentence: str) -> None:
    async def check() -> Outcome:
        raise error

    finding = await found(check)
    assert (finding.status, finding.found, finding.fix) == (Status.FAILED, sentence, "Look at the disk.")
