"""The atomic writer: what it replaces, what it refuses, and what it deletes."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from retarget.core.errors import FileError
from retarget.core.files import replacing, write_bytes, write_text
from retarget.core.part_file import PartFile, remove_abandoned

ABANDONED = ".old.hdf5.retarget-{machine}0123abcd.part"


def machine(folder: Path) -> str:
    """The digits with which parts of this machine are named."""
    with replacing(folder / "probe"):
        (part,) = folder.glob(".probe.*")
        digits = part.name.rsplit("-", 1)[1][:8]
    (folder / "probe").unlink()
    return digits


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_in_one_step_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with replacing(path) as part:
        part.write(b"new")
        assert path.read_bytes() == b"old"
        part.seek(0)
        assert part.read() == b"new"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["f"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as part:
            part.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["f"])


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    link = tmp_path / "link"
    link.symlink_to("a/file")
    write_bytes(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "a/file").read_bytes() == b"x"


def test_names_may_be_as_long_as_the_file_system_has_them(tmp_path: Path) -> None:
    for name in ("n" * 255, "\u00e9" * 127, "n" * 99 + "\u00e9" * 70):
        write_text(tmp_path / name, "text")
    assert len(names(tmp_path)) == 3
    with pytest.raises(FileError, match="cannot be written: File name too long"):
        write_text(tmp_path / ("n" * 256), "text")


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    fifo, place = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        for path, said in ((fifo, "is a FIFO"), (place, "is a socket"), (tmp_path, "is a folder")):
            with pytest.raises(FileError, match=f"{path}: {said}, expected a"):
                write_bytes(path, b"x")
        with pytest.raises(FileError, match="is a socket, expected a regular file or a new name"):
            write_text(place, "x")
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert stat.S_ISSOCK(place.stat().st_mode)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(FileError, match=f"{loop}: cannot be written: "):
        write_text(loop, "x")


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_written_through_by_text_and_refused_by_files(tmp_path: Path) -> None:
    null, disk = tmp_path / "null", tmp_path / "disk"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(disk, 0o666 | stat.S_IFBLK, os.makedev(7, 200))
    except PermissionError:
        pytest.skip("no devices here")
    with pytest.raises(FileError, match="null: is a device, expected a regular file"):
        write_bytes(null, b"x")
    with pytest.raises(FileError, match="disk: is a device, expected a regular file"):
        write_text(disk, "x")
    write_text(null, "x")
    assert stat.S_ISCHR(null.stat().st_mode)
    assert names(tmp_path) == ["disk", "null"]


def test_text_is_written_through_a_fifo_that_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(FileError, match="fifo: cannot be written: nobody reads it"):
        write_text(fifo, "text")
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    thread.start()
    text = "text\n" * 100_000  # more than a pipe holds
    for _ in range(1000):
        try:
            write_text(fifo, text)
            break
        except FileError:  # its reader has not opened it yet
            time.sleep(0.01)
    thread.join(timeout=30)
    assert got == [text.encode()]
    assert names(tmp_path) == ["fifo"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_a_descriptor_is_written_where_it_stands(tmp_path: Path, name: str) -> None:
    """What was printed before stays, and the redirected file is not replaced."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    log = tmp_path / "log"
    code = (
        "from retarget.core.files import write_text; print('before');"
        f"write_text({name!r}, 'text\\n'); print('after')"
    )
    with log.open("w") as out:
        inode = os.fstat(out.fileno()).st_ino
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, cwd=tmp_path)
    assert log.read_text() == "before\ntext\nafter\n"
    assert log.stat().st_ino == inode


def test_a_descriptor_is_no_place_for_a_file(tmp_path: Path) -> None:
    said = "is an open descriptor, expected a regular file"
    with (tmp_path / "f").open("w") as out, pytest.raises(FileError, match=said):
        write_bytes(f"/dev/fd/{out.fileno()}", b"x")


def test_a_write_protected_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o444)
    if os.getuid() == 0:  # whom permissions do not bind
        monkeypatch.setattr(os, "access", lambda *args, **options: False)
    with pytest.raises(FileError, match="f: cannot be written: the file is write-protected"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


def test_what_a_killed_process_left_is_deleted_at_the_next_write(tmp_path: Path) -> None:
    ours = machine(tmp_path)
    left = tmp_path / ABANDONED.format(machine=ours)
    left.write_bytes(b"half")
    others = [
        ".old.hdf5.retarget-0123abcd.part",
        ".old.hdf5.0123abcd.part",
        f"old.hdf5.retarget-{ours}0123abcd.part",
        f".old.hdf5.retarget-{ours}0123abcd.part2",
        f".old.hdf5.retarget-{ours}0123ABCD.part",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"not ours")
    (tmp_path / ABANDONED.format(machine=ours).replace("old", "folder")).mkdir()
    write_bytes(tmp_path / "new", b"x")
    assert not left.exists()
    assert len(names(tmp_path)) == len(others) + 2


def test_a_link_named_like_a_part_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / ABANDONED.format(machine=machine(tmp_path))
    (tmp_path / "precious").write_bytes(b"x")
    link.symlink_to("precious")
    remove_abandoned(tmp_path)
    assert names(tmp_path) == [link.name, "precious"]


def test_a_part_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with replacing(tmp_path / "one") as one:
        one.write(b"1")
        write_bytes(tmp_path / "two", b"2")
        remove_abandoned(tmp_path)
        one.write(b"1")
    assert (tmp_path / "one").read_bytes() == b"11"
    assert names(tmp_path) == ["one", "two"]


def test_another_machines_part_is_given_up_after_a_day(tmp_path: Path) -> None:
    theirs = tmp_path / ABANDONED.format(machine="00000000")
    theirs.write_bytes(b"half")
    remove_abandoned(tmp_path)
    assert theirs.exists()
    os.utime(theirs, (1e9, 1e9))
    remove_abandoned(tmp_path)
    assert not theirs.exists()


def test_without_locks_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ABANDONED.format(machine=machine(tmp_path))
    left.write_bytes(b"half")

    def no_locks(fd: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    write_bytes(tmp_path / "new", b"x")
    assert names(tmp_path) == [left.name, "new"]


def test_a_part_taken_for_abandoned_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = fcntl.flock, []

    def late(fd: int, operation: int) -> None:
        if not taken:
            (part,) = tmp_path.iterdir()
            part.unlink()
            taken.append(part)
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    write_bytes(tmp_path / "new", b"x")
    assert (tmp_path / "new").read_bytes() == b"x"
    assert len(taken) == 1


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"

    def written() -> None:
        with replacing(path) as part:
            part.write(b"x")
            os.mkfifo(path)

    with pytest.raises(FileError, match="is a FIFO"):
        written()
    assert names(tmp_path) == ["f"]


def test_a_part_is_published_once(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "f")
    with pytest.raises(ValueError, match="no file"):
        part.publish()
    part.create()
    part.publish()
    part.close()
    part.close()
    assert names(tmp_path) == ["f"]
