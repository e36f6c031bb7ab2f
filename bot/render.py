"""Jobs as Discord messages: pure functions from a request, an update or a result to text and a picture.

The cogs call them; `render_preview` and `render_result` take a fraction of a second of CPU, so they are called on a
worker thread. Nothing here touches the network, so a test needs no Discord.

Prompts come from strangers. In a message they are always escaped: no mention, no markdown, no link, no unfurling.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from bot.collage import encode_small, encode_within, make_collage
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

MAX_CONTENT_CHARACTERS: Final = 2000
MAX_DESCRIPTION_CHARACTERS: Final = 1024
MAX_REQUEST_BYTES: Final = 24 * 1024 * 1024  # Discord takes 25 MiB per request; the rest is for the other fields
MAX_MODEL_CHARACTERS: Final = 80

_BAR_CELLS: Final = 10
_ELLIPSIS: Final = "…"
_SHORTENED: Final = "The prompt is shown shortened; the picture's metadata holds all of it."

_MARKDOWN = re.compile(r"[\\*_~`|<>\[\]]")
_LINE_START = re.compile(r"\A[#-]")
_URL_SCHEME = re.compile(r":(?=//)")
_BARE_HOST = re.compile(r"(?<=[\w-])\.(?=[\w-]+/)")
_BIDI_CONTROLS: Final = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to attach. description: the alternative text, at most MAX_DESCRIPTION_CHARACTERS."""

    filename: str
    data: bytes
    description: str


