"""Settings files that are no settings: each ends in one sentence."""

from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.toml_file import MAX_TOML_BYTES, read_toml

FAKE_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789AB"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"{b=" * 100_000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
        (b"a = 'x", "not valid TOML"),
        (b"#" * (MAX_TOML_BYTES + 1), "no file of settings: it has more than 1,048,576 bytes"),
        (b"a = '\xff'", r"not UTF-8 text \(byte 5\)"),
        (f"{FAKE_TOKEN} = ".encode(), "not valid TOML"),
    ],
    ids=["lists", "tables", "digits", "open", "large", "bytes", "token"],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_toml(file)
    assert FAKE_TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_right_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes("\ufeffa = 'é'".encode())
    assert read_toml(file) == {"a": "é"}
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "absent")
