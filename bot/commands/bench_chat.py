"""`dalle-bot bench chat`."""

import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.startup import StartUp


def chat(
    users: Annotated[int, typer.Option(help="How many there are, in five servers.", min=1, max=900)] = 200,
    seconds: Annotated[float, typer.Option(help="How long they send commands.", min=1.0, max=3600.0)] = 60.0,
    every: Annotated[
        float, typer.Option(help="A user's mean time between two commands, in seconds.", min=0.5, max=3600.0)
    ] = 20.0,
    seed: Annotated[int, typer.Option(help="Of who asks for what, where and when.", min=0, max=2**31)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what was seen, the bot's data and its log there.", metavar="DIR"),
    ] = None,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Chat with the real bot as many users would, on a pretended Discord: answers, deliveries and its event loop.

    Users send /imagine at random times. What they saw is compared with what they asked for. Exit code 1 if 99 % of the
    answers don't come within 0.5 s, if a job is lost, doubled or wrong, or if the bot's event loop stands still for
    more than 0.1 s.
    """
    settings = read_settings(config, model)
    from bot.bench.chat import measure_chat
    from bot.bench.chat_plan import ChatPlan

    with ExitStack() as stack:
        if out is None:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalle-bot-bench-")))
        out.mkdir(parents=True, exist_ok=True)
        progress = stack.enter_context(show_stages(Console(stderr=True), quiet=as_json))
        report = asyncio.run(
            measure_chat(settings, ChatPlan(users, seconds, every, seed), out, start_up=StartUp(progress))
        )
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        Console().print(report)
    if report.misses():
        raise typer.Exit(1)
