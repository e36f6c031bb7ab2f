"""How a terminal shows a start and a drawing: one bar that is gone in the end, and what is worth keeping above it.

Where there is no terminal there is no bar; measurements, which take long, then write a line for each stage.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

import bot.requests as requests
from bot.startup import Listener, format_amount


class ConsoleProgress:
    """Shows a start (a bot.startup.Listener, on any thread) and then a job's updates in one bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = self._bar("starting", None)
        self._total: int | None = None
        self._unit = ""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self._total, self._unit = total, unit
        # A bar that has had a total can't lose it again.
        self._progress.remove_task(self._task)
        self._task = self._bar(stage, total)

    def advance(self, done: int) -> None:
        of = f" of {format_amount(self._total, self._unit)}" if self._total else ""
        amount = f"{format_amount(done, self._unit)}{of}" if self._unit else ""
        self._progress.update(self._task, completed=done, amount=amount)

    def end(self, stage: str, seconds: float) -> None:
        pass

    def note(self, text: str) -> None:
        self._progress.console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def update(self, update: requests.Update) -> None:
        """Shows an update of a job."""
        if isinstance(update, requests.Progress):
            self._progress.update(
                self._task, description="drawing", total=update.total_tokens, completed=update.done_tokens, amount=""
            )

    def _bar(self, description: str, total: int | None) -> TaskID:
        return self._progress.add_task(description, total=total, amount="")


@contextmanager
def show_progress(console: Console, *, quiet: bool) -> Iterator[ConsoleProgress]:
    """A bar on `console` while the block runs. quiet: nothing at all."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"), TimeElapsedColumn())
    shown = Console(quiet=True) if quiet else console
    with Progress(*columns, console=shown, disable=quiet or not console.is_terminal, transient=True) as progress:
        yield ConsoleProgress(progress)


class StageLines:
    """Shows a start (a bot.startup.Listener) as lines of plain text, two for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self.note(f"{stage} ...")

    def advance(self, done: int) -> None:
        pass

    def end(self, stage: str, seconds: float) -> None:
        self.note(f"{stage}: {seconds:.1f} s")

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_stages(console: Console, *, quiet: bool) -> Iterator[Listener]:
    """A bar on a terminal, else a StageLines. quiet: nothing at all."""
    if quiet or console.is_terminal:
        with show_progress(console, quiet=quiet) as progress:
            yield progress
    else:
        yield StageLines(console)
