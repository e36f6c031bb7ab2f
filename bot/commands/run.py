"""`dalle-bot run`."""

from bot.commands.options import Config, Model, engine_factory, read_settings
from bot.startup import StartUp


def run(config: Config = None, model: Model = None) -> None:
    """Run the bot on Discord. The token comes from DISCORD_TOKEN or the settings file."""
    settings = read_settings(config, model)
    from bot.app import run as serve

    start_up = StartUp()
    serve(settings, engine_factory(settings, start_up), start_up)
