"""`dalle-bot bench decode`."""

import json
import sys
from typing import Annotated, Literal

import typer
from rich.console import Console

from bot.commands.options import Config, Json, read_settings
from bot.commands.progress import show_stages
from bot.startup import StartUp


def decode(
    model: Annotated[Literal["mini", "mega", "demo"], typer.Option(help="The model, or whose size.")] = "demo",
    images: Annotated[
        list[int] | None,
        typer.Option(help="Drawn at once; may be given several times.", min=1, max=64, show_default="9"),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Of each image that are drawn.", min=1, show_default="the whole image")
    ] = None,
    dtype: Annotated[Literal["auto", "float32", "bfloat16", "float16"], typer.Option(help="As model.dtype.")] = "auto",
    weights: Annotated[Literal["same", "int8"], typer.Option(help="As model.weights.")] = "same",
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights", help="Random weights of the model's size, made on the device; nothing is fetched."
        ),
    ] = False,
    slots: Annotated[
        int | None, typer.Option(help="As engine.num_slots.", min=1, max=1024, show_default="as many as images")
    ] = None,
    repeats: Annotated[int, typer.Option(help="How often it is measured; the median counts.", min=1, max=1000)] = 3,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw images and measure each step of the decoder, against reading its weights and caches once at full speed."""
    settings = read_settings(config, model)
    from bot.bench.decode import measure_decode

    chosen = settings.model.model_copy(update={"dtype": dtype, "weights": weights})
    with show_stages(Console(stderr=True), quiet=as_json) as progress:
        report = measure_decode(
            settings.model_copy(update={"model": chosen}),
            random_weights=random_weights,
            num_images=images or [9],
            num_tokens=tokens,
            num_slots=slots,
            repeats=repeats,
            start_up=StartUp(progress),
        )
    print(json.dumps(report.to_json()) if as_json else report)
    if report.wrong_floor:
        print(report.wrong_floor, file=sys.stderr)
        raise typer.Exit(1)
