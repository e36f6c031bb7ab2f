import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.collage import encode_png
from bot.errors import NoRoomError, StoreError
from bot.pictures import PictureFolder, has_pictures

ONE, TWO, THREE = "00" * 6, "0123456789ab", "01" + "f" * 10
BLOCK = 4096


def png(shade: int = 0) -> bytes:
    return encode_png(Image.fromarray(np.full((2, 2, 3), shade, np.uint8)), {})


def make(tmp_path: Path, max_bytes: int = 2**30) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures", max_bytes)


def age(tmp_path: Path, job_id: str, time_s: int) -> None:
    os.utime(tmp_path / "pictures" / job_id[:2] / job_id, (time_s, time_s))


def kept(folder: PictureFolder) -> list[str]:
    return [job_id for job_id in (ONE, TWO, THREE) if folder.load(job_id, 1)]


def test_pictures_come_back_by_rank(tmp_path: Path) -> None:
    folder = make(tmp_path)
    folder.save(TWO, [png(1), png(2)])
    assert [folder.load(TWO, rank) for rank in (1, 2, 3)] == [png(1), png(2), None]
    assert folder.load(ONE, 1) is None
    names = sorted(path.name for path in (tmp_path / "pictures" / "01" / TWO).iterdir())
    assert names == ["1.png", "2.png"]


def test_another_folder_object_finds_them(tmp_path: Path) -> None:
    make(tmp_path).save(TWO, [png()])
    assert make(tmp_path).load(TWO, 1) == png()


def test_saving_again_replaces(tmp_path: Path) -> None:
    folder = make(tmp_path)
    for shade in (1, 2):
        folder.save(TWO, [png(shade)])
    assert folder.load(TWO, 1) == png(2)


def test_only_pictures_count_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert not has_pictures(folder)
    job = folder / TWO[:2] / TWO
    job.mkdir(parents=True)
    for stray in (
        folder / ".DS_Store",
        folder / "1.png",
        folder / TWO[:2] / "1.png",
        job / "Thumbs.db",
        job / "1.png.part",
        job / ".1.png",
        job / "0.png",
    ):
        stray.touch()
    assert not has_pictures(folder)
    make(tmp_path).save(TWO, [png()])
    assert has_pictures(folder)


def test_deleting(tmp_path: Path) -> None:
    folder = make(tmp_path)
    folder.save(TWO, [png()])
    folder.save(THREE, [png()])
    for _ in range(2):
        folder.delete(TWO)
    assert kept(folder) == [THREE]


@pytest.mark.fault
@pytest.mark.parametrize("damaged", [b"", png()[:-1], bytes(len(png()))])
def test_a_damaged_picture_counts_as_missing(tmp_path: Path, damaged: bytes) -> None:
    folder = make(tmp_path)
    folder.save(TWO, [png()])
    (tmp_path / "pictures" / "01" / TWO / "1.png").write_bytes(damaged)
    assert folder.load(TWO, 1) is None


@pytest.mark.parametrize("job_id", ["", "..", "../../etc/pw", "0123456789AB", "0123456789abc", "0123456789ab\n"])
def test_what_is_no_job_id_reaches_no_file(tmp_path: Path, job_id: str) -> None:
    folder = make(tmp_path)
    with pytest.raises(ValueError, match="is no job id"):
        folder.load(job_id, 1)
    with pytest.raises(ValueError, match="is no job id"):
        folder.save(job_id, [])
    with pytest.raises(ValueError, match="is no job id"):
        folder.delete(job_id)
    assert not list(tmp_path.iterdir())


