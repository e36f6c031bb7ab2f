"""`dalle-bot run`."""

from bot.commands.options import Config, Model, engine_factory, read_settings


def run(config: Config = None, model: Model = None) -> None:
    """Run the bot on Discord. The token comes from DISCORD_TOKEN or the settings file."""
    settings = read_settings(config, model)
    from bot.app import run as serve

    serve(settings, engine_factory(settings))
