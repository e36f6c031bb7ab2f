"""`dalle-bot bench quality`."""

import json
from typing import Annotated, Literal

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings


def quality(
    model: Model = None,
    captions: Annotated[int, typer.Option(help="Of each of the demo's four kinds.", min=1, max=300)] = 25,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None, typer.Option(help="Instead of model.dtype.")
    ] = None,
    weights: Annotated[Literal["same", "int8"] | None, typer.Option(help="Instead of model.weights.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw captions that the demo's training never saw and judge the pictures by their pixels. Exit code 1 where a goal
    is missed."""
    settings = read_settings(config, model)
    chosen = {name: value for name, value in (("dtype", dtype), ("weights", weights)) if value is not None}
    settings = settings.model_copy(update={"model": settings.model.model_copy(update=chosen)})
    from bot.bench.quality import judge

    report = judge(settings, num_captions=captions, console=Console(stderr=True))
    print(json.dumps(report.to_json()) if as_json else report)
    if not report.passes_gate:
        raise typer.Exit(1)
