"""Calibration with the demo's CLIP on drawn pictures: a category such as “black star” works for real."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.bench.calibration import calibrate_folder, read_folder
from bot.config import Settings
from bot.demo.draw import draw
from bot.demo.grammar import COLOURS, SHAPES, parse
from bot.errors import ConfigError
from bot.image_rule import ImageAction, ImageRule
from bot.moderation.image_categories import HARMLESS, read_categories
from bot.moderation.image_rules import judge, labels_of
from bot.requests import GeneratedImage
from bot.startup import StartUp

OTHER_COLOURS = [colour for colour in COLOURS if colour != "black"]
STARS = [f"a black star on a {colour} background" for colour in OTHER_COLOURS]
NEUTRAL = [
    f"a black {shape} on a {colour} background" for shape in SHAPES if shape != "star" for colour in ("white", "red")
]
NEUTRAL += [f"a {colour} star" for colour in OTHER_COLOURS]
CATEGORIES = f"""
neutral = {json.dumps(NEUTRAL)}
[categories.black_star]
texts = {json.dumps(STARS)}
threshold = 0.5
[categories.green_ring]
texts = ["a green ring"]
threshold = 0.5
"""


def paint(folder: Path, name: str, captions: list[str]) -> None:
    (folder / name).mkdir(parents=True)
    for number, caption in enumerate(captions):
        pixels = draw(parse(caption), np.random.default_rng(number))
        Image.fromarray(pixels).save(folder / name / f"{number:02}.png")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve black stars, and what isn't one."""
    folder = tmp_path / "pictures"
    stars = [f"a{size} black star on a {colour} background" for size in ("", " large") for colour in OTHER_COLOURS]
    others = [
        f"a black {shape} on a {colour} background" for shape in ("circle", "ring") for colour in ("white", "red")
    ]
    others += [f"a {colour} {shape}" for colour in OTHER_COLOURS[:4] for shape in ("circle", "star", "ring")]
    paint(folder, "black_star", stars[:12])
    paint(folder, HARMLESS, others)
    return folder


@pytest.fixture
def categories_file(tmp_path: Path) -> Path:
    path = tmp_path / "categories.toml"
    path.write_text(CATEGORIES, encoding="utf-8")
    return path


def test_black_stars_are_told_from_the_rest(pictures: Path, categories_file: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    report = calibrate_folder(pictures, settings, read_categories(categories_file), precision=0.9, start_up=StartUp())
    (star,) = report.calibrated
    assert star.name == "black_star"
    assert star.threshold is not None
    assert star.first.precision is not None
    assert star.first.precision >= 0.9
    measured = star.second
    assert measured.right_hits + measured.missed == 6
    assert measured.right_hits >= 2, "some of those that it has not seen"
    assert measured.false_hits <= measured.right_passes / 4
    assert not report.categories.is_calibrated, "there were no green rings"
    assert "Still uncalibrated: green_ring." in str(report)
    assert "measured  precision" in str(report)
    told = json.loads(json.dumps(report.to_json()))
    assert (told["num_pictures"], told["categories"][0]["name"]) == (report.num_pictures, "black_star")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "black_star").rename(folder / "moon"), "The folder moon is no category"),
        (lambda folder: (folder / HARMLESS).rename(folder.parent / "away"), "2 pictures in the folder harmless"),
        (lambda folder: (folder / HARMLESS / "x.png").write_bytes(b"no"), r"x\.png is no picture that can be read"),
        (lambda folder: folder.rename(folder.parent / "elsewhere"), "There is no folder"),
    ],
)
def test_folders_that_are_of_no_use(
    pictures: Path, categories_file: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(pictures)
    with pytest.raises(ConfigError, match=said):
        read_folder(pictures, read_categories(categories_file))


def test_other_files_and_hidden_folders_are_passed_over(pictures: Path, categories_file: Path) -> None:
    names, read = read_folder(pictures, read_categories(categories_file))
    (pictures / ".thumbnails").mkdir()
    (pictures / ".thumbnails" / "1.png").write_bytes(b"no")
    (pictures / "black_star" / "notes.txt").write_text("stars")
    again, _ = read_folder(pictures, read_categories(categories_file))
    assert again == names
    assert all(pixels.shape == (128, 128, 3) and pixels.dtype == np.uint8 for pixels in read)


def test_rules_hit_with_the_demos_own_scores(pictures: Path, categories_file: Path, tmp_path: Path) -> None:
    from bot.engine.picture_scores import PictureScores

    known = read_categories(categories_file)
    rules = [ImageRule("black_star", ImageAction.HOLD)]
    labels = labels_of(rules, known)
    captions = ("a black star on a white background", "a red ring on a white background")
    star, ring = (draw(parse(caption), np.random.default_rng(1)) for caption in captions)
    logits = PictureScores(Settings(data_dir=tmp_path / "data"), StartUp()).logits([star, ring], labels)
    tokens, vector = np.zeros(4, np.int32), np.zeros(4, np.float32)
    images = [GeneratedImage(i, pixels, tokens, 0.0, vector, logits[i]) for i, pixels in enumerate((star, ring))]
    assert [(hit.rank, hit.category) for hit in judge(images, labels, rules, known)] == [(1, "black_star")]
