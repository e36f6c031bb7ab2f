"""How many pictures, and which sampling parameters, a guild's settings make of what was asked. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from bot.errors import InvalidParameterError
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.requests import SAMPLING_BOUNDS, GenerationRequest, SamplingOverrides, check_number, exceeds

THE_IMAGES: Final = Text("images")


@dataclass(frozen=True, slots=True)
class ImageCount:
    """Of this bot, for guilds that say nothing else: how many when nobody says, and at most."""

    default: int
    most: int

    def within(self, settings: GuildSettings) -> "ImageCount":
        """What counts in a guild."""
        most = min(self.most, settings.max_images or self.most)
        return ImageCount(min(settings.default_images or self.default, most), most)


def num_images(
    settings: GuildSettings,
    bots: ImageCount,
    *,
    given: int | None,
    last: int | None = None,
    name: Text = THE_IMAGES,
) -> int:
    """How many to draw. given: what the user says now; last: of the job that is repeated. name: for the error.

    Raises InvalidParameterError if the user says more than is allowed; what comes from elsewhere is made less.
    """
    here = bots.within(settings)
    if given is None:
        return min(here.default if last is None else last, here.most)
    check_number(name, given, 1, bots.most)
    _check(name, given, here.most)
    return given


def check_sampling(settings: GuildSettings, given: SamplingOverrides) -> None:
    """Raises InvalidParameterError if the user says more than the guild allows."""
    limits = sampling_limits(settings)
    for name in SAMPLING_BOUNDS:
        value, most = getattr(given, name), getattr(limits, name)
        if value is None or most is None or not exceeds(name, value, most):
            continue
        if not value:
            raise InvalidParameterError(
                "{name} may be {most:.10g} at most in this server, and 0 switches it off.", name=name, most=most
            )
        _check(name, value, most)


def fitted(settings: GuildSettings, bots: ImageCount, request: GenerationRequest) -> GenerationRequest:
    """The request with the guild's defaults where it says nothing, and with nothing above the guild's limits."""
    limits = sampling_limits(settings)
    defaults = SamplingOverrides(**{name: getattr(settings, f"default_{name}") for name in SAMPLING_BOUNDS})
    return replace(
        request,
        num_images=min(request.num_images, bots.within(settings).most),
        sampling=request.sampling.or_else(defaults).within(limits),
        sampling_limits=limits,
    )


def _check(name: str | Text, value: float, most: float) -> None:
    if value > most:
        raise InvalidParameterError(
            "{name} may be {most:.10g} at most in this server, not {value:.10g}.", name=name, most=most, value=value
        )


def sampling_limits(settings: GuildSettings) -> SamplingOverrides:
    """The most of each parameter; None for any."""
    return SamplingOverrides(**{name: getattr(settings, f"max_{name}") for name in SAMPLING_BOUNDS})
