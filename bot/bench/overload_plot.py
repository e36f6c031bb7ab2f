"""Draws what `bench overload` found: the memory of the bot's process and the time to each answer."""

from pathlib import Path
from typing import Final

from bot.bench.chat_accounts import Account, Outcome
from bot.bench.overload_report import OverloadReport
from bot.bench.plot_file import figure_class, save_plot
from bot.sandbox.interactions import ACKNOWLEDGE_S

_MIB: Final = 2**20


def plot_overload(report: OverloadReport, file: Path) -> None:
    """Above, resident memory over time; below, a dot for each command. Writes a PNG.

    Raises ConfigError if the file can't be written."""
    figure = figure_class()(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    memory = report.memory_while_sending
    above.plot([at_s for at_s, _ in memory], [size / _MIB for _, size in memory], linewidth=2)
    above.set(
        title=f"{report.times:g} times the capacity of {report.capacity:.1f} commands a second",
        ylabel="resident memory, MiB",
        ylim=(0, None),
    )
    for label, is_refused in (("accepted", False), ("turned away with a sentence", True)):
        dots = [_dot(report, a) for a in report.chat.accounts if (a.outcome is Outcome.REFUSED) is is_refused]
        below.plot([x for x, _ in dots], [y for _, y in dots], ".", markersize=2, label=label)
    below.axhline(ACKNOWLEDGE_S, color="gray", linestyle=":", linewidth=1, label="Discord's limit")
    below.set(xlabel="seconds", ylabel="seconds to the answer", yscale="log", ylim=(0.005, 5.0))
    below.legend(frameon=False)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    save_plot(figure, file)


def _dot(report: OverloadReport, account: Account) -> tuple[float, float]:
    """When the command was sent, and how long its answer took; an unanswered one as long as Discord waits."""
    sent = account.sent
    took_s = ACKNOWLEDGE_S if sent.answered_s is None else sent.answered_s - sent.sent_s
    return sent.sent_s - report.chat.record.began_s, took_s
