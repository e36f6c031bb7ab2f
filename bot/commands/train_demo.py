"""`dalle-bot train-demo`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bot.commands.options import Json, read_settings
from bot.errors import ConfigError


def train_demo(
    out: Annotated[Path, typer.Option(help="Where the checkpoint goes.", metavar="DIR")] = Path("demo-checkpoint"),
    work: Annotated[Path, typer.Option(help="States and losses; what is there is resumed.", metavar="DIR")] = Path(
        "demo-training"
    ),
    seed: Annotated[int, typer.Option(help="One seed, one result.", min=0)] = 0,
    speed: Annotated[float, typer.Option(help="Divides the number of steps, for a quick look.", min=1.0)] = 1.0,
    evaluate: Annotated[int, typer.Option(help="Afterwards, judge this many captions.", metavar="N", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Train the demo checkpoint from nothing, on pictures that the program draws itself; resumable."""
    from bot.demo.plot import plot_losses
    from bot.demo.train import train_demo as train

    console = Console(stderr=True)
    train(out, work, seed=seed, console=console, speed=speed)
    report: dict[str, Any] = {"checkpoint": str(out)}
    try:
        report["losses"] = str(plot_losses(work))
    except ConfigError as error:
        # Without matplotlib there is no plot; what was trained stays trained.
        console.print(str(error), style="yellow", markup=False)
    if evaluate:
        from bot.bench.quality import judge

        report["evaluation"] = judge(read_settings(None, str(out)), num_captions=evaluate, console=console).to_json()
    if as_json:
        print(json.dumps(report))
    else:
        console.print(report)
