"""Downloads over a remote of the test's own: parts, digests, full disks, other processes."""

import errno
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from bot.errors import CheckpointNotFoundError, FetchError, StartCancelledError
from bot.fetch.lock import Held, HeldFile
from bot.fetch.remote import BrokenOffError, Place
from bot.fetch.transfer import Patience, Wanted, bring, check_room, missing_bytes, missing_files, persistently, verify
from bot.startup import StartUp
from tests.fetch.conftest import QUICK, Stages

CONTENT = bytes(range(256)) * 400
NAME = "flax_model.msgpack"
AGAIN = "`dalle-bot fetch mega`"


class FakeRemote:
    """Sends CONTENT in pieces. breaks: after how many bytes each read breaks off; None lets it through."""

    title = "the hub model a/b"
    advice = "Check the network."
    is_persistent = False

    def __init__(self, folder: Path, *breaks: int | None, content: bytes = CONTENT) -> None:
        self._folder = folder
        self.breaks = list(breaks)
        self.content = content
        self.starts: list[int] = []
        self.on_piece: Callable[[], None] = lambda: None

    def resolve(self) -> Held:
        digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
        return Held("c0ffee", {NAME: HeldFile(len(CONTENT), digest)})

    def folder(self, held: Held) -> Path:
        return self._folder

    def place(self, held: Held, name: str) -> Place:
        file = self._folder / name
        return Place(file, file.with_suffix(".part"), file.with_suffix(".guard"))

    def read(self, held: Held, name: str, start: int) -> Iterator[bytes]:
        self.starts.append(start)
        stop = self.breaks.pop(0) if self.breaks else None
        end = len(self.content) if stop is None else start + stop
        for at in range(start, min(end, len(self.content)), 10_000):
            self.on_piece()
            yield self.content[at : min(at + 10_000, end)]
        if stop is not None:
            raise BrokenOffError("it was told to")

    def finish(self, held: Held, name: str) -> None:
        assert (self._folder / name).stat().st_size == len(CONTENT)

    def discard(self, held: Held, name: str) -> None:
        (self._folder / name).unlink()


class Bar:
    def __init__(self) -> None:
        self.done = 0

    def __call__(self, more: int) -> None:
        self.done += more


def fetch(remote: FakeRemote, patience: Patience = QUICK, start_up: StartUp | None = None) -> int:
    """Brings the file; returns how far the bar went."""
    return fetch_own(remote, patience, start_up)[0]


def fetch_own(remote: FakeRemote, patience: Patience = QUICK, start_up: StartUp | None = None) -> tuple[int, int]:
    """Brings the file; returns how far the bar went, and how much of that was its own download."""
    bar, start_up = Bar(), start_up or StartUp(Stages())
    own = bring(remote, remote.resolve(), NAME, again=AGAIN, patience=patience, start_up=start_up, advance=bar)
    return bar.done, own


def test_a_file_comes_whole_and_leaves_no_part(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path / "new" / "folder")
    held = remote.resolve()
    assert (missing_files(remote, held), missing_bytes(remote, held, [NAME])) == ([NAME], len(CONTENT))
    assert fetch(remote) == len(CONTENT)
    assert (tmp_path / "new" / "folder" / NAME).read_bytes() == CONTENT
    assert not remote.place(held, NAME).part.exists()
    assert (missing_files(remote, held), missing_bytes(remote, held, [NAME])) == ([], 0)
    assert fetch(remote) == 0
    assert remote.starts == [0]


def test_a_broken_transfer_goes_on_at_its_byte(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path, 1, 30_000, 0, 0, 5)
    assert fetch(remote) == len(CONTENT)
    assert remote.starts == [0, 1, 30_001, 30_001, 30_001, 30_006]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_who_gives_up_keeps_what_came_and_says_how_to_go_on(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path, 50_000, 0, 0, 0)
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    assert str(caught.value) == (
        f"{NAME} of the hub model a/b broke off after 50 kB of 102 kB: it was told to. What has come is kept: "
        f"{AGAIN} goes on from there. Check the network."
    )
    assert missing_bytes(remote, remote.resolve(), [NAME]) == len(CONTENT) - 50_000
    assert fetch(remote) == len(CONTENT) - 50_000
    assert remote.starts[-1] == 50_000
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_an_answer_that_ends_early_without_an_error_is_one(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path, content=CONTENT[:1000])
    with pytest.raises(FetchError, match=r"broke off after 1 kB of 102 kB: it ended too early"):
        fetch(remote)


