"""`dalle-bot bench guidance`."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.startup import StartUp


def guidance(
    model: Model = None,
    captions: Annotated[int, typer.Option(help="Of each of the demo's four kinds.", min=1, max=300)] = 10,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures there.", metavar="FILE.png")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw the demo's captions with other condition_scale, top_k, top_p and temperature: right pictures, diversity."""
    settings = read_settings(config, model)
    from bot.bench.guidance import measure_guidance
    from bot.bench.guidance_plot import plot_guidance
    from bot.bench.plot_file import check_plot
    from bot.bench.quality import CAPTIONS_SEED, draw_all
    from bot.demo.scenes import evaluation_rows
    from bot.engine.open import open_engine

    if plot is not None:
        check_plot(plot)
    with show_stages(Console(stderr=True), quiet=as_json) as progress:
        start_up = StartUp(progress)
        engine = open_engine(settings, start_up)
        report = measure_guidance(
            partial(draw_all, engine),
            [text for row in evaluation_rows(CAPTIONS_SEED, captions).values() for text in row],
            model=engine.info.name,
            sampling=engine.info.sampling,
            start_up=start_up,
        )
    if plot is not None:
        plot_guidance(report, plot)
    print(json.dumps(report.to_json()) if as_json else report)
