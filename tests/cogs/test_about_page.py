"""What /about tells of the bot's state."""

import pytest

from bot.catalogues import Languages
from bot.cogs.about_page import Standing, about_text, about_view
from bot.engine.base import ModelInfo
from bot.executor.base import EngineState, ExecutorStatus
from bot.language import ENGLISH
from bot.requests import Sampling

INFO = ModelInfo("demo", 64, 8, 128, 24, Sampling(4.0, 0, 1.0, 1.0), device="2 x NVIDIA L4", dtype="bfloat16")


def standing(state: EngineState, info: ModelInfo | None = None, up_s: float = 60.0) -> Standing:
    return Standing(ExecutorStatus(state, 3, 2, info), up_s, 5)


@pytest.mark.parametrize(
    ("state", "info", "told"),
    [
        (EngineState.LOADING, None, "The model is still loading."),
        (EngineState.FAILED, None, "The model can't be used at the moment."),
        (EngineState.READY, INFO, "Model: demo, 128 x 128 pixels, on 2 x NVIDIA L4 in bfloat16."),
        (EngineState.FAILED, INFO, "The model can't be used at the moment."),
    ],
)
def test_the_model(state: EngineState, info: ModelInfo | None, told: str) -> None:
    assert about_text(standing(state, info), ENGLISH).splitlines()[1] == told


@pytest.mark.parametrize(
    ("up_s", "time"),
    [
        (59.0, "less than a minute"),
        (60.0, "1 minute"),
        (119 * 60.0, "119 minutes"),
        (2 * 3600.0, "2 hours"),
        (47.9 * 3600, "47 hours"),
        (49 * 3600.0, "2 days"),
    ],
)
def test_the_uptime_is_as_coarse_as_people_are(up_s: float, time: str) -> None:
    last = about_text(standing(EngineState.LOADING, up_s=up_s), ENGLISH).splitlines()[-1]
    assert last == f"Running for {time}, in 5 servers."


def test_in_german() -> None:
    text = about_text(standing(EngineState.READY, INFO, up_s=3 * 24 * 3600.0), Languages.load().of("de"))
    assert text.splitlines()[1:] == [
        "Modell: demo, 128 x 128 Pixel, auf 2 x NVIDIA L4 in bfloat16.",
        "Aufträge von allen: 3 in der Warteschlange, 2 in Arbeit.",
        "Läuft seit 3 Tagen, auf 5 Servern.",
    ]


async def test_without_a_source_there_is_no_button_for_it() -> None:
    (invite,) = about_view("https://discord.com/oauth2/authorize", None, ENGLISH).children
    assert invite.to_component_dict()["label"] == "Add it to a server"
