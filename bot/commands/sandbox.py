"""`dalle-bot sandbox`."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, engine_factory, read_settings
from bot.errors import ConfigError
from bot.startup import StartUp

_ITS_OWN: Final = (
    "store.url and sharding.ids don't count here: the bot in the sandbox has a database of its own and all shards. Try "
    "several processes with `dalle-bot sandbox --empty`."
)

_TO_RUN: Final = "To run a bot here, on a database of its own or an empty one that {variable} names: {line}"


def sandbox(
    say: Annotated[list[str] | None, typer.Option(help="A line to play; may be repeated.", metavar="LINE")] = None,
    out: Annotated[Path | None, typer.Option(help="Save the attachments there.", metavar="DIR")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the conversation there, as a page to look at.", metavar="FILE.html")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep everything there, and go on with what it holds.", metavar="DIR")
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Only the pretended Discord; bots come with `run --sandbox`.")
    ] = False,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try the bot on a pretended Discord: no token, nothing leaves this machine."""
    settings = read_settings(config, model)
    from bot.sandbox.examining import doctor_line
    from bot.sandbox.play import play, stay_up
    from bot.sandbox.termination import termination_interrupts
    from bot.sandbox.transcript import Event, EventKind, print_event, to_json

    if "level" not in settings.log.model_fields_set:
        # The transcript is the output; only trouble belongs between its lines.
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("bot").setLevel(logging.WARNING)
    console = Console()
    events: list[Event] = []

    def on_event(event: Event) -> None:
        # A sandbox that stays up must not remember for ever.
        if say:
            events.append(event)
        if not as_json:
            print_event(console, event)

    if empty:
        if say or as_json:
            raise ConfigError("--empty waits for bots and takes lines typed: leave out --say and --json.")
        from bot.config import TRIAL_STORE_VARIABLE
        from bot.sandbox.hall import keep_open, run_line

        told = partial(_TO_RUN.format, variable=TRIAL_STORE_VARIABLE)
        with termination_interrupts():
            asyncio.run(
                keep_open(
                    on_event=on_event,
                    on_open=lambda opened: _say(console, told(line=run_line(opened))),
                    on_bot=lambda: _say(console, "A bot has come. Type lines such as  /imagine prompt:a red circle"),
                    out=out,
                    page=page,
                    data_dir=data,
                )
            )
        return
    if not as_json and (settings.store.url is not None or settings.sharding.ids is not None):
        _say(console, _ITS_OWN)
    start_up = StartUp()
    factory = engine_factory(settings, start_up)
    if not say:
        if as_json:
            raise ConfigError(
                "--json needs at least one --say LINE: without, the sandbox stays up and takes lines typed."
            )
        options = [] if config is None else ["--config", str(config)]
        options += [] if model is None else ["--model", model]
        console.print("Connecting. Then type lines such as  /imagine prompt:a red circle  (Ctrl+C ends).", style="dim")
        with _ended_by_signals():
            asyncio.run(
                stay_up(
                    settings=settings,
                    engine_factory=factory,
                    start_up=start_up,
                    on_event=on_event,
                    out=out,
                    page=page,
                    data_dir=data,
                    on_ready=lambda online: _say(
                        console, f"Connected. To examine this bot: {doctor_line(settings, online, options)}"
                    ),
                )
            )
        return
    # What keeps the engine from starting is this command's own error; the log need not say it too.
    logging.getLogger("bot.executor").setLevel(logging.CRITICAL)
    try:
        with _ended_by_signals():
            asyncio.run(
                play(
                    say,
                    settings=settings,
                    engine_factory=factory,
                    start_up=start_up,
                    out=out,
                    page=page,
                    data_dir=data,
                    on_event=on_event,
                )
            )
    finally:
        # What was seen before it went wrong says most about why.
        if as_json and events:
            print(json.dumps({"transcript": to_json(events)}))
    if any(event.kind in (EventKind.FAILURE, EventKind.TIMEOUT) for event in events):
        raise typer.Exit(1)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """What a signal has ended has that signal's exit code."""
    from bot.sandbox.errors import StoppedError

    try:
        yield
    except StoppedError as stopped:
        raise typer.Exit(128 + stopped.number) from None


def _say(console: Console, text: str) -> None:
    console.print(text, style="dim", soft_wrap=True, highlight=False, markup=False)
