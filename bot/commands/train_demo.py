"""`dalle-bot train-demo`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Json, read_settings
from bot.demo.stage_name import StageName
from bot.errors import ConfigError


def train_demo(
    out: Annotated[Path, typer.Option(help="Where the checkpoint goes.", metavar="DIR")] = Path("demo-checkpoint"),
    work: Annotated[Path, typer.Option(help="States and losses; what is there is resumed.", metavar="DIR")] = Path(
        "demo-training"
    ),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Pictures to learn from, with name.txt beside name.png (jpg, jpeg, webp), or a captions.csv with the "
            "columns file,caption. Without it, the program draws its own.",
            metavar="DIR",
        ),
    ] = None,
    stage: Annotated[
        StageName | None, typer.Option(help="Train only this one. The other two learn from a finished vqgan in --work.")
    ] = None,
    seed: Annotated[int, typer.Option(help="One seed, one result.", min=0)] = 0,
    width: Annotated[
        int,
        typer.Option(
            help="Multiplies the networks' features: 2 or 3 for a GPU and pictures of your own.", min=1, max=8
        ),
    ] = 1,
    speed: Annotated[
        float, typer.Option(help="Divides the number of steps: 100 for a quick look, 0.5 for twice as many.", min=0.01)
    ] = 1.0,
    evaluate: Annotated[
        int,
        typer.Option(
            help="Afterwards, judge nine pictures of each of this many captions of each kind.",
            metavar="N",
            min=0,
            max=300,
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Train a checkpoint like the demo's from nothing, on pictures that the program draws or on yours; resumable."""
    if evaluate and (data is not None or stage is not None):
        raise ConfigError(
            "--evaluate judges a whole model on captions of the demo's own pictures: leave it out with --data and "
            "--stage."
        )
    from bot.demo.plot import plot_losses
    from bot.demo.train import train_demo as train

    console = Console(stderr=True)
    train(out, work, seed=seed, console=console, data=data, only=stage, width=width, speed=speed)
    losses = None
    try:
        losses = str(plot_losses(work))
    except ConfigError as error:
        # Without matplotlib there is no plot; what was trained stays trained.
        console.print(str(error), style="yellow", markup=False)
    judged = None
    if evaluate:
        from bot.bench.quality import judge

        judged = judge(read_settings(None, str(out)), num_captions=evaluate, console=console)
    if as_json:
        evaluation = None if judged is None else judged.to_json()
        print(json.dumps({"checkpoint": str(out), "losses": losses, "evaluation": evaluation}))
        return
    print(out)
    for told in (losses, judged):
        if told is not None:
            print(told)
