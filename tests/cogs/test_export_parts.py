import os
import zipfile
from pathlib import Path

from bot.cogs.export_parts import ExportParts


def names(parts: ExportParts) -> list[list[str]]:
    return [zipfile.ZipFile(path).namelist() for path in parts.paths]


def test_parts_stay_below_their_size_and_hold_everything(tmp_path: Path) -> None:
    entries = {f"{number}.png": os.urandom(4000) for number in range(7)}
    with ExportParts(tmp_path, max_part_bytes=10_000) as parts:
        assert all(parts.add(name, data) for name, data in entries.items())
    assert names(parts) == [["0.png", "1.png"], ["2.png", "3.png"], ["4.png", "5.png"], ["6.png"]]
    assert all(path.stat().st_size <= 10_000 for path in parts.paths)
    packed = {
        name: zipfile.ZipFile(path).read(name)
        for path, of in zip(parts.paths, names(parts), strict=True)
        for name in of
    }
    assert packed == entries


def test_many_small_entries_stay_below_it_too(tmp_path: Path) -> None:
    with ExportParts(tmp_path, max_part_bytes=10_000) as parts:
        assert all(parts.add(f"pictures/0123456789ab/{number}.json", b"{}") for number in range(300))
    assert sum(map(len, names(parts))) == 300
    assert all(path.stat().st_size <= 10_000 for path in parts.paths)


def test_text_is_compressed(tmp_path: Path) -> None:
    with ExportParts(tmp_path, max_part_bytes=10_000) as parts:
        assert parts.add("long.json", b" " * 1_000_000)
    assert parts.paths[0].stat().st_size < 10_000


def test_what_has_no_room_is_left_out(tmp_path: Path) -> None:
    with ExportParts(tmp_path, max_part_bytes=5000, max_parts=2) as parts:
        assert not parts.add("huge.png", bytes(5000))
        assert [parts.add(f"{number}.png", bytes(4000)) for number in range(3)] == [True, True, False]
        assert parts.add("small.json", b"{}"), "there is still room in the last part"
    assert names(parts) == [["0.png"], ["1.png", "small.json"]]


def test_nothing_makes_no_file(tmp_path: Path) -> None:
    with ExportParts(tmp_path) as parts:
        pass
    assert parts.paths == []
    assert list(tmp_path.iterdir()) == []
