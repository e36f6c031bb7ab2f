"""No more is read than may be there."""

import io
from pathlib import Path

import pytest

from bot.small_file import TooLargeError, read_small


def test_a_file_of_the_right_size_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_small(file, 5) == b"12345"
    with pytest.raises(TooLargeError, match="it has more than 4 bytes"):
        read_small(file, 4)


def test_an_endless_file_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        asked = 0

        def read(self, size: int = -1, /) -> bytes:
            assert size > 0
            Endless.asked += size
            return bytes(size)

    monkeypatch.setattr(Path, "open", lambda *_: Endless())
    with pytest.raises(TooLargeError):
        read_small(Path("endless"), 1000)
    assert Endless.asked == 1001


def test_a_name_that_no_system_takes_is_an_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="null"):
        read_small(tmp_path / "a\0b", 10)
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "absent", 10)
