"""`dalle-bot imagine` below its command line: the way from a request to files, over a fake engine."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.collage import make_collage, read_metadata
from bot.config import Settings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine, Faults, expected_image
from bot.engine.fake_pictures import expected_label_vector
from bot.errors import CheckpointError, ConfigError, DalleBotError, JobFailedError
from bot.imagine import Imagined, imagine
from bot.requests import Finished, GeneratedImage, GenerationRequest, Queued, SamplingOverrides, Update

REQUEST = GenerationRequest(prompt="a red circle", num_images=4, seed=7, requester="local")


async def draw(folder: Path, **overrides: Any) -> Imagined:
    arguments: dict[str, Any] = {
        "request": REQUEST,
        "settings": Settings(data_dir=folder / "data"),
        "engine_factory": FakeEngine,
        "out": folder / "collage.png",
        "images_dir": None,
        "on_update": lambda update: None,
    }
    return await imagine(**arguments | overrides)


def best_first() -> list[GeneratedImage]:
    """What the fake engine draws of the request, by hand."""
    info = FakeEngine().info
    images = [
        expected_image(
            REQUEST.prompt,
            REQUEST.seed,
            index,
            image_length=info.image_length,
            image_size_px=info.image_size_px,
        )
        for index in range(REQUEST.num_images)
    ]
    return sorted(images, key=lambda image: -image.score)


async def test_the_collage_shows_the_images_best_first(tmp_path: Path) -> None:
    done = await draw(tmp_path)
    expected = best_first()
    assert [image.index for image in done.result.images] == [image.index for image in expected]
    written = np.asarray(Image.open(done.collage))
    assert (written == np.asarray(make_collage([image.pixels for image in expected]))).all()


async def test_pictures_tell_how_they_were_made(tmp_path: Path) -> None:
    done = await draw(tmp_path, images_dir=tmp_path / "single")
    assert [file.name for file in done.files] == ["1.png", "2.png", "3.png", "4.png"]
    for file, image in zip(done.files, best_first(), strict=True):
        assert (np.asarray(Image.open(file)) == image.pixels).all()
        metadata = read_metadata(file.read_bytes())
        assert metadata["prompt"] == "a red circle"
        assert metadata["seed"] == "7"
        assert metadata["index"] == str(image.index)
        assert float(metadata["score"]) == image.score
    assert read_metadata(done.collage.read_bytes())["prompt"] == "a red circle"


async def test_the_json_object(tmp_path: Path) -> None:
    request = replace(REQUEST, negative_prompt="a ring", sampling=SamplingOverrides(top_k=5))
    done = await draw(tmp_path, request=request, images_dir=tmp_path / "single")
    data = json.loads(json.dumps(done.to_json()))
    assert data["images"] == [
        {
            "rank": rank,
            "score": image.score,
            "index": image.index,
            "image_tokens": image.image_tokens.tolist(),
            "file": str(tmp_path / "single" / f"{rank}.png"),
        }
        for rank, image in enumerate(best_first(), start=1)
    ]
    assert (data["prompt"], data["seed"], data["collage"]) == ("a red circle", 7, str(tmp_path / "collage.png"))
    assert data["negative_prompt"] == "a ring"
    # What the request leaves open is the fake engine's own.
    assert data["sampling"] == {"condition_scale": 1.0, "top_k": 5, "top_p": 1.0, "temperature": 1.0}
    timings = data["timings"]
    assert set(timings) == {"load", "generate", "write", "total"}
    assert min(timings.values()) >= 0
    assert timings["total"] == pytest.approx(timings["load"] + timings["generate"] + timings["write"], abs=0.002)


async def test_what_was_odd_about_the_prompt_is_told(tmp_path: Path) -> None:
    done = await draw(tmp_path, request=replace(REQUEST, prompt=" ".join(["word"] * 70)))
    assert done.to_json()["notices"] == ["The prompt was shortened to 64 words."]


async def test_every_image_is_scored_against_every_label(tmp_path: Path) -> None:
    labels = ("a blue square", "a star")
    done = await draw(tmp_path, request=replace(REQUEST, labels=labels))
    told = [entry["labels"] for entry in done.to_json()["images"]]
    vectors = [expected_label_vector(label) for label in labels]
    for entry, image in zip(told, best_first(), strict=True):
        assert entry == {label: float(v @ image.clip_vector) for label, v in zip(labels, vectors, strict=True)}
    assert done.label_scores() == [[entry[label] for entry in told] for label in labels]
    assert len({tuple(entry.values()) for entry in told}) > 1
    assert "labels" not in (await draw(tmp_path)).to_json()["images"][0]


async def test_no_single_images_without_a_folder(tmp_path: Path) -> None:
    done = await draw(tmp_path)
    assert done.files == ()
    assert all("file" not in image for image in done.to_json()["images"])
    assert os.listdir(tmp_path) == ["collage.png"]


async def test_updates_are_seen_from_first_to_last(tmp_path: Path) -> None:
    seen: list[Update] = []
    await draw(tmp_path, on_update=seen.append)
    assert isinstance(seen[0], Queued)
    assert isinstance(seen[-1], Finished)


@pytest.mark.parametrize("error", [CheckpointError("config.json: wrong."), RuntimeError("out of memory")])
async def test_what_keeps_the_engine_from_starting_is_raised_itself(tmp_path: Path, error: Exception) -> None:
    def factory() -> Engine:
        raise error

    with pytest.raises(type(error)) as caught:
        await draw(tmp_path, engine_factory=factory)
    assert caught.value is error
    assert not (tmp_path / "collage.png").exists()


async def test_an_image_that_fails_fails_the_job(tmp_path: Path) -> None:
    engine = FakeEngine(faults=Faults(not_finite={(REQUEST.seed, 2)}))
    with pytest.raises(JobFailedError):
        await draw(tmp_path, engine_factory=lambda: engine)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"out": "collage.jpg"}, "--out: {0}/collage.jpg must end in .png"),
        ({"out": "folder.png"}, "--out: {0}/folder.png is a folder"),
        ({"out": "file/collage.png"}, "--out: the folder {0}/file can't be made"),
        ({"images_dir": "file"}, "--images-dir: the folder {0}/file can't be made"),
    ],
)
async def test_paths_are_refused_before_the_model_loads(
    tmp_path: Path, options: dict[str, str], complaint: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()

    def factory() -> Engine:
        raise AssertionError("the model was loaded")

    with pytest.raises(ConfigError) as caught:
        await draw(tmp_path, engine_factory=factory, **{name: tmp_path / path for name, path in options.items()})
    assert complaint.format(tmp_path) in str(caught.value)


async def test_a_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the system's answer is replaced.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "sealed" or mode != os.W_OK)
    with pytest.raises(ConfigError, match=r"--images-dir: the folder .*sealed can't be written to"):
        await draw(tmp_path, images_dir=tmp_path / "sealed")


async def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DalleBotError, match=r"collage\.png can't be written \(No space left on device\)"):
        await draw(tmp_path)
