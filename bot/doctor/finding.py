"""What a check has found, and how checks are run: each within a bound, none taking the others along. Event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from bot.errors import DalleBotError, StoreFaultError


class Status(StrEnum):
    """WARNING: it works, but not as it should, or not for long. SKIPPED: it could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """found: what is. fix: what to do; None where there is nothing to mend."""

    status: Status
    found: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    name: str
    status: Status
    found: str
    fix: str | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def ok(found: str) -> Outcome:
    return Outcome(Status.OK, found)


def warned(found: str, fix: str) -> Outcome:
    return Outcome(Status.WARNING, found, fix)


def failed(found: str, fix: str) -> Outcome:
    return Outcome(Status.FAILED, found, fix)


def skipped(found: str) -> Outcome:
    return Outcome(Status.SKIPPED, found)


async def look(name: str, check: Callable[[], Awaitable[Outcome]], *, timeout_s: float, if_late: str) -> Finding:
    """Runs a check. if_late: what to do if it has not ended by then. What it raises is a failure like any other."""
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await check()
    except TimeoutError:
        outcome = failed(f"It was not known within {timeout_s:g} s.", if_late)
    except StoreFaultError as error:
        outcome = failed(error.found, error.cure)
    except DalleBotError as error:
        outcome = failed(str(error), if_late)
    except Exception as error:
        outcome = failed(f"It could not be found out ({type(error).__name__}: {error}).", if_late)
    return Finding(name, outcome.status, outcome.found, outcome.fix, time.monotonic() - began_s)
