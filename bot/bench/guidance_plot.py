"""`bench guidance --plot`: right pictures and their diversity over each sampling parameter, in one picture."""

from dataclasses import asdict
from pathlib import Path

from bot.bench.guidance import GuidanceReport
from bot.bench.plot_file import figure_class, save_plot


def plot_guidance(report: GuidanceReport, file: Path) -> None:
    """A panel for each parameter; the line across marks the value that the others were measured with. Writes a PNG.

    Raises ConfigError if the file can't be written."""
    figure = figure_class()(figsize=(10, 7), layout="constrained")
    kept = asdict(report.sampling)
    for axes, (name, sweep) in zip(figure.subplots(2, 2).flat, report.sweeps.items(), strict=True):
        places = range(len(sweep))
        for label in ("best", "random", "diversity"):
            style = "--" if label == "diversity" else "-"
            shown = label if label == "diversity" else f"{label} right"
            axes.plot(places, [getattr(point, label) for point in sweep], style, marker="o", label=shown)
        values = [point.value for point in sweep]
        if kept[name] in values:
            axes.axvline(values.index(kept[name]), color="gray", linestyle=":", linewidth=1)
        axes.set_xticks(places, [f"{value:g}" for value in values])
        axes.set(xlabel=name, ylim=(-0.02, 1.02))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(f"{report.model}, {report.num_captions} captions that training never saw, nine pictures each")
    save_plot(figure, file)
