"""What crosses the floors: a request going down, updates and a result coming up. All frozen, all checked here."""

import math
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.language import Text

MAX_PROMPT_CHARACTERS: Final = 1000
MAX_IMAGES: Final = 9
MAX_SEED: Final = 2**32 - 1
_MAX_IMAGE_TOKEN: Final = 2**31 - 1
MAX_LABELS: Final = 64

THE_PROMPT: Final = Text("The prompt")
THE_NEGATIVE_PROMPT: Final = Text("The negative prompt")


_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Bounds:
    """An inclusive range of a numeric parameter."""

    low: float
    high: float


SAMPLING_BOUNDS: Final[Mapping[str, Bounds]] = {
    "condition_scale": Bounds(0.0, 50.0),
    "top_k": Bounds(0, 65536),
    "top_p": Bounds(0.01, 1.0),
    "temperature": Bounds(0.05, 5.0),
}


def exceeds(name: str, value: float, most: float) -> bool:
    """Whether the parameter `name` is more than `most`, the most that is allowed. A top_k of 0 keeps all, so it is."""
    if name == "top_k":
        value, most = value or math.inf, most or math.inf
    return value > most


def check_number(name: str | Text, value: float, low: float, high: float) -> None:
    """Raises InvalidParameterError unless `low <= value <= high` (so NaN is refused too)."""
    if not low <= value <= high:
        raise InvalidParameterError(
            "{name} must be between {low:.10g} and {high:.10g}, not {value:.10g}.",
            name=name,
            low=low,
            high=high,
            value=value,
        )


def check_whole(name: str | Text, value: int, low: int, high: int) -> None:
    """Raises InvalidParameterError unless value is a whole number and `low <= value <= high`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidParameterError(
            "{name} must be a whole number between {low} and {high}, not {value!r:.40}.",
            name=name,
            low=low,
            high=high,
            value=value,
        )
    check_number(name, value, low, high)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Raises InvalidParameterError for values outside SAMPLING_BOUNDS.

    condition_scale: `uncond + s * (cond - uncond)` on the logits; 1.0 switches the guidance off.
    top_k: keep the k likeliest tokens; 0 keeps all. top_p: keep the smallest set of that probability; 1.0 keeps all.
    temperature: divides the logits.
    """

    condition_scale: float
    top_k: int
    top_p: float
    temperature: float

    def __post_init__(self) -> None:
        for name, bounds in SAMPLING_BOUNDS.items():
            check_number(name, getattr(self, name), bounds.low, bounds.high)


@dataclass(frozen=True, slots=True)
class SamplingOverrides:
    """What a request says about sampling; None leaves a value to the model's own defaults."""

    condition_scale: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        for name, bounds in SAMPLING_BOUNDS.items():
            value = getattr(self, name)
            if value is not None:
                check_number(name, value, bounds.low, bounds.high)

    def over(self, defaults: Sampling) -> Sampling:
        """These values, with `defaults` where one is None."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        return Sampling(**{name: getattr(defaults, name) if v is None else v for name, v in chosen.items()})

    def or_else(self, others: "SamplingOverrides") -> "SamplingOverrides":
        """These values, and those of `others` where one is None."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        return SamplingOverrides(**{name: getattr(others, name) if v is None else v for name, v in chosen.items()})

    def within(self, limits: "SamplingOverrides") -> "SamplingOverrides":
        """These values, none of them more than what `limits` says; None stays None."""
        return SamplingOverrides(
            _at_most("condition_scale", self.condition_scale, limits.condition_scale),
            _at_most("top_k", self.top_k, limits.top_k),
            _at_most("top_p", self.top_p, limits.top_p),
            _at_most("temperature", self.temperature, limits.temperature),
        )


def _at_most(name: str, value: _Number | None, most: _Number | None) -> _Number | None:
    return most if value is not None and most is not None and exceeds(name, value, most) else value


def check_prompt(text: str, name: str | Text = THE_PROMPT) -> str:
    """Returns `text` with every run of white space made one space and none at the ends.

    Raises InvalidPromptError if nothing readable is left, if it is longer than MAX_PROMPT_CHARACTERS, or if it
    holds control characters or unpaired surrogates. name: the error begins with it.
    """
    prompt = " ".join(text.split())
    if not prompt:
        raise InvalidPromptError("{name} is empty: describe the picture in a few words.", name=name)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidPromptError(
            "{name} has {count} characters; at most {limit} are allowed. Shorten it.",
            name=name,
            count=len(prompt),
            limit=MAX_PROMPT_CHARACTERS,
        )
    bad = next((c for c in prompt if unicodedata.category(c) in ("Cc", "Cs")), None)
    if bad is not None:
        raise InvalidPromptError(
            "{name} holds a control character (U+{code:04X}): remove it.", name=name, code=ord(bad)
        )
    if not any(unicodedata.category(c)[0] in "LN" for c in prompt):
        raise InvalidPromptError("{name} has no letters or digits: describe the picture in words.", name=name)
    return prompt


def new_seed() -> int:
    """A random seed in [0, MAX_SEED]."""
    return secrets.randbelow(MAX_SEED + 1)


