"""What a guild's settings make of a request."""

from typing import Any

import pytest

from bot.errors import InvalidParameterError
from bot.guild_settings import DEFAULTS, GuildSettings
from bot.moderation.parameters import ImageCount, check_sampling, fitted, num_images
from bot.requests import GenerationRequest, Sampling, SamplingOverrides

BOTS = ImageCount(default=6, most=8)
MODELS = Sampling(condition_scale=10.0, top_k=0, top_p=1.0, temperature=1.0)


def request(number: int = 8, **sampling: Any) -> GenerationRequest:
    return GenerationRequest("a red circle", number, seed=1, requester="7", sampling=SamplingOverrides(**sampling))


@pytest.mark.parametrize(
    ("settings", "given", "last", "expected"),
    [
        (DEFAULTS, None, None, 6),
        (DEFAULTS, 8, None, 8),
        (GuildSettings(default_images=3), None, None, 3),
        (GuildSettings(default_images=9), None, None, 8),
        (GuildSettings(max_images=4), None, None, 4),
        (GuildSettings(max_images=4), None, 9, 4),
        (GuildSettings(max_images=4), 2, 9, 2),
        (GuildSettings(default_images=2), None, 5, 5),
    ],
)
def test_how_many_images(settings: GuildSettings, given: int | None, last: int | None, expected: int) -> None:
    assert num_images(settings, BOTS, given=given, last=last) == expected


@pytest.mark.parametrize(
    ("settings", "given", "sentence"),
    [
        (DEFAULTS, 9, "images must be between 1 and 8, not 9."),
        (GuildSettings(max_images=9), 9, "images must be between 1 and 8, not 9."),
        (GuildSettings(max_images=4), 5, "images may be 4 at most in this server, not 5."),
    ],
)
def test_too_many_images_are_refused(settings: GuildSettings, given: int, sentence: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        num_images(settings, BOTS, given=given)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("settings", "given", "sentence"),
    [
        (
            GuildSettings(max_condition_scale=5.5),
            SamplingOverrides(condition_scale=6),
            "condition_scale may be 5.5 at most in this server, not 6.",
        ),
        (
            GuildSettings(max_top_k=64),
            SamplingOverrides(top_k=0),
            "top_k may be 64 at most in this server, and 0 switches it off.",
        ),
        (
            GuildSettings(max_temperature=1.5),
            SamplingOverrides(temperature=2.0),
            "temperature may be 1.5 at most in this server, not 2.",
        ),
        (GuildSettings(max_top_p=0.5), SamplingOverrides(top_p=1.0), "top_p may be 0.5 at most in this server, not 1."),
    ],
)
def test_too_much_of_a_parameter_is_refused(settings: GuildSettings, given: SamplingOverrides, sentence: str) -> None:
    check_sampling(settings, SamplingOverrides(top_k=1))
    check_sampling(DEFAULTS, given)
    with pytest.raises(InvalidParameterError) as caught:
        check_sampling(settings, given)
    assert str(caught.value) == sentence


def test_what_nobody_said_comes_from_the_guild() -> None:
    settings = GuildSettings(default_temperature=0.5, default_top_k=64)
    made = fitted(settings, BOTS, request(top_k=9))
    assert made.sampling == SamplingOverrides(top_k=9, temperature=0.5)
    assert made.sampling_over(MODELS) == Sampling(10.0, 9, 1.0, 0.5)


def test_whatever_is_too_much_becomes_less() -> None:
    settings = GuildSettings(max_images=4, max_condition_scale=5.0, max_top_k=100, max_temperature=2.0)
    made = fitted(settings, BOTS, request(top_k=0, temperature=3.0))
    assert made.num_images == 4
    assert made.sampling == SamplingOverrides(top_k=100, temperature=2.0)
    # The model's own value counts here, whenever the model is ready.
    assert made.sampling_over(MODELS) == Sampling(5.0, 100, 1.0, 2.0)
    assert fitted(DEFAULTS, BOTS, request(9)).num_images == 8
