"""Jobs as Discord messages: pure functions from a request, an update or a result to text and a picture.

The cogs call them; `render_preview` and `render_result` take a fraction of a second of CPU, so they are called on a
worker thread. Nothing here touches the network, so a test needs no Discord.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from bot.collage import encode_small, encode_within, make_collage
from bot.guild_settings import ResultFormat
from bot.language import Language, Text
from bot.message_text import cut, escape, escape_shortened, under_prompt
from bot.requests import (
    Finished,
    GenerationRequest,
    Preview,
    PreviewImage,
    Progress,
    Queued,
    Result,
    Sampling,
    Started,
    Update,
)

MAX_DESCRIPTION_CHARACTERS: Final = 1024
MAX_REQUEST_BYTES: Final = 24 * 1024 * 1024  # Discord takes 25 MiB per request; the rest is for the other fields
MAX_MODEL_CHARACTERS: Final = 80
MAX_NEGATIVE_UNITS: Final = 300
SPOILER_PREFIX: Final = "SPOILER_"
"""Of a file's name, by which Discord knows that it is to be shown behind a click."""

_BAR_CELLS: Final = 10
_SHORTENED: Final = Text("The prompt is shown shortened; the picture's metadata holds all of it.")


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to attach. description: the alternative text, cut to MAX_DESCRIPTION_CHARACTERS."""

    filename: str
    data: bytes
    description: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", cut(self.description, MAX_DESCRIPTION_CHARACTERS))


class Controls(StrEnum):
    """What a job's message offers: NONE nothing, RUNNING to cancel it, RESULT what can be done with kept pictures."""

    NONE = "none"
    RUNNING = "running"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a message becomes. picture None leaves its attachments as they are, unless drops_picture.

    scores: of its pictures, best first, for Controls.RESULT.
    """

    content: str
    picture: Picture | None = None
    controls: Controls = Controls.NONE
    drops_picture: bool = False
    scores: tuple[float, ...] = ()


def render_update(
    request: GenerationRequest, update: Update, *, language: Language, loading: bool, resumed: bool = False
) -> Rendered:
    """A job that waits or is being drawn. The arguments are those of `status_line`."""
    status = status_line(request.num_images, update, language=language, loading=loading, resumed=resumed)
    # What a previous run of the bot had shown of it is not how far it is now.
    drops_picture = resumed and isinstance(update, Queued)
    content = under_prompt(request.prompt, [status])
    return Rendered(content, controls=Controls.RUNNING, drops_picture=drops_picture)


def status_line(num_images: int, update: Update, *, language: Language, loading: bool, resumed: bool = False) -> str:
    """How far a job is; the bar counts image tokens.

    loading: the model isn't ready yet. resumed: the bot was restarted since the job was accepted.
    """
    match update:
        case Queued(position, expected_start_s):
            if resumed:
                queued = Text("Resumed: queued, place {place}", place=position)
            else:
                queued = Text("Queued, place {place}", place=position)
            if loading:
                return language.text("{queued}, the model is still loading.", queued=queued)
            if expected_start_s is not None:
                return language.text("{queued}, starts {soon}.", queued=queued, soon=_soon(expected_start_s))
            return language.text("{queued}.", queued=queued)
        case Progress(done, total):
            fraction = min(1.0, done / max(1, total))
            filled = int(fraction * _BAR_CELLS)
            bar = "█" * filled + "░" * (_BAR_CELLS - filled)
            return language.plural(
                "Drawing {n} image, {percent} %  {bar}",
                "Drawing {n} images, {percent} %  {bar}",
                num_images,
                bar=f"`{bar}`",
                percent=int(fraction * 100),
            )
        case Started() | Preview() | Finished():
            return language.plural("Drawing {n} image…", "Drawing {n} images…", num_images)


def render_preview(request: GenerationRequest, pictures: Sequence[PreviewImage], *, language: Language) -> Picture:
    """Unfinished pictures, one or more of a job's, as a small collage without numbers, since ranks come at the end.

    An image that isn't among them is neutral grey, as is what isn't drawn of the others.
    """
    known = {picture.index: picture.pixels for picture in pictures}
    blank = np.full_like(pictures[0].pixels, 128)
    collage = make_collage([known.get(i, blank) for i in range(request.num_images)], is_numbered=False)
    described = language.plural(
        "{n} unfinished image of: {prompt}",
        "{n} unfinished images of: {prompt}",
        request.num_images,
        prompt=request.prompt,
    )
    name = f"dalle-bot-{request.job_id}-unfinished.webp"
    return Picture(name, encode_small(collage), described)


def _soon(seconds: float) -> Text:
    """As coarse as the forecast is good."""
    if seconds < 5:
        return Text("in a moment")
    if seconds < 90:
        return Text("in about {seconds} s", seconds=5 * max(1, round(seconds / 5)))
    return Text("in about {minutes} min", minutes=round(seconds / 60))


def render_failure(prompt: str, sentence: str) -> Rendered:
    """The job ended without pictures. sentence: why, and what to do."""
    return Rendered(under_prompt(prompt, [sentence]), drops_picture=True)


def render_waiting(case_number: int, *, language: Language, user_id: int, prompt: str | None) -> Rendered:
    """Moderators are to decide. prompt: None where it is the prompt that they should see first."""
    sentence = language.text(
        "{user}: waiting for review (case {number}).", user=f"<@{user_id}>", number=f"#{case_number}"
    )
    content = sentence if prompt is None else under_prompt(prompt, [sentence])
    return Rendered(content, controls=Controls.RUNNING, drops_picture=True)


def render_closed(prompt: str | None, sentence: str) -> Rendered:
    """As render_failure, without a prompt that nobody may see."""
    return Rendered(sentence, drops_picture=True) if prompt is None else render_failure(prompt, sentence)


def cancelled_text(user_id: int) -> Text:
    """For render_failure: who cancelled the job."""
    return Text("Cancelled by {user}.", user=f"<@{user_id}>")


def render_interrupted(prompt: str, *, language: Language) -> Rendered:
    """The bot stops while the job is under way."""
    sentence = language.text("The bot is going offline. This job goes on when it is back.")
    return Rendered(under_prompt(prompt, [sentence]))


def render_delayed(prompt: str, *, language: Language) -> Rendered:
    """The database does not answer, and the pictures can't be shown before it does. Controls stay, by which the message
    is found if its id is lost."""
    sentence = language.text("The pictures are drawn, and come as soon as the bot's database answers again.")
    return Rendered(under_prompt(prompt, [sentence]), controls=Controls.RUNNING)


def render_result(
    result: Result,
    *,
    language: Language,
    user_id: int,
    max_bytes: int,
    origin: Text | None = None,
    is_kept: bool = False,
    result_format: ResultFormat = "png",
    is_spoiler: bool = False,
    warning: Text | None = None,
) -> Rendered:
    """A finished job: caption and numbered collage, best first.

    user_id: who asked; shown as a mention, which doesn't ping because the client sends AllowedMentions.none().
    max_bytes: the largest attachment that Discord takes here. origin: which job it comes from. is_kept: whether its
    pictures are in the store, which its controls need. result_format: of the collage, unless it is too large as PNG.
    is_spoiler: whether Discord shows the collage behind a click. warning: for whoever asked.
    """
    request = result.request
    collage = make_collage([image.pixels for image in result.images])
    metadata = picture_metadata(request, result.sampling, result.model)
    data, extension = encode_within(collage, metadata, min(max_bytes, MAX_REQUEST_BYTES), result_format)
    filename = f"{SPOILER_PREFIX if is_spoiler else ''}dalle-bot-{request.job_id}.{extension}"
    lines = [
        language.plural(
            "{n} image for {user} · seed {seed} · {seconds:.1f} s",
            "{n} images for {user} · seed {seed} · {seconds:.1f} s",
            len(result.images),
            user=f"<@{user_id}>",
            seed=request.seed,
            seconds=result.seconds,
        ),
        _scores_text(result, language),
        f"-# {escape(cut(result.model, MAX_MODEL_CHARACTERS))} · {_sampling_text(result.sampling)}",
        *(f"-# {language.tell(said)}" for said in (_negative_text(request), origin) if said is not None),
        *(escape(language.tell(notice)) for notice in result.notices),
        *([] if warning is None else [language.tell(warning)]),
    ]
    description = language.plural(
        "{n} image of: {prompt}",
        "{n} images, numbered, the best first, of: {prompt}",
        len(result.images),
        prompt=request.prompt,
    )
    content = under_prompt(request.prompt, lines, if_shortened=language.tell(_SHORTENED))
    return Rendered(
        content,
        Picture(filename, data, description),
        controls=Controls.RESULT if is_kept else Controls.NONE,
        scores=tuple(image.score for image in result.images),
    )


def picture_metadata(request: GenerationRequest, sampling: Sampling, model: str) -> Mapping[str, str]:
    """What the picture itself says of its making, in English: programs read it too."""
    metadata = {
        "prompt": request.prompt,
        "seed": str(request.seed),
        "parameters": f"images {request.num_images} · {_sampling_text(sampling)}",
        "model": model,
        "job": request.job_id,
        "software": "dalle-bot",
    }
    if request.negative_prompt is not None:
        metadata["negative_prompt"] = request.negative_prompt
    return metadata


def _sampling_text(sampling: Sampling) -> str:
    return (
        f"condition_scale {sampling.condition_scale:g} · top_k {sampling.top_k} · "
        f"top_p {sampling.top_p:g} · temperature {sampling.temperature:g}"
    )


def _negative_text(request: GenerationRequest) -> Text | None:
    if request.negative_prompt is None:
        return None
    shortened = escape_shortened(request.negative_prompt, MAX_NEGATIVE_UNITS)
    return Text("Negative prompt: {negative}", negative=shortened)


def _scores_text(result: Result, language: Language) -> str:
    first, *others = result.images
    if not others:
        return language.text("Score: {score:.1f}", score=first.score)
    scores = (f"{rank}: {language.show(image.score, '.1f')}" for rank, image in enumerate(result.images, 1))
    return language.text("Scores, best first: {scores}", scores=" · ".join(scores))