def new_job_id() -> str:
    """A random job id: 12 lower-case hexadecimal digits."""
    return secrets.token_hex(6)


WEIGHT_BOUNDS: Final = Bounds(0.01, 100.0)
PREVIEW_INTERVAL_BOUNDS_S: Final = Bounds(0.1, 3600.0)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One job: `num_images` pictures of one prompt. Validates itself; its texts have passed check_prompt.

    requester: key of fairness within the guild and of the limit per user (a Discord user id, or "local").
    guild: key of fairness between guilds. weight: the requester's share within its guild, relative to others there.
    sampling_limits: the most of each value, whoever it comes from, the model's own defaults included; None for any.
    negative_prompt takes the place of the unconditional prompt; None keeps the model's own.
    image_tokens: codes that every image starts with, at most the model's image_length; () for none. codes_of: the model
    whose codes they are, which alone can go on from them; None where that isn't known.
    labels: texts that each picture is scored against, beside the prompt, at most MAX_LABELS, none twice.
    preview_interval_s: a Preview is sent no more often than this; None for no previews.
    """

    prompt: str
    num_images: int
    seed: int
    requester: str
    sampling: SamplingOverrides = field(default_factory=SamplingOverrides)
    sampling_limits: SamplingOverrides = field(default_factory=SamplingOverrides)
    negative_prompt: str | None = None
    image_tokens: tuple[int, ...] = ()
    codes_of: str | None = None
    guild: str = "local"
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    preview_interval_s: float | None = None
    job_id: str = field(default_factory=new_job_id)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", check_prompt(self.prompt))
        if self.negative_prompt is not None:
            object.__setattr__(self, "negative_prompt", check_prompt(self.negative_prompt, THE_NEGATIVE_PROMPT))
        check_whole(Text("images"), self.num_images, 1, MAX_IMAGES)
        check_whole(Text("seed"), self.seed, 0, MAX_SEED)
        for token in self.image_tokens:
            check_whole(Text("an image token"), token, 0, _MAX_IMAGE_TOKEN)
        check_number(Text("weight"), self.weight, WEIGHT_BOUNDS.low, WEIGHT_BOUNDS.high)
        check_number(Text("the number of labels"), len(self.labels), 0, MAX_LABELS)
        if isinstance(self.labels, str):
            raise InvalidParameterError("labels must be several texts, not one: put it into a tuple.")
        labels = tuple(check_prompt(label, Text("A label")) for label in self.labels)
        twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
        if twice is not None:
            raise InvalidParameterError("The label “{label:.40}” is given twice: name it once.", label=twice)
        object.__setattr__(self, "labels", labels)
        if self.preview_interval_s is not None:
            bounds = PREVIEW_INTERVAL_BOUNDS_S
            check_number("preview_interval_s", self.preview_interval_s, bounds.low, bounds.high)

    def sampling_over(self, defaults: Sampling) -> Sampling:
        """How its tokens are drawn. defaults: the model's own."""
        chosen = self.sampling.over(defaults)
        return SamplingOverrides(**asdict(chosen)).within(self.sampling_limits).over(defaults)


def no_scores() -> npt.NDArray[np.float32]:
    """The label scores of a picture that was scored against no label: float32 [0]."""
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedImage:
    """One picture of a result.

    index: which image of the request's seed this is, in [0, num_images); stays the same whatever its rank.
    pixels: uint8 [height, width, 3]. image_tokens: int32 [image_length].
    score: CLIP's logits_per_image for the prompt (cosine times exp(logit_scale)).
    clip_vector: float32 [projection_dim], unit length.
    label_scores: float32 [len(request.labels)], in the unit of `score`.
    """

    index: int
    pixels: npt.NDArray[np.uint8]
    image_tokens: npt.NDArray[np.int32]
    score: float
    clip_vector: npt.NDArray[np.float32]
    label_scores: npt.NDArray[np.float32] = field(default_factory=no_scores)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished job. images: best score first. sampling: what was really used. notices: sentences for the user
    (a shortened prompt, say). seconds: from `started` to the end; waiting is not counted."""

    request: GenerationRequest
    model: str
    sampling: Sampling
    images: tuple[GeneratedImage, ...]
    notices: tuple[Text, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Queued:
    """The job waits; `position` is 1 for the next one to start. Sent again whenever it changes.

    expected_start_s: seconds from now until the job's first image starts; None while nothing is known. It alone makes
    no new update before it has changed by a fifth or by two seconds, nor within a second of the last one.
    """

    position: int
    expected_start_s: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The job holds its first slots."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Image tokens drawn so far, over all images of the job, out of `total_tokens`."""

    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class PreviewImage:
    """An unfinished picture. pixels: uint8 [height, width, 3], neutral grey (128) below the first `done_rows` rows of
    codes."""

    index: int
    pixels: npt.NDArray[np.uint8]
    done_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Unfinished pictures of the job, not always all of them, by index. total_rows: rows of codes of a picture."""

    images: tuple[PreviewImage, ...]
    total_rows: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last update of a job that succeeded."""

    result: Result


Update = Queued | Started | Progress | Preview | Finished
