"""The command line, `dalle-bot` or `python -m bot`: arguments and exit codes, nothing else.

Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or model files. Commands import what they need themselves, so
that `--help` does not wait for JAX.
"""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import bot.requests as requests
from bot import __version__
from bot.errors import CheckpointError, ConfigError, DalleBotError, RequestError

if TYPE_CHECKING:
    from bot.config import Settings
    from bot.engine.base import Engine

app = typer.Typer(
    help="A Discord bot that draws prompts with DALL-E Mini or Mega and ranks the images with CLIP.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_CONFIG = Path("config.toml")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file. Without it, config.toml if there is one.", metavar="FILE"),
]
Model = Annotated[
    str | None, typer.Option("--model", help="demo, mini, mega, a folder or a hub id; instead of model.name.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def imagine(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    images: Annotated[int | None, typer.Option(help=f"How many, 1 to {requests.MAX_IMAGES}.")] = None,
    seed: Annotated[int | None, typer.Option(help="Draws the same pictures again. Random if not given.")] = None,
    condition_scale: Annotated[float | None, typer.Option(help="How closely to follow the prompt; 1 is off.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest tokens; 0 is off.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest tokens of this probability.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is wilder, below 1 tamer.")] = None,
    out: Annotated[Path, typer.Option(help="The collage.", metavar="FILE")] = Path("collage.png"),
    images_dir: Annotated[Path | None, typer.Option(help="Also write each image there.", metavar="DIR")] = None,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw a prompt without Discord: the whole way from text to a ranked collage."""
    settings = _settings(config, model)
    # What keeps the engine from starting is this command's own error; the log need not say it too.
    logging.getLogger("bot.executor").setLevel(logging.CRITICAL)
    console = Console(stderr=True)
    request = requests.GenerationRequest(
        prompt=prompt,
        num_images=settings.imagine.default_images if images is None else images,
        seed=requests.new_seed() if seed is None else seed,
        requester="local",
        sampling=requests.SamplingOverrides(condition_scale, top_k, top_p, temperature),
    )
    from bot.imagine import imagine as draw

    with _progress(console, quiet=as_json) as show:
        done = asyncio.run(
            draw(
                request,
                settings=settings,
                engine_factory=_engine_factory(settings),
                out=out,
                images_dir=images_dir,
                on_update=show,
            )
        )
    if as_json:
        print(json.dumps(done.to_json()))
        return
    for notice in done.result.notices:
        console.print(notice, style="yellow", markup=False)
    scores = " · ".join(f"{rank}: {image.score:.2f}" for rank, image in enumerate(done.result.images, start=1))
    print(f"{done.collage}  (seed {request.seed}; scores, best first: {scores})")


@app.command()
def run(config: Config = None, model: Model = None) -> None:
    """Run the bot on Discord. The token comes from DISCORD_TOKEN or the settings file."""
    settings = _settings(config, model)
    from bot.app import run as serve

    serve(settings, _engine_factory(settings))


@app.command()
def sandbox(
    say: Annotated[list[str] | None, typer.Option(help="A line to play; may be repeated.", metavar="LINE")] = None,
    out: Annotated[Path | None, typer.Option(help="Save the attachments there.", metavar="DIR")] = None,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try the bot on a pretended Discord: no token, nothing leaves this machine."""
    settings = _settings(config, model)
    from bot.sandbox.play import play, stay_up
    from bot.sandbox.termination import termination_interrupts
    from bot.sandbox.transcript import Event, EventKind, print_event, to_json

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

    factory = _engine_factory(settings)
    if not say:
        if as_json:
            raise ConfigError(
                "--json needs at least one --say LINE: without, the sandbox stays up and takes lines typed."
            )
        console.print("Connecting. Then type lines such as  /imagine prompt:a red circle  (Ctrl+C ends).", style="dim")
        with termination_interrupts():
            asyncio.run(stay_up(settings=settings, engine_factory=factory, on_event=on_event, out=out))
        return
    try:
        with termination_interrupts():
            asyncio.run(play(say, settings=settings, engine_factory=factory, out=out, on_event=on_event))
    finally:
        # What was seen before it went wrong says most about why.
        if as_json and events:
            print(json.dumps({"transcript": to_json(events)}))
    if any(event.kind in (EventKind.FAILURE, EventKind.TIMEOUT) for event in events):
        raise typer.Exit(1)


@app.command("train-demo")
def train_demo(
    out: Annotated[Path, typer.Option(help="Where the checkpoint goes.", metavar="DIR")] = Path("demo-checkpoint"),
    work: Annotated[Path, typer.Option(help="States and losses; what is there is resumed.", metavar="DIR")] = Path(
        "demo-training"
    ),
    seed: Annotated[int, typer.Option(help="One seed, one result.", min=0)] = 0,
    speed: Annotated[float, typer.Option(help="Divides the number of steps, for a quick look.", min=1.0)] = 1.0,
    evaluate: Annotated[int, typer.Option(help="Afterwards, judge this many captions.", metavar="N", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Train the demo checkpoint from nothing, on pictures that the program draws itself; resumable."""
    from bot.demo.plot import plot_losses
    from bot.demo.train import train_demo as train

    console = Console(stderr=True)
    train(out, work, seed=seed, console=console, speed=speed)
    report: dict[str, Any] = {"checkpoint": str(out)}
    try:
        report["losses"] = str(plot_losses(work))
    except ConfigError as error:
        # Without matplotlib there is no plot; what was trained stays trained.
        console.print(str(error), style="yellow", markup=False)
    if evaluate:
        from bot.bench.quality import judge

        report["evaluation"] = judge(_settings(None, str(out)), num_captions=evaluate, console=console).to_json()
    if as_json:
        print(json.dumps(report))
    else:
        console.print(report)


def main() -> None:
    """Entry point. Turns what goes wrong into one sentence on stderr and an exit code."""
    try:
        app(standalone_mode=True)
    except DalleBotError as error:
        print(f"dalle-bot: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, (ConfigError, RequestError, CheckpointError)) else 1)


def _settings(config: Path | None, model: str | None) -> "Settings":
    from bot.config import load_settings
    from bot.log import configure_logging

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    settings = load_settings(config)
    if model is not None:
        chosen = settings.model.model_copy(update={"name": model, "revision": None})
        settings = settings.model_copy(update={"model": chosen})
    token = settings.discord.token
    secrets = [token.get_secret_value()] if token else []
    configure_logging(settings.log.level, settings.log.as_json, secrets=secrets)
    return settings


def _engine_factory(settings: "Settings") -> Callable[[], "Engine"]:
    def build() -> "Engine":
        from bot.engine.open import open_engine

        return open_engine(settings)

    return build


@contextlib.contextmanager
def _progress(console: Console, *, quiet: bool) -> Iterator[Callable[[requests.Update], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as progress:
        task = progress.add_task("loading the model", total=None)

        def show(update: requests.Update) -> None:
            if isinstance(update, requests.Progress):
                progress.update(task, description="drawing", total=update.total_tokens, completed=update.done_tokens)

        yield show


if __name__ == "__main__":
    main()
