"""`dalle-bot backup` and `dalle-bot restore`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.options import Config, Json, read_settings
from bot.startup import format_amount


def backup(
    path: Annotated[Path, typer.Argument(help="A new file, or a folder, where it is named after the time.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Back up the database and the pictures into one file, while the bot runs or not."""
    settings = read_settings(config, None)
    from bot.backups import make_backup

    report = make_backup(settings.store_url, settings.pictures_dir, path)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(f"{report.file}: {format_amount(report.num_bytes, 'bytes')}, with {report.num_pictures} pictures.")


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `dalle-bot backup` has made.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the database, and its pictures into their folder. The bot must not run."""
    settings = read_settings(config, None)
    from bot.backups import restore_backup

    report = restore_backup(settings.store_url, settings.pictures_dir, path)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(f"Restored the backup of {report.made_at}, with {report.num_pictures} pictures.")
    if report.aside is not None:
        print(f"What was there before is in {report.aside}: delete it when you are content.")
