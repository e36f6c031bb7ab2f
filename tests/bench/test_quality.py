"""The judge, on the shipped demo and a handful of captions."""

import pytest

import bot.bench.quality
from bot.bench.quality import judge
from bot.checkpoints.json_file import read_json
from bot.config import EngineSettings, Settings
from bot.engine.engine import JaxEngine
from bot.engine.open import open_engine
from bot.fetch.locate import DEMO_FOLDER
from bot.requests import Sampling
from bot.startup import StartUp

# One program of chunks is all that the judge needs.
CHUNK_TOKENS = read_json(DEMO_FOLDER / "dalle_bart" / "config.json")["image_length"]
SETTINGS = Settings(
    engine=EngineSettings(num_slots=9, chunk_tokens=CHUNK_TOKENS, deterministic=True, compile_cache=False)
)


@pytest.fixture(scope="module")
def demo() -> JaxEngine:
    return open_engine(SETTINGS, StartUp())


@pytest.fixture(autouse=True)
def opened_once(demo: JaxEngine, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Gives the judge the engine of all tests. Returns the settings that it asks for one with."""
    asked: list[Settings] = []

    def open_engine(settings: Settings, start_up: StartUp) -> JaxEngine:
        asked.append(settings)
        return demo

    monkeypatch.setattr(bot.bench.quality, "open_engine", open_engine)
    return asked


@pytest.mark.slow
def test_the_demo_is_judged_by_its_pixels(opened_once: list[Settings]) -> None:
    report = judge(SETTINGS, num_captions=1)
    assert opened_once == [SETTINGS]
    assert report.num_images == 9
    rows = report.rows.values()
    assert [row.num_captions for row in rows] == [1, 1, 1, 1]
    assert sum(row.best.background for row in rows) >= 3
    assert sum(row.best.object_colour for row in rows) >= 3
    assert sum(row.best.shape for row in rows) >= 2
    assert sum(row.entirely_right.random for row in rows) / len(rows) > 0.25


@pytest.mark.slow
def test_noise_does_not_pass() -> None:
    noise = Sampling(condition_scale=0.0, top_k=0, top_p=1.0, temperature=5.0)
    report = judge(SETTINGS, num_captions=1, sampling=noise)
    assert all(row.entirely_right.random < 0.3 for row in report.rows.values())
