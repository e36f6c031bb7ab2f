"""What is written of a long run, on a terminal and into a log."""

import io

from tests.fuzz.progress import EVERY_S, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, *at_s: float) -> str:
    """Of a run that has some thousand inputs more at each of those times."""
    now_s = [0.0]
    progress = Progress("rules", stream, lambda: now_s[0])
    for thousands, now_s[0] in enumerate(at_s, start=1):
        progress.tell(thousands * 1000)
    progress.end()
    return stream.getvalue()


def test_a_terminal_has_one_line_that_is_written_anew() -> None:
    assert written(Terminal(), 1.0, 2.0) == "\rrules: 1,000 inputs, 1 s\rrules: 2,000 inputs, 2 s\n"


def test_a_log_has_a_line_now_and_then() -> None:
    assert written(io.StringIO(), 1.0, EVERY_S, EVERY_S + 1, 2 * EVERY_S) == (
        "rules: 2,000 inputs, 30 s\nrules: 4,000 inputs, 60 s\n"
    )
