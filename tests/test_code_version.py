"""Code that differs has another version, wherever it lies."""

import shutil
from pathlib import Path

from bot import __version__
from bot.code_version import code_version, digest_of


def package(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("a = 1\n")
    (folder / "inner" / "b.py").write_text("b = 1\n")
    return folder


def test_two_copies_of_one_code_are_the_same(tmp_path: Path) -> None:
    here = package(tmp_path / "here")
    there = shutil.copytree(here, tmp_path / "there")
    (there / "inner" / "__pycache__").mkdir()
    (there / "inner" / "__pycache__" / "b.cpython-311.pyc").write_bytes(b"compiled")
    (there / "words.po").touch()
    assert digest_of(here) == digest_of(there)


def test_any_change_of_code_is_seen(tmp_path: Path) -> None:
    seen = {digest_of(package(tmp_path / "before"))}
    changed = package(tmp_path / "changed")
    (changed / "inner" / "b.py").write_text("b = 2\n")
    seen.add(digest_of(changed))
    renamed = package(tmp_path / "renamed")
    (renamed / "inner" / "b.py").rename(renamed / "inner" / "c.py")
    seen.add(digest_of(renamed))
    moved = package(tmp_path / "moved")
    (moved / "__init__.py").write_text("a = 1\nb = 1\n")
    (moved / "inner" / "b.py").write_text("")
    seen.add(digest_of(moved))
    assert len(seen) == 4


def test_it_tells_the_release_too() -> None:
    assert code_version().startswith(f"{__version__} (")
