"""The command line, `dalle-bot` or `python -m bot`: its commands and how they end.

Exit codes: 0 done, 1 failed, 2 wrong usage, configuration, model files or database. Commands import what they need
themselves, so that `--help` does not wait for JAX.
"""

import os
import sys
from typing import Annotated

import typer

from bot.code_version import code_version
from bot.commands.backup import backup, restore
from bot.commands.bench import bench
from bot.commands.calibrate import calibrate
from bot.commands.catalogue import catalogue
from bot.commands.deploy import deploy
from bot.commands.doctor import doctor
from bot.commands.fetch import fetch
from bot.commands.imagine import imagine
from bot.commands.run import run
from bot.commands.sandbox import sandbox
from bot.commands.train_demo import train_demo
from bot.errors import (
    CheckpointError,
    ConfigError,
    DalleBotError,
    EngineHungError,
    FetchError,
    RequestError,
    StoreFaultError,
)
from bot.log import redact_for_terminal

app = typer.Typer(
    help="A Discord bot that draws prompts with DALL-E Mini or Mega and ranks the images with CLIP.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (imagine, run, doctor, sandbox, fetch, train_demo, calibrate, catalogue, backup, restore):
    app.command(_command.__name__.replace("_", "-"))(_command)
app.add_typer(bench, name="bench")
app.add_typer(deploy, name="deploy")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(code_version())
        raise typer.Exit


def main() -> None:
    """Entry point. Turns what goes wrong into one sentence on stderr and an exit code."""
    try:
        app(standalone_mode=True)
    except EngineHungError as error:
        print(f"dalle-bot: {redact_for_terminal(str(error))}", file=sys.stderr, flush=True)
        # Python's own end tidies up the device, which would wait for it as the engine's thread does.
        os._exit(1)
    except DalleBotError as error:
        print(f"dalle-bot: {redact_for_terminal(str(error))}", file=sys.stderr)
        sys.exit(2 if _is_lasting(error) else 1)


def _is_lasting(error: DalleBotError) -> bool:
    """Whether the same command would fail again until somebody has mended something. A supervisor starts a bot anew
    for the rest alone."""
    if isinstance(error, StoreFaultError):
        return error.is_lasting
    # What could not be fetched may come another time.
    return isinstance(error, (ConfigError, RequestError, CheckpointError)) and not isinstance(error, FetchError)


if __name__ == "__main__":
    main()
