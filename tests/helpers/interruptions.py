"""Commands in processes of their own that a full disk, a file size limit or a signal stops."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from places import ROOT

# what the atomic writer calls what is not finished, and what else nobody may leave
_LEAVINGS = (".*", "*.part", "*.tmp", "*~")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        returncode: its exit code; minus the signal that it died of.
        stdout: what it printed.
        stderr: what it complained of.
    """

    returncode: int
    stdout: str
    stderr: str

    @property
    def is_refusal(self) -> bool:
        """One clear line, and the exit code of bad input."""
        lines = self.stderr.splitlines()
        return self.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: ")


def run_limited(
    args: Sequence[object],
    *,
    file_bytes: int | None = None,
    signal_after: tuple[int, float] | None = None,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Ended:
    """``retarget ARGS`` in a process of its own.

    Args:
        args: the command's arguments.
        file_bytes: the size that no file may exceed (``ulimit -f``), or None.
        signal_after: a signal's number, and how long after the start it is sent [s], or None.
        cwd: the folder to run in.
        env: variables to set, over this process's own.
        timeout: how long it may take in all [s].

    Raises:
        subprocess.TimeoutExpired: it takes longer; it is killed.
    """

    def limit() -> None:
        if file_bytes is not None:
            limit_files(file_bytes)

    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "retarget.cli", *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=given,
        text=True,
        preexec_fn=limit,
    )
    try:
        if signal_after is not None:
            number, seconds = signal_after
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, stdout, stderr)


def limit_files(size: int) -> None:
    """Let this process write no file beyond ``size`` bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def leavings(folder: Path) -> list[Path]:
    """Files in and below a folder that an interrupted writer left."""
    found = {path for pattern in _LEAVINGS for path in folder.rglob(pattern) if path.is_file()}
    return sorted(found)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` bytes, mounted at a new folder; skips where none can be had."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"no small disk here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
