"""`dalle-bot imagine`."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import bot.requests as requests
from bot.commands.options import Config, Json, Model, engine_factory, read_settings
from bot.commands.progress import show_progress
from bot.startup import StartUp


def imagine(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    images: Annotated[int | None, typer.Option(help=f"How many, 1 to {requests.MAX_IMAGES}.")] = None,
    seed: Annotated[int | None, typer.Option(help="Draws the same pictures again. Random if not given.")] = None,
    condition_scale: Annotated[float | None, typer.Option(help="How closely to follow the prompt; 1 is off.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest tokens; 0 is off.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest tokens of this probability.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is wilder, below 1 tamer.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What to lead away from.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Also score each image against this text.")] = None,
    out: Annotated[Path, typer.Option(help="The collage.", metavar="FILE")] = Path("collage.png"),
    images_dir: Annotated[Path | None, typer.Option(help="Also write each image there.", metavar="DIR")] = None,
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw a prompt without Discord: the whole way from text to a ranked collage."""
    settings = read_settings(config, model)
    # What keeps the engine from starting is this command's own error; the log need not say it too.
    logging.getLogger("bot.executor").setLevel(logging.CRITICAL)
    console = Console(stderr=True)
    request = requests.GenerationRequest(
        prompt=prompt,
        num_images=settings.imagine.default_images if images is None else images,
        seed=requests.new_seed() if seed is None else seed,
        requester="local",
        sampling=requests.SamplingOverrides(condition_scale, top_k, top_p, temperature),
        negative_prompt=negative_prompt,
        labels=tuple(label or ()),
    )
    from bot.imagine import imagine as draw

    with show_progress(console, quiet=as_json) as progress:
        start_up = StartUp(progress)
        done = asyncio.run(
            draw(
                request,
                settings=settings,
                engine_factory=engine_factory(settings, start_up),
                out=out,
                images_dir=images_dir,
                on_update=progress.update,
                start_up=start_up,
            )
        )
    if as_json:
        print(json.dumps(done.to_json() | {"start": start_up.rounded()}))
        return
    for notice in done.result.notices:
        console.print(str(notice), style="yellow", markup=False)
    scores = " · ".join(f"{rank}: {image.score:.2f}" for rank, image in enumerate(done.result.images, start=1))
    print(f"{done.collage}  (seed {request.seed}; scores, best first: {scores})")
    for text, label_scores in zip(request.labels, done.label_scores(), strict=True):
        print(f"{text}: {' · '.join(f'{score:.2f}' for score in label_scores)}")
