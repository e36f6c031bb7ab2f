"""How much memory another process takes over time, sampled on a thread of its own while a bench measures. Linux only;
elsewhere there are no samples."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SAMPLE_S: Final = 0.25


class MemoryTrace:
    """Samples between `with` and its end, or until the process is gone.

    samples: (seconds of time.monotonic, bytes of resident memory), in order. pid: of the process.
    """

    def __init__(self, pid: int, every_s: float = SAMPLE_S) -> None:
        self.samples: list[tuple[float, int]] = []
        self._status = Path(f"/proc/{pid}/status")
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory trace", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while (sample := self._resident_bytes()) is not None:
            self.samples.append((time.monotonic(), sample))
            if self._stop.wait(self._every_s):
                return

    def _resident_bytes(self) -> int | None:
        try:
            lines = self._status.read_text("ascii").splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)
