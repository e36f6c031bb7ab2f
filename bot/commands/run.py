"""`dalle-bot run`."""

from typing import Annotated

import typer

from bot.commands.options import Config, Model, engine_factory, read_settings
from bot.startup import StartUp


def run(
    config: Config = None,
    model: Model = None,
    sandbox: Annotated[
        str | None,
        typer.Option(
            help="Run on the sandbox there, which `dalle-bot sandbox --empty` opened; store.url doesn't count then.",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """Run the bot on Discord. The token comes from DISCORD_TOKEN or the settings file."""
    settings = read_settings(config, model, is_trial=sandbox is not None)
    from bot.app import run as serve

    start_up = StartUp()
    factory = engine_factory(settings, start_up)
    if sandbox is None:
        serve(settings, factory, start_up)
        return
    from bot.sandbox.hall import visited

    with visited(settings, sandbox) as there:
        serve(there, factory, start_up)
