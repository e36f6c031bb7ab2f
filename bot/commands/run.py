"""`dalle-bot run`."""

import os
from typing import Annotated

import typer

from bot.commands.options import Config, Model, engine_factory, read_settings
from bot.startup import StartUp


def run(
    config: Config = None,
    model: Model = None,
    sandbox: Annotated[
        str | None,
        typer.Option(help="Run on the sandbox there, which `dalle-bot sandbox --empty` opened.", metavar="URL"),
    ] = None,
) -> None:
    """Run the bot on Discord. The token comes from DISCORD_TOKEN or the settings file."""
    settings = read_settings(config, model)
    from bot.app import run as serve

    start_up = StartUp()
    factory = engine_factory(settings, start_up)
    if sandbox is None:
        serve(settings, factory, start_up)
        return
    from bot.sandbox.hall import visited

    with visited(settings, sandbox, os.environ) as there:
        serve(there, factory, start_up)
