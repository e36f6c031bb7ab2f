"""`dalle-bot calibrate`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.errors import ConfigError
from bot.startup import StartUp


def calibrate(
    folder: Annotated[Path, typer.Argument(help="Has a folder of pictures for each category, and one named harmless.")],
    categories: Annotated[
        Path | None, typer.Option(help="Their texts. Without it, the shipped ones or those of the settings.")
    ] = None,
    precision: Annotated[float, typer.Option(help="How many of the pictures that are hit should be right.")] = 0.95,
    out: Annotated[Path | None, typer.Option(help="Write categories with the thresholds.", metavar="FILE")] = None,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set the thresholds of the rules for pictures from labelled pictures, and say how good they are."""
    settings = read_settings(config, model)
    from bot.bench.calibration import calibrate_folder
    from bot.moderation.image_categories import SHIPPED_CATEGORIES, read_categories

    if not 0 < precision <= 1:
        raise ConfigError(f"--precision is {precision:g}; expected more than 0 and at most 1, such as 0.95.")
    known = read_categories(categories or settings.moderation.image_categories_file or SHIPPED_CATEGORIES)
    with show_stages(Console(stderr=True), quiet=as_json) as progress:
        report = calibrate_folder(folder, settings, known, precision=precision, start_up=StartUp(progress))
    if out is not None:
        try:
            out.write_text(report.categories.to_toml(), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{out} can't be written: {error.strerror}.") from error
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(report)
    if out is not None:
        print(f"\nName {out} in moderation.image_categories_file.")
