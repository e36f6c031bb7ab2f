"""Files that members give to commands."""

from pathlib import Path

import pytest

from bot.sandbox.errors import LineError
from bot.sandbox.files import MAX_FILE_BYTES, UploadedFile, read_uploads


def test_files_are_read_once_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.txt"
    path.write_bytes(b"warn: red")
    assert read_uploads([str(path)]) == {str(path): UploadedFile(0, "rules.txt", b"warn: red")}


def test_what_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(LineError, match=r"absent can't be read: No such file"):
        read_uploads([str(tmp_path / "absent")])
    path = tmp_path / "large"
    path.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(LineError, match="which Discord does not take"):
        read_uploads([str(path)])
