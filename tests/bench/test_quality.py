"""The judge, on the shipped demo and a handful of captions."""

from pathlib import Path

from bot.bench.quality import judge
from bot.config import Settings
from bot.requests import Sampling


def test_the_demo_is_judged_by_its_pixels(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, engine={"num_slots": 9})
    report = judge(settings, num_captions=3)
    assert (report.num_captions, report.num_images) == (3, 9)
    assert report.background.best == 1.0
    assert report.both.best >= 2 / 3


def test_noise_does_not_pass(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, engine={"num_slots": 9})
    noise = Sampling(condition_scale=0.0, top_k=0, top_p=1.0, temperature=5.0)
    assert judge(settings, num_captions=2, sampling=noise).both.random < 0.3
