"""`bench serve --plot`: latencies of both policies, and their slots over time, in one picture."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from bot.bench.serve_report import Run, ServeReport
from bot.errors import ConfigError

# Of the whole run, to be drawn as free slots.
_SHORTEST_GAP: Final = 0.002


def check_plot(file: Path) -> None:
    """Raises ConfigError if `file` can't be written or matplotlib is missing. Called before minutes are measured."""
    _figure_class()
    if file.suffix.lower() != ".png":
        raise ConfigError(f"--plot: {file} must end in .png.")
    if not file.parent.is_dir():
        raise ConfigError(f"--plot: there is no folder {file.parent}; make it first.")


def plot_serve(report: ServeReport, file: Path) -> None:
    """Above, the share of jobs that were done within a latency; below, occupied slots over time. Writes a PNG.

    Raises ConfigError if the file can't be written."""
    # A figure of its own, not pyplot's: no state of the process, no display.
    figure = _figure_class()(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, 1)
    for policy, runs in report.policies.items():
        latencies = runs.loaded.latencies_s
        [line] = above.step(latencies, np.arange(1, len(latencies) + 1) / len(latencies), where="post", label=policy)
        times, counts = _occupied(runs.loaded)
        below.step(times, counts, where="post", linewidth=1, color=line.get_color(), label=policy)
    sizes = ", ".join(map(str, report.solo_s))
    for i, seconds in enumerate(report.solo_s.values()):
        label = None if i else f"alone, {sizes} images"
        above.axvline(seconds, color="gray", linestyle=":", linewidth=1, label=label)
    above.set(
        title=f"{report.model} on {report.device}, {report.num_slots} slots, {report.load:.0%} of capacity",
        xlabel="seconds from planned arrival to the last picture",
        ylabel="share of jobs",
        xlim=(0, None),
        ylim=(0, 1.02),
    )
    below.set(xlabel="seconds", ylabel="occupied slots", ylim=(0, report.num_slots * 1.05))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise ConfigError(f"--plot: {file} can't be written ({error.strerror}).") from error


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install -e '.[plot]' in the checkout.") from error
    return Figure


def _occupied(run: Run) -> tuple[list[float], list[int]]:
    """Times from the start of the run, and how many slots are occupied from each on."""
    start, end = run.window
    times, counts = [start], [0]
    for (since, until), count in run.timeline.counts():
        # The device takes a moment from one thing to the next, which would hide all else.
        if since - times[-1] < _SHORTEST_GAP * (end - start):
            times.pop()
            counts.pop()
        times += [since, until]
        counts += [count, 0]
    return [time - start for time in times], counts
