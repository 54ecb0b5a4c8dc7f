"""What a command may do with a damaged file, and what is a fault of it."""

from __future__ import annotations

import re
import signal
import zlib
from pathlib import Path

from fuzz.cases import OLD, Case
from fuzz.child import Outcome

CLEAR, VALID, NOT_VALID, FAULT = "clear error", "valid", "not valid", "fault"
VERDICTS = (CLEAR, VALID, NOT_VALID, FAULT)
_SAID = ("error: ", "warning: ", "note: ")
_REASON = re.compile(r"not valid|error: ", re.IGNORECASE)
_ALWAYS_WRITTEN = (".json", ".html")  # reports, which tell of refused files too


def contents(folder: Path) -> dict[str, int]:
    """Every file and folder in and below a folder, with a checksum."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file():
            found[name] = -1
        else:
            found[name] = zlib.crc32(path.read_bytes())
    return found


def judge(case: Case, outcome: Outcome, folder: Path, before: dict[str, int]) -> tuple[str, str]:
    """The verdict on a command, and what is wrong with it where it is a fault."""
    why = (
        _ended_badly(outcome)
        or _said_badly(outcome, folder, before)
        or _left_badly(case, outcome, folder, before)
    )
    return (FAULT, why) if why else (_verdict(outcome.code), "")


def _verdict(code: int) -> str:
    return {0: VALID, 1: NOT_VALID, 2: CLEAR}[code]


def _ended_badly(outcome: Outcome) -> str:
    if outcome.hung:
        return "hangs"
    if outcome.code < 0:
        return f"ended by {signal.Signals(-outcome.code).name}"
    for text in (outcome.err, outcome.out):
        if "Traceback (most recent call last)" in text:
            return f"traceback: {_last_line(text)}"
        if "MemoryError" in text:
            return f"out of memory: {_last_line(text)}"
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code}"
    return ""


def _said_badly(outcome: Outcome, folder: Path, before: dict[str, int]) -> str:
    lines = outcome.err.splitlines()
    for line in lines:
        if not line.startswith(_SAID):
            return f"stray line: {line[:200]!r}"
        if not line.isprintable():
            return f"unprintable line: {line[:200]!r}"
    errors = [line for line in lines if line.startswith("error: ")]
    if outcome.code == 0 and errors:
        return f"valid in spite of an error: {errors[0][:200]}"
    if outcome.code == 1 and not _REASON.search(outcome.out + outcome.err):
        return "not valid without a reason"
    if outcome.code == 2:
        if len(errors) != 1:
            return f"{len(errors)} error lines, expected one: {' | '.join(errors)[:300]}"
        names = {Path(name).name for name in before} | set(before)
        first = errors[0].removeprefix("error: ").partition(": ")[0]
        if not any(name in errors[0] for name in names) and not (folder / first).exists():
            return f"error without the file's name: {errors[0][:300]}"
        if len(errors[0]) > 2000:
            return f"an error of {len(errors[0])} characters"
    return ""


def _left_badly(case: Case, outcome: Outcome, folder: Path, before: dict[str, int]) -> str:
    after = contents(folder)
    for name, checksum in before.items():
        output = name in case.outputs
        if name not in after:
            return f"{name} is gone"
        if after[name] != checksum and not output:
            return f"{name} was changed"
        kept = not output or name.endswith(_ALWAYS_WRITTEN) or (folder / name).read_bytes() == OLD
        if outcome.code == 2 and not kept:
            return f"{name} was written in spite of an error"
    for name in after:
        if name in before:
            continue
        within = any(name == place or _inside(name, place) for place in case.outputs)
        if not within:
            return f"{name} is left over"
        folders = any(place.endswith("/") for place in case.outputs)
        if outcome.code == 2 and not name.endswith(_ALWAYS_WRITTEN) and not folders:
            return f"{name} was written in spite of an error"
    return ""


def _inside(name: str, place: str) -> bool:
    """Whether a file is in a folder that is written, under its own name."""
    if not place.endswith("/"):
        return False
    return (name + "/" == place) or (name.startswith(place) and not Path(name).name.startswith("."))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
