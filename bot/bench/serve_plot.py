"""`bench serve --plot`: latencies of both policies, and their slots over time, in one picture."""

from pathlib import Path
from typing import Final

import numpy as np

from bot.bench.plot_file import figure_class, save_plot
from bot.bench.serve_report import Run, ServeReport

# Of the whole run, to be drawn as free slots.
_SHORTEST_GAP: Final = 0.002


def plot_serve(report: ServeReport, file: Path) -> None:
    """Above, the share of jobs that were done within a latency; below, occupied slots over time. Writes a PNG.

    Raises ConfigError if the file can't be written."""
    figure = figure_class()(figsize=(9, 7), layout="constrained")
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
    save_plot(figure, file)


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
