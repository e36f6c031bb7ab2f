"""`dalle-bot bench chat`."""

import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings
from bot.commands.progress import show_stages
from bot.errors import ConfigError
from bot.startup import StartUp

if TYPE_CHECKING:
    from bot.bench.chat_report import ChatReport

DEFAULT_JOBS: Final = 500


def chat(
    users: Annotated[int, typer.Option(help="How many there are, in five servers.", min=1, max=900)] = 200,
    seconds: Annotated[float, typer.Option(help="How long they send commands.", min=1.0, max=3600.0)] = 60.0,
    every: Annotated[
        float, typer.Option(help="A user's mean time between two commands, in seconds.", min=0.5, max=3600.0)
    ] = 20.0,
    seed: Annotated[int, typer.Option(help="Of who asks for what, where and when.", min=0, max=2**31)] = 0,
    faults: Annotated[
        bool, typer.Option("--faults", help="Let Discord, the engine and the bot's process fail meanwhile.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(help="With --faults: how many are acknowledged before it ends.", min=2, max=100_000),
    ] = None,
    engine: Annotated[
        Literal["product", "fake"],
        typer.Option(help="With --faults: “fake” draws pictures that can be computed, and fails now and then."),
    ] = "product",
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

    With --faults as many commands as the bot can take go out, until --jobs jobs have been acknowledged; --users,
    --seconds and --every are not used. Gateway and REST fail by a plan, the bot's process is killed now and then. Exit
    code 1 if a job is lost, doubled or wrong, or if the store says otherwise than the users saw.
    """
    if not faults and (jobs is not None or engine != "product"):
        raise ConfigError("--jobs and --engine go with --faults only.")
    settings = read_settings(config, model)
    from bot.bench.chat import PRODUCT, measure_chat
    from bot.bench.chat_plan import ChatPlan
    from bot.bench.fault_soak import SoakPlan, soak

    with ExitStack() as stack:
        if out is None:
            out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalle-bot-bench-")))
        out.mkdir(parents=True, exist_ok=True)
        progress = stack.enter_context(show_stages(Console(stderr=True), quiet=as_json))
        start_up = StartUp(progress)
        if faults:
            plan = SoakPlan(jobs or DEFAULT_JOBS, seed)
            product = PRODUCT if engine == "product" else None
            report: ChatReport = asyncio.run(soak(settings, plan, out, start_up=start_up, product=product))
        else:
            report = asyncio.run(measure_chat(settings, ChatPlan(users, seconds, every, seed), out, start_up=start_up))
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        Console().print(report)
    if report.misses():
        raise typer.Exit(1)
