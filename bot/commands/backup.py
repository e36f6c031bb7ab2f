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
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the file is whole; the bot may run.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the database, and its pictures into their folder. The bot must not run."""
    settings = read_settings(config, None)
    from bot.backups import check_backup, restore_backup

    if check:
        contents = check_backup(path)
        told = contents.to_json()
        lines = [f"{path} is whole: made at {contents.made_at}, with {contents.num_pictures} pictures."]
    else:
        report = restore_backup(settings.store_url, settings.pictures_dir, path)
        contents, told = report.contents, report.to_json()
        lines = [f"Restored the backup of {contents.made_at}, with {contents.num_pictures} pictures."]
        if report.aside is not None:
            lines.append(f"What was there before is in {report.aside}: delete it when you are content.")
        lines.extend(report.left_to_root)
    if not contents.has_digests:
        lines.append("An older version made it, without digests of its pictures: whether these are whole is not known.")
    print(json.dumps(told) if as_json else "\n".join(lines))
