"""Which pictures a folder of training data has, and what their captions are. Called by folder.py.

Captions stand in `name.txt` beside `name.png`, or all of them in one `captions.csv` in the folder.
"""

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from bot.errors import InvalidPromptError
from bot.requests import check_prompt

PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
CAPTIONS_FILE: Final = "captions.csv"

_MAX_TEXT_BYTES: Final = 2**16
_MAX_CSV_BYTES: Final = 2**28


@dataclass(frozen=True, slots=True)
class CaptionedFile:
    """A picture's file. name: its path within the folder, with `/`. captions: at least one, without line breaks."""

    path: Path
    name: str
    captions: tuple[str, ...]


def find_captions(folder: Path) -> tuple[list[CaptionedFile], list[str]]:
    """The captioned pictures in `folder` and its subfolders, by name, and what is wrong: one clause for each problem.

    Names that start with a dot and files of other types are passed over. Nothing is read through a link that leaves
    the folder. Raises OSError if the folder itself can't be read.
    """
    names, problems = _list_files(folder)
    pictures = [name for name in names if _suffix(name) in PICTURE_SUFFIXES]
    texts = {name for name in names if _suffix(name) == ".txt"}
    if CAPTIONS_FILE in names:
        beside = sorted(texts & {_text_of(name) for name in pictures})
        problems += [f"{name}: there is {CAPTIONS_FILE} as well; keep one of the two" for name in beside]
        captions = _read_csv(folder / CAPTIONS_FILE, set(pictures), problems)
        if captions is None:
            return [], problems
        problems += [f"{name}: has no row in {CAPTIONS_FILE}" for name in pictures if name not in captions]
    else:
        captions = {name: _read_text(folder, _text_of(name), problems) for name in pictures if _text_of(name) in texts}
        problems += [f"{name}: no caption in {_text_of(name)}" for name in pictures if name not in captions]
        orphans = sorted(texts - {_text_of(name) for name in pictures})
        problems += [f"{name}: no picture ({', '.join(PICTURE_SUFFIXES)}) of that name" for name in orphans]
    found = [CaptionedFile(folder / name, name, tuple(captions[name])) for name in pictures if captions.get(name)]
    return found, problems


def _list_files(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files that matter, sorted, and problems with links and subfolders."""
    names, problems = [], []
    os.listdir(folder)

    def unreadable(error: OSError) -> None:
        problems.append(f"{_within(folder, error.filename)}: this folder can't be read ({error.strerror})")

    home = os.path.realpath(folder)
    for place, subfolders, files in os.walk(folder, onerror=unreadable):
        links = [name for name in subfolders if os.path.islink(os.path.join(place, name))]
        problems += [f"{_within(folder, place, name)}: a link to a folder; copy the folder here" for name in links]
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for file in files:
            name = _within(folder, place, file)
            if file.startswith(".") or (_suffix(name) not in (*PICTURE_SUFFIXES, ".txt") and name != CAPTIONS_FILE):
                continue
            path = os.path.join(place, file)
            if os.path.commonpath([home, os.path.realpath(path)]) != home:
                problems.append(f"{name}: a link that leaves the folder; copy the file here")
            elif not os.path.isfile(path):
                problems.append(f"{name}: not a file")
            else:
                names.append(name)
    return sorted(names), problems


def _within(folder: Path, *parts: str) -> str:
    return Path(*parts).relative_to(folder).as_posix()


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _text_of(picture: str) -> str:
    return PurePosixPath(picture).with_suffix(".txt").as_posix()


def _read_text(folder: Path, name: str, problems: list[str]) -> list[str]:
    text = _read(folder / name, name, _MAX_TEXT_BYTES, problems)
    return [] if text is None else _checked(text, name, problems)


def _read_csv(file: Path, pictures: set[str], problems: list[str]) -> dict[str, list[str]] | None:
    """Captions of each picture that has a row, [] where its rows are wrong; None if the file can't be read."""
    text = _read(file, file.name, _MAX_CSV_BYTES, problems)
    if text is None:
        return None
    captions: dict[str, list[str]] = {}
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not {"file", "caption"} <= set(rows.fieldnames or []):
            first = text.partition("\n")[0].rstrip("\r")[:80]
            problems.append(f"{file.name}: its first line must name the columns, file,caption, and is {first!r}")
            return None
        for row in rows:
            where = f"{file.name}, line {rows.line_num}"
            name = PurePosixPath((row["file"] or "").strip()).as_posix()
            if name not in pictures:
                problems.append(f"{where}: there is no picture {row['file'] or ''!r} in the folder")
                continue
            known = captions.setdefault(name, [])
            if None in row:
                problems.append(f'{where}: more cells than columns; put a caption with commas between " and "')
                continue
            for caption in _checked(row["caption"] or "", f"{where} ({name})", problems):
                if caption in known:
                    problems.append(f"{where}: {name} has the same caption in a row above")
                else:
                    known.append(caption)
    except csv.Error as error:
        problems.append(f"{file.name}, after line {rows.line_num}: not a table ({error})")
        return None
    return captions


def _read(path: Path, name: str, max_bytes: int, problems: list[str]) -> str | None:
    try:
        if path.stat().st_size > max_bytes:
            problems.append(f"{name}: larger than {max_bytes:,} bytes")
            return None
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"{name}: not UTF-8 text; save it as UTF-8")
    except OSError as error:
        problems.append(f"{name}: can't be read ({error.strerror})")
    return None


def _checked(text: str, where: str, problems: list[str]) -> list[str]:
    """The caption of a text, alone in a list; [] if it can't be one."""
    try:
        return [check_prompt(text, "the caption")]
    except InvalidPromptError as error:
        problems.append(f"{where}: {str(error).removesuffix('.')}")
        return []
