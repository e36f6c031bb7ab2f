"""`dalle-bot fetch`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, read_settings
from bot.commands.progress import show_progress
from bot.startup import StartUp, format_amount


def fetch(
    model: Annotated[
        str | None,
        typer.Argument(
            help="demo, mini, mega, a folder, a hub id (owner/name or owner/name@revision), a bucket's URL or "
            "wandb:entity/project/name:version. Without it, model.name.",
            show_default=False,
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Take what is newest at the source instead of what was fetched first.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Download the weights of a model, all three networks, and check them; resumes what was broken off."""
    settings = read_settings(config, model)
    if revision is not None:
        chosen = settings.model.model_copy(update={"revision": revision})
        settings = settings.model_copy(update={"model": chosen})
    from bot.fetch import fetch_model

    console = Console(stderr=True)
    with show_progress(console, quiet=as_json) as progress:
        start_up = StartUp(progress)
        report = fetch_model(settings.model, settings.data_dir, start_up, update=update)
        with start_up.stage("read headers"):
            from bot.checkpoints.bundle import open_checkpoint

            open_checkpoint(report.folders, dtype="float32")
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(f"{report.name} is complete:")
    for part in report.parts:
        size, fetched = (format_amount(count, "bytes") for count in (part.num_bytes, part.fetched_bytes))
        version = f" ({part.version})" if part.version else ""
        print(f"  {part.name}: {size}, {fetched} of it downloaded now, from {part.source}{version}")
        if str(part.folder) != part.source:
            print(f"    in {part.folder}")
        if part.unverified:
            print(f"    no digest announced, sizes compared only: {', '.join(part.unverified)}")
