"""How much memory this process takes, sampled on a thread of its own while bench commands measure."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_STATUS: Final = Path("/proc/self/status")
_SAMPLE_S: Final = 0.005


class MemoryWatch:
    """Samples between `with` and its end. Linux only; elsewhere all figures are None.

    anon_bytes: anonymous memory (RssAnon) at the newest sample. peak_anon_bytes: the most of all samples. peak_bytes:
    the most resident memory since the process started (VmHWM), which counts pages of files too.
    """

    def __init__(self) -> None:
        self.anon_bytes: int | None = None
        self.peak_anon_bytes: int | None = None
        self.peak_bytes: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)

    def __enter__(self) -> Self:
        if _STATUS.exists():
            self._sample()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
            self._sample()

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        lines = (line.split() for line in _STATUS.read_text("ascii").splitlines())
        kilobytes = {line[0]: int(line[1]) for line in lines if line[0] in ("RssAnon:", "VmHWM:")}
        self.anon_bytes = kilobytes["RssAnon:"] * 1024
        self.peak_anon_bytes = max(self.peak_anon_bytes or 0, self.anon_bytes)
        self.peak_bytes = kilobytes["VmHWM:"] * 1024
