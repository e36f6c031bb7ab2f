"""Engines for the bot of `bench chat`, opened by name in its own process."""

from bot.config import Settings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine
from bot.errors import ConfigError
from bot.startup import StartUp

DELAY_S = 0.1


def open_fake(settings: Settings, start_up: StartUp) -> Engine:
    """Draws four pictures at once, in DELAY_S."""
    return FakeEngine(delay_s=DELAY_S)


def refuse(settings: Settings, start_up: StartUp) -> Engine:
    raise ConfigError("There is no such engine.")
