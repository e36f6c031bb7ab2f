"""Feeds a target with inputs, and finds what makes it crash or hang. Used by the command and by test_fuzz.

Hypothesis makes the inputs, and makes a failing one smaller. It remembers all that it tried, so it is asked for some
thousand at a time, each batch with a seed of its own.
"""

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.draws import Draws

CORPUS: Final = Path(__file__).parent / "corpus"
BATCH: Final = 500  # examples
PER_EXAMPLE: Final = 10  # inputs; an example costs Hypothesis more than most inputs cost a reader
LIMIT_S: Final = 2.0  # of computing, for one input
MAX_RAW_BYTES: Final = 300


@dataclass(frozen=True)
class Target:
    """make: an input from drawn bytes. check: raises whatever must not happen; refusals of the program are its own."""

    name: str
    make: Callable[[Draws], bytes]
    check: Callable[[bytes], None]

    def corpus(self) -> list[Path]:
        """The inputs that are kept: telling ones, and those that once failed."""
        return sorted((CORPUS / self.name).glob("*"))


@dataclass(frozen=True)
class Found:
    """What an input did to a target."""

    data: bytes
    error: BaseException

    def keep(self, target: Target, corpus: Path = CORPUS) -> Path:
        """Puts the input into the corpus."""
        file = corpus / target.name / hashlib.sha256(self.data).hexdigest()[:16]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.data)
        return file


@dataclass(frozen=True)
class Report:
    """num_inputs: how many were tried. slowest_s: of computing, for one of them."""

    num_inputs: int
    slowest_s: float
    found: Found | None


class HangError(BaseException):
    """An input takes too long. No Exception, so that nothing catches it and Hypothesis doesn't try it again."""


def fuzz(
    target: Target,
    num_inputs: int,
    first_seed: int,
    *,
    limit_s: float = LIMIT_S,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Report:
    """Tries inputs until one fails, or `num_inputs` were tried, or some more. on_batch: told how many so far."""
    count, slowest_s = 0, 0.0
    last = b""

    def attempt(raws: tuple[bytes, ...]) -> None:
        nonlocal count, slowest_s, last
        for raw in raws:
            last = target.make(Draws(raw))
            began_s = time.thread_time()
            with _limited(limit_s):
                target.check(last)
            slowest_s = max(slowest_s, time.thread_time() - began_s)
            count += 1

    batch = 0
    while count < num_inputs:
        test: Any = given(st.tuples(*[st.binary(min_size=1, max_size=MAX_RAW_BYTES)] * PER_EXAMPLE))(attempt)
        test = settings(
            max_examples=min(BATCH, -(-(num_inputs - count) // PER_EXAMPLE)),
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )(seed(first_seed + batch)(test))
        try:
            test()
        except (Exception, HangError) as error:
            return Report(count, slowest_s, Found(last, error))
        batch += 1
        on_batch(count)
    return Report(count, slowest_s, None)


def replay(target: Target, limit_s: float = LIMIT_S) -> int:
    """Tries the corpus; how many there are. Raises what a target raises, with the file's name."""
    files = target.corpus()
    for file in files:
        try:
            with _limited(limit_s):
                target.check(file.read_bytes())
        except (Exception, HangError) as error:
            raise AssertionError(f"{target.name} fails on {file.name}") from error
    return len(files)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises HangError after so much computing. On the main thread; elsewhere nothing is limited."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _hang(*_: object) -> None:
    raise HangError("it takes too long")
