"""Files of arrays: what else may lie under such a name is recognised, and a file that changes is noticed."""

import errno
import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from safetensors.numpy import save, save_file

from bot.checkpoints.array_file import ArrayFile, open_array_file
from bot.checkpoints.arrays import write_msgpack
from bot.checkpoints.stored_array import StoredArray
from bot.errors import CheckpointError

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def file(tmp_path: Path) -> ArrayFile:
    path = tmp_path / "flax_model.msgpack"
    write_msgpack(path, {"a": VALUES, "b": VALUES})
    return open_array_file(path)


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["flax_model.msgpack", "model.safetensors"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        *((pickle.dumps(VALUES, protocol), "is a pickle, as PyTorch saves weights") for protocol in range(2, 6)),
        (zipped(pickle.dumps(VALUES)), "is a pickle, as PyTorch saves weights"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "is an HDF5 file"),
        (gzip.compress(b"weights"), "is packed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>not found</html>", "is a web page"),
    ],
    ids=["pickle 2", "pickle 3", "pickle 4", "pickle 5", "zip", "HDF5", "gzip", "Git LFS", "web page"],
)
def test_other_files_are_recognised(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        open_array_file(path)
    assert str(caught.value).startswith(f"{path} {sentence}")
    assert str(caught.value).endswith(f" Fetch {name}.")


def test_a_number_in_place_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "flax_model.msgpack"
    path.write_bytes(msgpack.packb({"a": {"b": 7}}))
    with pytest.raises(CheckpointError) as caught:
        open_array_file(path)
    assert (
        str(caught.value)
        == f"{path}: a/b holds a number, not arrays, so this is not a file of weights. Fetch it again."
    )


def test_safetensors_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "flax_model.msgpack"
    save_file({"a": VALUES}, path)
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack is a safetensors file under another name"):
        open_array_file(path)


def test_a_header_whose_length_looks_like_a_pickle(tmp_path: Path) -> None:
    """640 is 0x0280, which a pickle starts with too."""
    path = tmp_path / "model.safetensors"
    content = save({"a": VALUES})
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    path.write_bytes((640).to_bytes(8, "little") + header.ljust(640) + content[8 + len(header) :])
    assert path.read_bytes().startswith(b"\x80\x02")
    assert open_array_file(path).arrays["a"].shape == VALUES.shape


@pytest.mark.parametrize(("start", "length"), [(0, 48), (0, 4), (16, 16), (44, 4), (20, 0)])
def test_reads_a_part(file: ArrayFile, start: int, length: int) -> None:
    buffer = np.full(length, 255, np.uint8)
    with file.reading() as reader:
        reader.read(file.arrays["b"], start, buffer)
    assert buffer.tobytes() == VALUES.tobytes()[start : start + length]


def test_reads_across_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"..abcd....efgh..ij")
    stat = path.stat()
    array = StoredArray(np.dtype(np.int8), (10,), ((2, 4), (10, 4), (16, 2)))
    file = ArrayFile(path, {"a": array}, (stat.st_size, stat.st_mtime_ns, stat.st_ino))
    with file.reading() as reader:
        for start in range(10):
            for end in range(start, 11):
                buffer = np.empty(end - start, np.uint8)
                reader.read(array, start, buffer)
                assert buffer.tobytes() == b"abcdefghij"[start:end]


def read_all(file: ArrayFile, meanwhile: Any = lambda: None) -> None:
    with file.reading() as reader:
        meanwhile()
        for array in file.arrays.values():
            reader.read(array, 0, np.empty(array.nbytes, np.uint8))


def test_a_file_replaced_since_it_was_opened(file: ArrayFile) -> None:
    other = file.path.with_name("other")
    other.write_bytes(file.path.read_bytes())
    other.replace(file.path)
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack has changed since it was opened"):
        read_all(file)


def test_a_file_cut_short_while_it_is_read(file: ArrayFile) -> None:
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack was cut short while it was read"):
        read_all(file, lambda: os.truncate(file.path, 60))


def test_a_file_written_to_while_it_is_read(file: ArrayFile) -> None:
    def write() -> None:
        with file.path.open("r+b") as opened:
            opened.write(b"\0")
        os.utime(file.path, ns=(0, 0))

    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack has changed since it was opened"):
        read_all(file, write)


def test_a_file_that_is_gone(file: ArrayFile) -> None:
    file.path.unlink()
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack can't be read \(No such file"):
        read_all(file)


def test_a_disk_that_fails(file: ArrayFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: Failing(path))
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack can't be read \(Input/output error\)\. Check"):
        read_all(file)