class Controls(StrEnum):
    """What a job's message offers: NONE nothing, RUNNING to cancel it."""

    NONE = "none"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a message becomes. picture None leaves its attachments as they are, unless drops_picture."""

    content: str
    picture: Picture | None = None
    controls: Controls = Controls.NONE
    drops_picture: bool = False


def escape(text: str) -> str:
    """`text` so that Discord shows it letter by letter: no markdown, mention, timestamp, link or embed comes of it.

    Marks that reorder text (Unicode's bidirectional controls) are dropped, since they could disguise what follows.
    """
    plain = "".join(c for c in text if unicodedata.bidirectional(c) not in _BIDI_CONTROLS)
    plain = _MARKDOWN.sub(r"\\\g<0>", plain)
    plain = _LINE_START.sub(r"\\\g<0>", plain)
    plain = _URL_SCHEME.sub(r"\\:", plain)
    plain = _BARE_HOST.sub(r"\\.", plain)
    # A backslash hides a mention from the reader's client only; the zero-width space hides it from the server too.
    return plain.replace("@", "@\u200b")


def render_update(request: GenerationRequest, update: Update, *, loading: bool, resumed: bool = False) -> Rendered:
    """A job that waits or is being drawn; the bar counts image tokens.

    loading: the model isn't ready yet. resumed: the bot was restarted since the job was accepted.
    """
    match update:
        case Queued(position, expected_start_s):
            status = "Resumed after a restart: queued" if resumed else "Queued"
            status += f", place {position}"
            if loading:
                status += ", the model is still loading."
            elif expected_start_s is not None:
                status += f", starts {_soon(expected_start_s)}."
            else:
                status += "."
        case Progress(done, total):
            fraction = min(1.0, done / max(1, total))
            filled = int(fraction * _BAR_CELLS)
            bar = "█" * filled + "░" * (_BAR_CELLS - filled)
            status = f"Drawing {_images(request.num_images)}  `{bar}` {int(fraction * 100)} %"
        case Started() | Preview() | Finished():
            status = f"Drawing {_images(request.num_images)}{_ELLIPSIS}"
    # What a previous run of the bot had shown of it is not how far it is now.
    drops_picture = resumed and isinstance(update, Queued)
    content = _under_prompt(request.prompt, [status])
    return Rendered(content, controls=Controls.RUNNING, drops_picture=drops_picture)


def render_preview(request: GenerationRequest, pictures: Sequence[PreviewImage]) -> Picture:
    """Unfinished pictures, one or more of a job's, as a small collage without numbers, since ranks come at the end.

    An image that isn't among them is neutral grey, as is what isn't drawn of the others.
    """
    known = {picture.index: picture.pixels for picture in pictures}
    blank = np.full_like(pictures[0].pixels, 128)
    collage = make_collage([known.get(i, blank) for i in range(request.num_images)], is_numbered=False)
    description = _cut(f"Unfinished, {_images(request.num_images)} of: {request.prompt}", MAX_DESCRIPTION_CHARACTERS)
    return Picture(f"dalle-bot-{request.job_id}-unfinished.webp", encode_small(collage), description)


def _soon(seconds: float) -> str:
    """As coarse as the forecast is good."""
    if seconds < 5:
        return "in a moment"
    if seconds < 90:
        return f"in about {5 * max(1, round(seconds / 5))} s"
    return f"in about {round(seconds / 60)} min"


def render_failure(prompt: str, sentence: str) -> Rendered:
    """The job ended without pictures. sentence: why, and what to do."""
    return Rendered(_under_prompt(prompt, [sentence]), drops_picture=True)


def cancelled_sentence(user_id: int) -> str:
    """For render_failure: who cancelled the job."""
    return f"Cancelled by <@{user_id}>."


def render_interrupted(prompt: str) -> Rendered:
    """The bot stops while the job is under way."""
    return Rendered(_under_prompt(prompt, ["The bot is going offline. This job goes on when it is back."]))


def render_result(result: Result, *, user_id: int, max_bytes: int) -> Rendered:
    """A finished job: caption and numbered collage, best first.

    user_id: who asked; shown as a mention, which doesn't ping because the client sends AllowedMentions.none().
    max_bytes: the largest attachment that Discord takes here.
    """
    request = result.request
    collage = make_collage([image.pixels for image in result.images])
    data, extension = encode_within(collage, picture_metadata(result), min(max_bytes, MAX_REQUEST_BYTES))
    filename = f"dalle-bot-{request.job_id}.{extension.lstrip('.')}"
    lines = [
        f"{_images(len(result.images))} for <@{user_id}> · seed {request.seed} · {result.seconds:.1f} s",
        _scores_text(result),
        f"-# {escape(_cut(result.model, MAX_MODEL_CHARACTERS))} · {_sampling_text(result.sampling)}",
        *(escape(notice) for notice in result.notices),
    ]
    description = _cut(f"{_images(len(result.images))} of: {request.prompt}", MAX_DESCRIPTION_CHARACTERS)
    content = _under_prompt(request.prompt, lines, if_shortened=_SHORTENED)
    return Rendered(content, Picture(filename, data, description))


def picture_metadata(result: Result) -> Mapping[str, str]:
    """What the picture itself says of its making."""
    request = result.request
    metadata = {
        "prompt": request.prompt,
        "seed": str(request.seed),
        "parameters": f"images {len(result.images)} · {_sampling_text(result.sampling)}",
        "model": result.model,
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


def _scores_text(result: Result) -> str:
    first, *others = result.images
    if not others:
        return f"Score: {first.score:.1f}"
    return "Scores, best first: " + " · ".join(f"{n}: {image.score:.1f}" for n, image in enumerate(result.images, 1))


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _under_prompt(prompt: str, lines: list[str], *, if_shortened: str | None = None) -> str:
    """The prompt as a bold heading with `lines` below, within MAX_CONTENT_CHARACTERS; the prompt gives way, visibly."""
    heading = escape(prompt)
    body = "\n".join(lines)
    if _length(f"**{heading}**\n{body}") > MAX_CONTENT_CHARACTERS:
        body = "\n".join([*lines, if_shortened] if if_shortened else lines)
        room = MAX_CONTENT_CHARACTERS - _length(f"**{_ELLIPSIS}**\n{body}")
        heading = _longest_escaped(prompt, room) + _ELLIPSIS
    return f"**{heading}**\n{body}"


def _longest_escaped(text: str, room: int) -> str:
    """The escape of the longest start of `text` that fits into `room` UTF-16 units."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _length(escape(text[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low].rstrip())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + _ELLIPSIS


def _length(text: str) -> int:
    """UTF-16 units: what Discord's own client counts, never less than the characters that the server counts."""
    return len(text.encode("utf-16-le")) // 2
