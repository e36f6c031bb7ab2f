"""What several commands share: options, the settings that they give, and the engine that these open."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bot.startup import StartUp, spare_collections

if TYPE_CHECKING:
    from bot.config import Settings
    from bot.engine.base import Engine

DEFAULT_CONFIG: Final = Path("config.toml")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file. Without it, config.toml if there is one.", metavar="FILE"),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="demo, mini, mega, a folder, a hub id or a URL; instead of model.name."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def read_settings(config: Path | None, model: str | None, *, is_trial: bool = False) -> "Settings":
    """The settings of a command, with the log set up as they say. Raises ConfigError.

    model: instead of the whole model of the file, with the VQGAN and CLIP that belong to it. is_trial: as for
    load_settings.
    """
    from bot.config_loading import load_settings
    from bot.log import configure_logging, log_crashes, secrets_in

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    settings = load_settings(config, is_trial=is_trial)
    if model is not None:
        others = dict.fromkeys(("revision", "vqgan", "vqgan_revision", "clip", "clip_revision"))
        chosen = settings.model.model_copy(update={**others, "name": model})
        settings = settings.model_copy(update={"model": chosen})
    configure_logging(settings.log.level, settings.log.as_json, secrets=[*settings.secrets(), *secrets_in(os.environ)])
    log_crashes()
    return settings


def engine_factory(settings: "Settings", start_up: StartUp) -> Callable[[], "Engine"]:
    """What opens the engine, on the thread that calls it."""

    def build() -> "Engine":
        with start_up.stage("import JAX"):
            from bot.engine.open import open_engine

        engine = open_engine(settings, start_up)
        spare_collections()
        return engine

    return build
