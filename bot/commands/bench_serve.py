"""`dalle-bot bench serve`."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.startup import StartUp


def serve(
    model: Model = None,
    load: Annotated[
        float, typer.Option(help="How much arrives, as a share of the measured capacity.", min=0.05, max=2.0)
    ] = 0.8,
    jobs: Annotated[int | None, typer.Option(help="In each run, instead of --seconds.", min=12, max=5000)] = None,
    seconds: Annotated[float, typer.Option(help="About how long a run takes at capacity.", min=1.0, max=3600.0)] = 25.0,
    seed: Annotated[int, typer.Option(help="Of arrivals, prompts and pictures.", min=0, max=2**31)] = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw latencies and occupied slots there.", metavar="FILE.png")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Serve Poisson arrivals of many users: latency and throughput, against static batching of the same arrivals."""
    settings = read_settings(config, model)
    # What keeps the engine from starting is this command's own error; the log need not say it too, nor each job.
    logging.getLogger("bot.executor").setLevel(logging.CRITICAL)
    from bot.bench.plot_file import check_plot
    from bot.bench.serve import measure_serve, open_as_product
    from bot.bench.serve_plot import plot_serve
    from bot.bench.serve_watch import DeviceWatch

    if plot is not None:
        check_plot(plot)
    with show_stages(Console(stderr=True), quiet=as_json) as progress, DeviceWatch() as watch:
        start_up = StartUp(progress)
        report = asyncio.run(
            measure_serve(
                lambda: open_as_product(settings, start_up),
                chunk_tokens=settings.engine.chunk_tokens,
                load=load,
                seconds=seconds,
                jobs=jobs,
                seed=seed,
                start_up=start_up,
                watch=watch,
            )
        )
    if plot is not None:
        plot_serve(report, plot)
    print(json.dumps(report.to_json()) if as_json else report)
