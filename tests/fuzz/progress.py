"""How far a long run is, for whoever watches. Used by the command, on its one thread."""

import time
from collections.abc import Callable
from typing import Final, TextIO

EVERY_S: Final = 30.0


class Progress:
    """On a terminal one line that is written anew; elsewhere, as in a log, a line every EVERY_S seconds at most."""

    def __init__(self, name: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._stream = stream
        self._clock = clock
        self._began_s = self._told_s = clock()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return self._clock() - self._began_s

    def tell(self, count: int) -> None:
        """count: of the inputs so far."""
        line = f"{self._name}: {count:,} inputs, {self.seconds:.0f} s"
        if self._stream.isatty():
            self._stream.write(f"\r{line}")
        elif self._clock() - self._told_s >= EVERY_S:
            self._told_s = self._clock()
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def end(self) -> None:
        """Before anything else is written: leaves the line of a terminal."""
        if self._stream.isatty():
            self._stream.write("\n")
            self._stream.flush()