def test_wrong_content_is_removed_and_both_digests_named(tmp_path: Path) -> None:
    wrong = CONTENT[:-1] + b"x"
    remote = FakeRemote(tmp_path, content=wrong)
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    assert str(caught.value) == (
        f"{NAME} of the hub model a/b is damaged: its sha256 is {hashlib.sha256(wrong).hexdigest()}, announced was "
        f"{hashlib.sha256(CONTENT).hexdigest()}. It was removed; {AGAIN} fetches it again. If that doesn't help, "
        f"the same with --update takes what is newest now."
    )
    assert {path.name for path in tmp_path.iterdir()} <= {"flax_model.guard"}


def test_a_part_that_was_damaged_on_this_disk_is_found_out(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path)
    remote.place(remote.resolve(), NAME).part.write_bytes(b"\0" * 1000)
    with pytest.raises(FetchError, match="is damaged"):
        fetch(remote)
    assert fetch(remote) == len(CONTENT)


def test_a_part_that_is_too_long_is_begun_anew(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path)
    remote.place(remote.resolve(), NAME).part.write_bytes(CONTENT + b"x")
    fetch(remote)
    assert remote.starts == [0]


def test_more_than_was_announced_is_not_written(tmp_path: Path) -> None:
    assert fetch(FakeRemote(tmp_path, content=CONTENT + b"x" * 50_000)) == len(CONTENT)


def test_what_will_not_pass_is_not_tried_again(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path)

    def gone() -> None:
        raise CheckpointNotFoundError("It is gone.")

    remote.on_piece = gone
    with pytest.raises(CheckpointNotFoundError, match="It is gone"):
        fetch(remote)
    assert remote.starts == [0]


