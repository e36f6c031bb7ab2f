"""`dalle-bot bench scale`."""

import asyncio
import json
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.bench.scale_report import DatabaseKind
from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.errors import ConfigError
from bot.startup import StartUp

RATES = [10.0, 1_000.0, 100_000.0]


def scale(
    model: Model = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(
            help="Prompts a minute; may be given several times.", min=0.01, max=1e6, show_default="10 … 100000"
        ),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(help="How many there are.", min=1, max=1_000_000, show_default="as many as are enough"),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds within which 95 of 100 jobs are to start.", min=0.1, max=3600.0)
    ] = 10.0,
    uplink: Annotated[float, typer.Option(help="Megabits a second for uploads.", min=0.1, max=1e6)] = 1000.0,
    database: Annotated[
        DatabaseKind | None,
        typer.Option(
            help="What is measured: a PostgreSQL server of its own, from installed programs; SQLite; or store.url, in "
            "a schema of its own.",
            show_default="postgresql where it is installed",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="In each measured run.", min=12, max=5000)] = 120,
    seed: Annotated[int, typer.Option(help="Of who asks for what, and when.", min=0, max=2**31)] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw the answers there.", metavar="FILE.png")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure two replicas on a Ray cluster of this machine, and tell by simulation what other rates take.

    Exit code 1 if the simulation of the measured run is off by more than 15 %.
    """
    settings = read_settings(config, model)
    from bot.bench.plot_file import check_plot
    from bot.sandbox.termination import termination_interrupts

    if plot is not None:
        check_plot(plot)
    try:
        from bot.bench.scale import measure_scale
        from bot.bench.scale_plot import plot_scale
    except ImportError as error:
        if error.name != "simpy":
            raise
        raise ConfigError("bench scale needs SimPy: pip install -e '.[ray,scale]' in the checkout.") from error

    with (
        termination_interrupts(),
        tempfile.TemporaryDirectory(prefix="dalle-bot-bench-") as folder,
        show_stages(Console(stderr=True), quiet=as_json) as progress,
        # Ray writes there what its processes end with.
        redirect_stdout(sys.stderr),
    ):
        report = asyncio.run(
            measure_scale(
                settings,
                Path(folder),
                num_jobs=jobs,
                rates_per_minute=rate or RATES,
                num_replicas=replicas,
                max_wait_s=wait,
                uplink_mbit_per_s=uplink,
                database=database,
                seed=seed,
                start_up=StartUp(progress),
            )
        )
    if plot is not None:
        plot_scale(report, plot)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        Console().print(report)
    if report.misses():
        raise typer.Exit(1)
