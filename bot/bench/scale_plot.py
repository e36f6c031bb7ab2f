"""Draws what `bench scale` found: replicas by prompts a minute, and where one of everything else ends."""

from pathlib import Path

from bot.bench.plot_file import figure_class, save_plot
from bot.bench.scale_report import ScaleReport


def plot_scale(report: ScaleReport, file: Path) -> None:
    """Both axes are logarithmic. Writes a PNG. Raises ConfigError if the file can't be written."""
    figure = figure_class()(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    answers = sorted(report.answers, key=lambda answer: answer.prompts_per_minute)
    axes.plot(
        [answer.prompts_per_minute for answer in answers],
        [answer.num_replicas for answer in answers],
        "o-",
        label=f"replicas of this machine's engine, {report.num_slots} slots each",
    )
    for number, (name, limit) in enumerate(sorted(report.rates.limits().items(), key=lambda item: item[1])):
        axes.axvline(limit, color=f"C{number + 1}", linestyle="--", label=f"{name}: {limit:,.0f} prompts a minute")
    axes.set(
        title=f"{report.model}: 95 % of the jobs start within {report.max_wait_s:g} s",
        xlabel="prompts a minute",
        ylabel="replicas",
        xscale="log",
        yscale="log",
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_plot(figure, file)