def test_a_full_disk_keeps_the_part(tmp_path: Path) -> None:
    """Every write to /dev/full fails as on a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    remote = FakeRemote(tmp_path)
    part = remote.place(remote.resolve(), NAME).part
    part.symlink_to("/dev/full")
    with pytest.raises(
        FetchError, match=rf"^The disk of {tmp_path} is full; 102 kB are still to come\. .* goes on from"
    ):
        fetch(remote)
    assert part.is_symlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB. Skips where nobody may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    done = subprocess.run([mount, *options], capture_output=True, text=True, timeout=10) if mount else None
    if done is None or done.returncode != 0:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip() if done else 'no mount'})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=10)


def test_a_disk_that_fills_up_on_the_way(small_disk: Path) -> None:
    remote = FakeRemote(small_disk)
    with pytest.raises(FetchError, match=r"needs 102 kB more, but the disk of .*small has .* kB free: make room"):
        check_room([Wanted(remote, remote.resolve(), [NAME])])
    with pytest.raises(
        FetchError, match=r"The disk of .*small is full; .* kB are still to come\. What has come is kept"
    ):
        fetch(remote)
    kept = remote.place(remote.resolve(), NAME).part.stat().st_size
    assert 40_000 < kept < 66_000
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True, timeout=10)
    check_room([Wanted(remote, remote.resolve(), [NAME])])
    assert fetch(remote) == len(CONTENT) - kept
    assert remote.starts == [0, kept]


def test_room_is_asked_for_what_is_missing_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = FakeRemote(tmp_path / "not" / "there")
    usage = shutil.disk_usage(tmp_path)._replace(free=len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FetchError, match=r"^The hub model a/b needs 102 kB more, .* or move data_dir or HF_HOME to"):
        check_room([Wanted(remote, remote.resolve(), [NAME])])
    part = remote.place(remote.resolve(), NAME).part
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x")
    check_room([Wanted(remote, remote.resolve(), [NAME])])


def test_a_folder_without_the_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FetchError, match=rf"{tmp_path} can't be written \(Permission denied\): check its rights, then"):
        fetch(FakeRemote(tmp_path))


def test_two_at_once_download_once(tmp_path: Path) -> None:
    slow, other = FakeRemote(tmp_path), FakeRemote(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert go_on.wait(10)

    slow.on_piece = hold
    first = threading.Thread(target=fetch, args=(slow,))
    first.start()
    assert begun.wait(10)
    threading.Timer(0.2, go_on.set).start()
    bar, own = fetch_own(other)
    first.join(10)
    assert (slow.starts, other.starts) == ([0], [])
    assert (bar, own) == (len(CONTENT), 0)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_who_waits_for_a_process_that_is_stuck_gives_up(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path)
    began = time.monotonic()
    with (
        FileLock(remote.place(remote.resolve(), NAME).guard),
        pytest.raises(FetchError, match=r"another process has downloaded this for 0 s without getting any further"),
    ):
        fetch(remote, Patience(attempts=1, wait_s=0, stalled_s=0.2))
    assert time.monotonic() - began < 5


def test_verify_finds_what_changed_on_the_disk(tmp_path: Path) -> None:
    remote, bar = FakeRemote(tmp_path), Bar()
    fetch(remote)
    verify(remote, remote.resolve(), NAME, again=AGAIN, advance=bar)
    assert bar.done == len(CONTENT)
    (tmp_path / NAME).write_bytes(CONTENT[::-1])
    with pytest.raises(FetchError, match=rf"is damaged: .* It was removed; {AGAIN} fetches it again"):
        verify(remote, remote.resolve(), NAME, again=AGAIN, advance=bar)
    assert missing_files(remote, remote.resolve()) == [NAME]


def test_a_question_is_asked_again_until_patience_ends(tmp_path: Path) -> None:
    remote, failures = FakeRemote(tmp_path), [BrokenOffError("it is busy")] * 2

    def ask() -> str:
        if failures:
            raise failures.pop()
        return "answer"

    assert persistently(ask, remote, QUICK, StartUp(Stages())) == "answer"
    failures += [BrokenOffError("it is busy")] * 3
    with pytest.raises(FetchError, match=r"^The hub model a/b can't be reached: it is busy\. Check the network\.$"):
        persistently(ask, remote, QUICK, StartUp(Stages()))


def test_libraries_that_try_again_themselves_are_asked_once(tmp_path: Path) -> None:
    remote, asked = FakeRemote(tmp_path), []
    remote.is_persistent = True

    def ask() -> None:
        asked.append(1)
        raise BrokenOffError("it is busy")

    with pytest.raises(FetchError, match="can't be reached: it is busy"):
        persistently(ask, remote, QUICK, StartUp(Stages()))
    assert len(asked) == 1


def test_every_retry_is_noted_with_its_reason(tmp_path: Path) -> None:
    stages = Stages()
    fetch(FakeRemote(tmp_path, 0, 0), start_up=StartUp(stages))
    why = "flax_model.msgpack of the hub model a/b: it was told to; trying again in"
    assert stages.notes == [f"{why} 0.02 s.", f"{why} 0.04 s."]


LONG = Patience(attempts=3, wait_s=60.0, stalled_s=60.0)


def test_a_start_that_is_cancelled_ends_while_it_waits_to_try_again(tmp_path: Path) -> None:
    remote, start_up = FakeRemote(tmp_path, 50_000), StartUp(Stages())
    threading.Timer(0.1, start_up.cancel).start()
    began = time.monotonic()
    with pytest.raises(StartCancelledError):
        fetch(remote, LONG, start_up)
    assert time.monotonic() - began < 5
    assert remote.place(remote.resolve(), NAME).part.read_bytes() == CONTENT[:50_000]

    def busy() -> None:
        raise BrokenOffError("it is busy")

    with pytest.raises(StartCancelledError):
        persistently(busy, remote, LONG, start_up)


def test_a_start_that_is_cancelled_ends_while_another_process_downloads(tmp_path: Path) -> None:
    remote, start_up = FakeRemote(tmp_path), StartUp(Stages())
    threading.Timer(0.1, start_up.cancel).start()
    began = time.monotonic()
    with FileLock(remote.place(remote.resolve(), NAME).guard), pytest.raises(StartCancelledError):
        fetch(remote, LONG, start_up)
    assert time.monotonic() - began < 5


def test_a_start_that_is_cancelled_ends_amid_a_download_and_keeps_the_part(tmp_path: Path) -> None:
    remote, start_up = FakeRemote(tmp_path), StartUp(Stages())
    remote.on_piece = lambda: start_up.cancel() if part.exists() and part.stat().st_size else None
    held = remote.resolve()
    part = remote.place(held, NAME).part
    with pytest.raises(StartCancelledError), start_up.stage("fetch") as advance:
        bring(remote, held, NAME, again=AGAIN, patience=QUICK, start_up=start_up, advance=advance)
    assert 0 < part.stat().st_size < len(CONTENT)
    kept = part.stat().st_size
    remote.on_piece = lambda: None
    assert fetch(remote) == len(CONTENT) - kept


def test_urls_keep_their_case(tmp_path: Path) -> None:
    remote = FakeRemote(tmp_path)
    remote.title = "s3://bucket/x"
    remote.is_persistent = True

    def busy() -> None:
        raise BrokenOffError("it is busy")

    with pytest.raises(FetchError, match=r"^s3://bucket/x can't be reached"):
        persistently(busy, remote, QUICK, StartUp(Stages()))


def test_room_is_asked_for_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=len(CONTENT) * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    wanted = [Wanted(remote, remote.resolve(), [NAME]) for remote in map(FakeRemote, [tmp_path / x for x in "abc"])]
    check_room(wanted[:2])
    with pytest.raises(FetchError, match=r"^The hub model a/b, the hub model a/b and the hub .* need 307 kB more, but"):
        check_room(wanted)
