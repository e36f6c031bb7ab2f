"""The engine of `bench chat --faults --engine fake`: pictures that can be computed, and errors by a plan of its own.

Opened by name in the bot's process, used on the engine's thread.
"""

import random
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from bot.config import Settings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine, Faults, Verb
from bot.startup import StartUp

NUM_SLOTS: Final = 9
IMAGE_LENGTH: Final = 16
IMAGE_SIZE_PX: Final = 8
DELAY_S: Final = 0.02

# Verb → of how many of its calls one raises. Each costs what is being drawn just then.
_RAISES: Final[Mapping[Verb, int]] = {"prefill": 150, "insert": 400, "step": 400, "wait": 400, "collect": 400}
_NOT_FINITE: Final = 1000  # of so many images one

RAISED: Final = "an engine call that raises"
NOT_FINITE: Final = "a picture that is not finite"


class EngineFaults:
    """Which calls raise and which images fail: a function of seed, run and number.

    run: which start of the bot this is. tally: a file that gets a line for each fault, since the process may be killed.
    """

    def __init__(self, seed: int, run: int, tally: Path) -> None:
        self._seed = seed
        self._run = run
        self._tally = tally

    @cached_property
    def faults(self) -> Faults:
        """For a FakeEngine."""
        return Faults(raises=_Raises(self), not_finite=_NotFinite(self))

    def hits(self, name: str, one_in: int, kind: str) -> bool:
        """Whether that goes wrong; noted if so."""
        is_hit = random.Random(f"{self._seed}/{self._run}/{name}").randrange(one_in) == 0  # noqa: S311 - no secret
        if is_hit:
            with self._tally.open("a", encoding="utf-8") as file:
                file.write(f"{kind}\n")
        return is_hit


class _Raises(Mapping[tuple[Verb, int], Exception]):
    """By verb and number of the call, of which there is no end."""

    def __init__(self, plan: EngineFaults) -> None:
        self._plan = plan

    def __getitem__(self, key: tuple[Verb, int]) -> Exception:
        verb, number = key
        if verb in _RAISES and self._plan.hits(f"{verb}/{number}", _RAISES[verb], RAISED):
            return RuntimeError(f"fault: {verb} number {number}")
        raise KeyError(key)

    def __iter__(self) -> Iterator[tuple[Verb, int]]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _NotFinite(Collection[tuple[int, int]]):
    """By seed and index of an image."""

    def __init__(self, plan: EngineFaults) -> None:
        self._plan = plan

    def __contains__(self, image: object) -> bool:
        return self._plan.hits(f"image {image}", _NOT_FINITE, NOT_FINITE)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(())

    def __len__(self) -> int:
        return 0


def open_faulty(settings: Settings, start_up: StartUp, *, seed: int, run: int, tally: str) -> Engine:
    """An OpenEngine, with its arguments."""
    return FakeEngine(
        num_slots=NUM_SLOTS,
        image_length=IMAGE_LENGTH,
        image_size_px=IMAGE_SIZE_PX,
        delay_s=DELAY_S,
        faults=EngineFaults(seed, run, Path(tally)).faults,
    )
