"""`dalle-bot bench …`: the measuring commands."""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bot.commands.bench_chat import chat
from bot.commands.bench_decode import decode
from bot.commands.bench_guidance import guidance
from bot.commands.bench_overload import overload
from bot.commands.bench_quality import quality
from bot.commands.bench_rules import rules
from bot.commands.bench_scale import scale
from bot.commands.bench_serve import serve
from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.requests import MAX_IMAGES
from bot.startup import StartUp

bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)
bench.command()(decode)
bench.command()(serve)
bench.command()(guidance)
bench.command()(chat)
bench.command()(overload)
bench.command()(quality)
bench.command()(rules)
bench.command()(scale)

Size = Annotated[Literal["mega", "mini", "tiny"], typer.Option(help="Whose sizes the random weights have.")]
Stored = Annotated[Literal["float16", "float32"], typer.Option(help="The numbers in the file.")]
Weights = Annotated[Literal["same", "int8"], typer.Option(help="As model.weights.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where the random weights are, or go and stay. Mega takes 6.1 GB as float16 and 11.3 GB as float32, Mini "
        "1.8 GB and 2.7 GB, tiny 4 MB.",
        metavar="DIR",
        show_default="temporary",
    ),
]
Repeats = Annotated[int, typer.Option(help="Measurements of each way.", min=1)]


@bench.command()
def load(
    size: Size = "mega",
    stored: Stored = "float16",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="The numbers to compute with.")
    ] = "bfloat16",
    weights: Weights = "same",
    folder: Folder = None,
    repeats: Repeats = 3,
    page_cache: Annotated[
        Literal["warm", "cold"], typer.Option(help="Whether the system has the file in memory.")
    ] = "warm",
    as_json: Json = False,
) -> None:
    """Load random weights of a true size: anonymous memory and time, against reading and converting once."""
    from bot.bench.load import measure_load

    with show_stages(Console(stderr=True), quiet=as_json) as progress:
        report = measure_load(
            size,
            stored=stored,
            dtype=dtype,
            weights=weights,
            folder=folder,
            repeats=repeats,
            page_cache=page_cache,
            start_up=StartUp(progress),
        )
    print(json.dumps(report.to_json()) if as_json else report)
    if not report.passed:
        raise typer.Exit(1)


@bench.command()
def start(
    size: Size = "mega",
    stored: Stored = "float16",
    images: Annotated[int, typer.Option(help="In the collage.", min=1, max=MAX_IMAGES)] = MAX_IMAGES,
    folder: Folder = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Start on random weights of a true size, as the settings say: memory by stage against the plan, time by stage, and
    a collage."""
    settings = read_settings(config, None)
    from bot.bench.start import measure_start

    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalle-bot-bench-")))
        progress = stack.enter_context(show_stages(Console(stderr=True), quiet=as_json))
        report = measure_start(settings, folder, size=size, stored=stored, num_images=images, listener=progress)
    print(json.dumps(report.to_json()) if as_json else report)


@bench.command()
def precision(
    model: Model = None,
    prompts: Annotated[int, typer.Option(help="How many are compared.", min=1, max=64)] = 4,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Compare bfloat16, float16 and int8 with float32: errors of logits, and how many tokens stay the same."""
    settings = read_settings(config, model)
    from bot.bench.precision import measure_precision
    from bot.engine.devices import choose_devices, use_compile_cache
    from bot.fetch import locate_model

    engine = settings.engine
    use_compile_cache(settings.compile_cache_dir)

    with show_stages(Console(stderr=True), quiet=as_json) as progress:
        start_up = StartUp(progress)
        with start_up.stage("find devices"):
            device, *_ = choose_devices(engine.device, engine.num_devices, engine.memory_fraction)
        folders = locate_model(settings.model, settings.data_dir, start_up)
        report = measure_precision(
            folders,
            num_prompts=prompts,
            device=device,
            memory_fraction=engine.memory_fraction,
            start_up=start_up,
        )
    print(json.dumps(report.to_json()) if as_json else report)