def test_the_oldest_jobs_give_way_when_there_is_too_much(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    for time_s, job_id in enumerate((TWO, ONE)):
        folder.save(job_id, [png()])
        age(tmp_path, job_id, time_s)
    assert kept(folder) == [ONE, TWO]
    folder.save(THREE, [png()])
    assert kept(folder) == [THREE], "a little more than needed is made free"


def test_what_another_run_has_left_counts(tmp_path: Path) -> None:
    make(tmp_path).save(ONE, [png()])
    age(tmp_path, ONE, 1)
    folder = make(tmp_path, max_bytes=3 * BLOCK)
    folder.save(TWO, [png(), png()])
    assert kept(folder) == [ONE, TWO]
    folder.save(THREE, [png()])
    assert kept(folder) == [THREE], "a little more than needed is made free"


def test_what_another_process_writes_meanwhile_counts_too(tmp_path: Path) -> None:
    ours, theirs = make(tmp_path, max_bytes=40 * BLOCK), make(tmp_path, max_bytes=2**30)
    ours.save(ONE, [png()])
    theirs.save(TWO, [bytes(40 * BLOCK)])
    age(tmp_path, TWO, 1)
    for _ in range(3):
        ours.save(THREE, [png()])
    assert not (tmp_path / "pictures" / "01" / TWO).exists()
    assert kept(ours) == [ONE, THREE]


@pytest.mark.fault
def test_another_process_may_remove_what_is_about_to_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    for time_s, job_id in enumerate((ONE, TWO)):
        folder.save(job_id, [png()])
        age(tmp_path, job_id, time_s)
    remove = shutil.rmtree

    def remove_twice(path: Path) -> None:
        remove(path)
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", remove_twice)
    folder.save(THREE, [png()])
    assert kept(folder) == [THREE]
    folder.delete(THREE)
    assert kept(folder) == []


@pytest.mark.fault
def test_another_process_may_remove_a_job_while_the_folder_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path).save(ONE, [png()])
    stat = Path.stat

    def removed_just_before(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == ONE:
            shutil.rmtree(path, ignore_errors=True)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", removed_just_before)
    folder = make(tmp_path)
    folder.save(TWO, [png()])
    assert kept(folder) == [TWO]


@pytest.mark.fault
def test_a_file_that_is_gone_when_its_size_is_asked_hides_no_others(tmp_path: Path) -> None:
    """Such is the part of a picture that another process has just renamed; here, a link to nothing."""
    make(tmp_path).save(ONE, [png(), png()])
    (tmp_path / "pictures" / "00" / ONE / "3.png.part").symlink_to(tmp_path / "nothing")
    age(tmp_path, ONE, 1)
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    folder.save(TWO, [png()])
    assert kept(folder) == [TWO]


def test_replaced_and_deleted_pictures_do_not_count(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    folder.save(ONE, [png()])
    age(tmp_path, ONE, 1)
    for _ in range(5):
        folder.save(TWO, [png()])
        folder.save(THREE, [])
        folder.delete(THREE)
    assert kept(folder) == [ONE, TWO]


def test_pictures_that_somebody_waits_for_do_not_give_way(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    for time_s, job_id in enumerate((ONE, TWO)):
        folder.save(job_id, [png()])
        age(tmp_path, job_id, time_s)
    folder.save(THREE, [png()], spared={ONE})
    assert kept(folder) == [ONE, THREE]


def test_without_room_beside_those_that_are_waited_for_new_ones_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    folder.save(ONE, [png()])
    folder.save(TWO, [png()])
    with pytest.raises(NoRoomError, match=r"There is no room in .*8192 bytes\. Raise store\.max_picture_bytes"):
        folder.save(THREE, [png()], spared={ONE, TWO, THREE})
    assert kept(folder) == [ONE, TWO]
    assert not (tmp_path / "pictures" / "01" / THREE).exists()
    folder.delete(ONE)
    folder.save(THREE, [png()], spared={TWO, THREE})
    assert kept(folder) == [TWO, THREE]


def test_a_job_that_takes_more_than_all_room_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=2 * BLOCK)
    with pytest.raises(NoRoomError, match="There is no room"):
        folder.save(ONE, [png()] * 3)
    assert kept(folder) == []


def test_a_power_cut_takes_nothing_that_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are on disk before a file has its name, and the names before `save` returns."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> Path:
        done.append(f"-> {target.name}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    make(tmp_path).save(TWO, [png(1), png(2)])
    job = f"pictures/01/{TWO}"
    files = [f"{job}/1.png.part", "-> 1.png", f"{job}/2.png.part", "-> 2.png"]
    assert done == [*files, job, "pictures/01", "pictures"]


def test_files_of_somebody_else_stay(tmp_path: Path) -> None:
    folder = make(tmp_path, max_bytes=BLOCK)
    strange = tmp_path / "pictures" / "01" / "README"
    strange.parent.mkdir(parents=True)
    strange.write_text("x" * 3 * BLOCK)
    folder.save(TWO, [png()])
    folder.save(THREE, [png()])
    assert strange.exists()


def test_threads_may_save_at_once(tmp_path: Path) -> None:
    folder = make(tmp_path)
    start = threading.Barrier(4)

    def save(number: int) -> None:
        start.wait(10)
        folder.save(f"{number:012x}", [png(number)] * 3)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(save, number) for number in range(4)]:
            done.result()
    assert [folder.load(f"{number:012x}", 3) for number in range(4)] == [png(number) for number in range(4)]


@pytest.mark.fault
def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file")
    folder = make(tmp_path)
    with pytest.raises(StoreError, match=r"The pictures in .*pictures can't be written: .*Check the disk"):
        folder.save(TWO, [png()])
    with pytest.raises(StoreError, match="can't be read"):
        folder.load(TWO, 1)
