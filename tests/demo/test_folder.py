"""Folders of somebody's pictures: what is read from them, and what is said about those that can't be."""

import csv
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from bot.demo.folder import MIN_PICTURES, FolderPictures
from bot.errors import ConfigError

SIZE_PX = 16
QUIET = Console(file=StringIO())


def picture(i: int) -> Image.Image:
    return Image.new("RGB", (24, 20), (i, 2 * i, 100))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Picture i is of the colour (i, 2i, 100), and says so."""
    for i in range(MIN_PICTURES):
        picture(i).save(tmp_path / f"{i:02d}.png")
        (tmp_path / f"{i:02d}.txt").write_text(f"colour {i}\n", "utf-8")
    return tmp_path


@pytest.fixture
def table(folder: Path) -> Callable[..., None]:
    """Puts all captions into captions.csv, followed by the given rows."""

    def write(*rows: tuple[str, ...], header: tuple[str, ...] = ("file", "caption")) -> None:
        with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
            own = [(f"{i:02d}.png", f"colour {i}") for i in range(MIN_PICTURES)]
            csv.writer(file).writerows([header, *own, *rows])
        for text in folder.glob("*.txt"):
            text.unlink()

    return write


def opened(folder: Path, **options: int) -> FolderPictures:
    return FolderPictures(folder, SIZE_PX, console=QUIET, **options)


def complaint(folder: Path) -> str:
    with pytest.raises(ConfigError, match=r"^--data: ") as raised:
        opened(folder)
    return str(raised.value)


def caption_of(pixels: np.ndarray) -> str:
    return f"colour {pixels[0, 0, 0]}"


def test_pictures_come_with_their_captions(folder: Path) -> None:
    pictures = opened(folder)
    pixels, captions = pictures.batch(np.random.default_rng(0), 50)
    assert pixels.shape == (50, SIZE_PX, SIZE_PX, 3)
    assert [caption_of(one) for one in pixels] == captions
    assert len(set(captions)) > MIN_PICTURES / 2
    again = pictures.batch(np.random.default_rng(0), 50)
    assert again[1] == captions


def test_a_table_may_give_several_captions(folder: Path, table: Callable[..., None]) -> None:
    table(("00.png", "black, nearly"), ("./00.png", "dark blue"))
    pictures = opened(folder)
    assert list(pictures.sentences())[:4] == ["colour 0", "black, nearly", "dark blue", "colour 1"]
    rng = np.random.default_rng(0)
    pixels, captions = pictures.batch(rng, 300)
    of_the_first = {text for one, text in zip(pixels, captions, strict=True) if one[0, 0, 0] == 0}
    assert of_the_first == {"colour 0", "black, nearly", "dark blue"}
    assert not of_the_first & set(pictures.wrong_captions(["dark blue"] * 300, rng))


def test_wrong_captions_are_those_of_other_pictures(folder: Path) -> None:
    (folder / "00.txt").write_text("Colour 1", "utf-8")
    pictures = opened(folder)
    wrong = pictures.wrong_captions(["colour 1"] * 200, np.random.default_rng(0))
    assert set(wrong) == {f"colour {i}" for i in range(2, MIN_PICTURES)}


def test_what_does_not_fit_into_memory_is_read_again(folder: Path) -> None:
    all_kept = opened(folder).batch(np.random.default_rng(3), 40)
    few_kept = opened(folder, max_memory_bytes=3 * 3 * SIZE_PX**2)
    np.testing.assert_array_equal(few_kept.batch(np.random.default_rng(3), 40)[0], all_kept[0])
    (folder / "19.png").unlink()
    with pytest.raises(ConfigError, match=r"19\.png has changed since the training began"):
        few_kept.batch(np.random.default_rng(3), 200)


def test_the_middle_square_is_kept_and_turned_as_the_camera_says(folder: Path) -> None:
    wide = Image.new("RGB", (60, 20), "red")
    wide.paste((0, 255, 0), (20, 0, 40, 10))
    wide.paste((0, 0, 255), (20, 10, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    (folder / "00.png").unlink()
    wide.save(folder / "00.jpeg", exif=exif, quality=95, subsampling=0)
    pixels = opened(folder)._pixels(0)
    assert pixels[2, 8].argmax() == 2
    assert pixels[13, 8].argmax() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(folder: Path, mode: str) -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0)).convert(mode)
    if mode == "P":
        clear.info["transparency"] = clear.getpixel((0, 0))
    clear.save(folder / "00.png")
    assert opened(folder)._pixels(0).min() == 255


def test_the_digest_follows_pictures_and_captions(folder: Path) -> None:
    first = opened(folder).digest
    assert opened(folder).digest == first
    (folder / "00.txt").write_text("another", "utf-8")
    second = opened(folder).digest
    picture(99).save(folder / "00.png")
    assert len({first, second, opened(folder).digest}) == 3


def test_what_is_no_part_of_the_data_is_passed_over(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "._00.png").write_bytes(b"\0")
    (folder / "notes.md").write_text("Mine.", "utf-8")
    assert len(opened(folder)) == MIN_PICTURES


def test_subfolders_belong_to_it(folder: Path) -> None:
    (folder / "more").mkdir()
    picture(200).save(folder / "more" / "00.WEBP")
    (folder / "more" / "00.txt").write_text("a subfolder's", "utf-8")
    assert len(opened(folder)) == MIN_PICTURES + 1


def write_truncated(folder: Path) -> None:
    data = (folder / "00.png").read_bytes()
    (folder / "00.png").write_bytes(data[:60])


def write_truncated_jpeg(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "00.jpg")
    (folder / "00.jpg").write_bytes((folder / "00.jpg").read_bytes()[:2000])


def write_another_format(folder: Path) -> None:
    picture(0).save(folder / "00.png", format="GIF")


def write_deep_pixels(folder: Path) -> None:
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(folder / "00.png")


def drop_caption(folder: Path) -> None:
    (folder / "00.txt").unlink()


def drop_picture(folder: Path) -> None:
    (folder / "00.png").unlink()


def write_caption(text: bytes) -> Callable[[Path], None]:
    return lambda folder: void((folder / "00.txt").write_bytes(text))


def link_away(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-outside.png"
    picture(0).save(outside)
    (folder / "00.png").unlink()
    (folder / "00.png").symlink_to(outside)


def link_folder(folder: Path) -> None:
    (folder / "all").symlink_to(folder, target_is_directory=True)


def write_pipe(folder: Path) -> None:
    (folder / "00.png").unlink()
    os.mkfifo(folder / "00.png")


def void(_: object) -> None: ...


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (write_truncated, r"00\.png: damaged \("),
        (write_truncated_jpeg, r"00\.jpg: damaged \(image file is truncated"),
        (write_another_format, r"00\.png: not a PNG, JPEG or WebP picture; convert it"),
        (write_deep_pixels, r"00\.png: its pixels are of the type I;16; save it with 8 bits"),
        (drop_caption, r"00\.png: no caption in 00\.txt"),
        (drop_picture, r"00\.txt: no picture \(\.png, \.jpg, \.jpeg, \.webp\) of that name"),
        (write_caption(b" \n"), r"00\.txt: the caption is empty"),
        (write_caption(b"..."), r"00\.txt: the caption has no letters"),
        (write_caption(b"x" * 1001), r"00\.txt: the caption has 1001 characters"),
        (write_caption("é".encode("latin-1")), r"00\.txt: not UTF-8 text"),
        (write_caption(b"x" * 100_000), r"00\.txt: larger than 65,536 bytes"),
        (link_away, r"00\.png: a link that leaves the folder"),
        (link_folder, r"all: a link to a folder"),
        (write_pipe, r"00\.png: not a file"),
    ],
)
def test_each_problem_names_its_file(folder: Path, damage: Callable[[Path], None], expected: str) -> None:
    damage(folder)
    with pytest.raises(ConfigError, match=expected):
        opened(folder)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("99.png", "nothing"), "line 22: there is no picture '99.png' in the folder"),
        (("../00.png", "nothing"), "line 22: there is no picture '../00.png' in the folder"),
        (("00.png", ""), "line 22 (00.png): the caption is empty"),
        (("00.png",), "line 22 (00.png): the caption is empty"),
        (("00.png", "red", " green"), "line 22: more cells than columns; put a caption with commas between"),
        (("00.png", "colour 0"), "line 22: 00.png has the same caption in a row above"),
    ],
)
def test_each_wrong_row_is_named(folder: Path, table: Callable[..., None], row: tuple[str, ...], expected: str) -> None:
    table(row)
    text = complaint(folder)
    assert "1 problem in" in text
    assert f"captions.csv, {expected}" in text


def test_a_table_must_have_its_header_and_every_picture(folder: Path, table: Callable[..., None]) -> None:
    table(header=("00.png", "colour 0"))
    assert "captions.csv: its first line must name the columns, file,caption, and is '00.png,colour 0'" in (
        complaint(folder)
    )
    table()
    picture(0).save(folder / "new.png")
    assert "new.png: has no row in captions.csv" in complaint(folder)
    (folder / "00.txt").write_text("another", "utf-8")
    assert "00.txt: there is captions.csv as well; keep one of the two" in complaint(folder)
    (folder / "captions.csv").write_text('file,caption\n00.png,"open', "utf-8")
    assert "captions.csv, after line 1: not a table (" in complaint(folder)


def test_too_many_pixels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (400, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert f"00.png: more than {limit} pixels; make it smaller" in complaint(folder)


def test_the_first_problems_are_listed_and_the_rest_counted(folder: Path) -> None:
    for i in range(9):
        (folder / f"{i:02d}.txt").unlink()
    (folder / "19.png").write_bytes(b"nothing")
    lines = complaint(folder).splitlines()
    assert lines[0] == f"--data: 10 problems in {folder}. Mend or remove these files:"
    assert lines[1] == "  00.png: no caption in 00.txt"
    assert lines[-1] == "  and 4 more"
    assert len(lines) == 8


def test_too_few_pictures(tmp_path: Path) -> None:
    assert "has 0 pictures with captions, and a training needs at least 20" in complaint(tmp_path)


def test_captions_must_differ(folder: Path) -> None:
    for text in folder.glob("*.txt"):
        text.write_text("A cat" if text.stem < "10" else "a cat", "utf-8")
    assert "some picture has every caption that there is" in complaint(folder)


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert f"the folder {tmp_path / name} can't be read" in complaint(tmp_path / name)
