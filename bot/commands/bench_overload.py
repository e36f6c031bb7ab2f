"""`dalle-bot bench overload`."""

import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, read_settings
from bot.commands.progress import show_stages
from bot.startup import StartUp


def overload(
    times: Annotated[float, typer.Option(help="The load, as a multiple of the capacity.", min=1.0, max=100.0)] = 10.0,
    seconds: Annotated[float, typer.Option(help="How long it lasts.", min=1.0, max=3600.0)] = 300.0,
    seed: Annotated[int, typer.Option(help="Of who asks for what, where and when.", min=0, max=2**31)] = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw memory and answers over time there.", metavar="FILE.png")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what was seen, the bot's data and its log there.", metavar="DIR"),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask the real bot for many times more than it can draw, on a pretended Discord: memory and answers.

    The engine is a stand-in of a known pace that draws nothing. Exit code 1 if a command isn't answered within
    Discord's 3 seconds, if the bot's memory goes on growing, or if an accepted job is lost, doubled or wrong.
    """
    settings = read_settings(config, None)
    from bot.bench.overload import measure_overload
    from bot.bench.overload_plot import plot_overload
    from bot.bench.plot_file import check_plot

    if plot is not None:
        check_plot(plot)
    with ExitStack() as stack:
        if out is None:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalle-bot-bench-")))
        out.mkdir(parents=True, exist_ok=True)
        progress = stack.enter_context(show_stages(Console(stderr=True), quiet=as_json))
        report = asyncio.run(
            measure_overload(settings, out, times=times, seconds=seconds, seed=seed, start_up=StartUp(progress))
        )
    if plot is not None:
        plot_overload(report, plot)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        Console().print(report)
    if report.misses():
        raise typer.Exit(1)
