"""Commands that write, interrupted at any moment: the old file survives, or the new is whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from interruptions import leavings, limit_files

from fuzz.bases import make_bases
from fuzz.campaign import Result, Tally
from fuzz.cases import OLD
from fuzz.child import Outcome, run_forked, warm_up
from fuzz.judgement import CLEAR, FAULT, NOT_VALID, VALID
from retarget.data.generate.make_demo import make_demo
from retarget.human.hand_model import find_hand

# what writes, and which file
COMMANDS = {
    "replay demo.hdf5 --out out.hdf5": "out.hdf5",
    "replay demo.hdf5 --json out.json": "out.json",
    "replay demo.hdf5 --html out.html": "out.html",
    "view demo.hdf5 --html out.html": "out.html",
    "to-human demo.hdf5 --out out.hdf5": "out.hdf5",
    "to-actions demo.hdf5 --out out.hdf5 --chunks": "out.hdf5",
    "to-robot human.hdf5 --out out.hdf5": "out.hdf5",
    "run demo.hdf5 --fast --out out.hdf5": "out.hdf5",
    "make-demo out.hdf5 --frames 200": "out.hdf5",
    "mano convert hand.npz --out out.npz --overwrite": "out.npz",
    "calibrate --out out.toml": "out.toml",
}
LIMIT = "a full disk"
HOW = {
    LIMIT: None,
    "SIGTERM": signal.SIGTERM,
    "SIGHUP": signal.SIGHUP,
    "SIGINT": signal.SIGINT,
    "SIGKILL": signal.SIGKILL,
}
_WEIGHTS = {"calibrate --out out.toml": 0.1}  # takes seconds


def run_interruptions(count: int, seed: int, folder: Path, tell: Any = None) -> Tally:
    """Interrupt commands that write.

    Args:
        count: how often.
        seed: of all that is random.
        folder: an empty one to work in.
        tell: called with each result.
    """
    tally = Tally({how: Counter() for how in HOW})
    work = folder / "work"
    work.mkdir()
    make_demo(work / "demo.hdf5", frames=120, seed=5)
    shutil.copyfile(find_hand("left", "open"), work / "hand.npz")
    (folder / "bases").mkdir()
    warm_up(make_bases(folder / "bases", ("demonstration",)).demo, folder)
    assert run_forked(["to-human", "demo.hdf5", "--out", "human.hdf5"], work).code == 0
    whole = {command: _whole(command, work) for command in COMMANDS}
    for number in range(count):
        random = Random(f"interruptions:{seed}:{number}")
        weights = [_WEIGHTS.get(command, 1.0) for command in COMMANDS]
        command = random.choices(list(COMMANDS), weights)[0]
        how = random.choice(list(HOW))
        seconds, sizes = whole[command]
        place = work / COMMANDS[command]
        old = random.random() < 0.8
        if old:
            place.write_bytes(OLD)
        outcome = _interrupted(command, work, how, seconds, sizes, random)
        verdict, why = _judge(command, work, outcome, HOW[how], sizes, old=old)
        result = Result(number, how, command, how, verdict, why, outcome.seconds)
        tally.add(result)
        if tell is not None:
            tell(result)
        for path in (place, *leavings(work)):
            path.unlink(missing_ok=True)
    return tally


def _whole(command: str, work: Path) -> tuple[float, int]:
    """How long a command takes by itself, and the size of what it writes."""
    outcome = run_forked(command.split(), work, hang=60.0)
    assert outcome.code in (0, 1), (command, outcome)
    place = work / COMMANDS[command]
    size = place.stat().st_size
    place.unlink()
    return outcome.seconds, size


def _interrupted(
    command: str, work: Path, how: str, seconds: float, size: int, random: Random
) -> Outcome:
    number = HOW[how]
    if number is None:
        most = random.randrange(size)
        return run_forked(command.split(), work, prepare=lambda: limit_files(most), hang=60.0)
    after = random.uniform(0.0, 1.15 * seconds)

    def send(child: int) -> None:
        def late() -> None:
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(child, number)

        thread = threading.Thread(target=late)
        thread.start()
        threads.append(thread)

    threads: list[threading.Thread] = []
    outcome = run_forked(command.split(), work, meanwhile=send, hang=60.0)
    for thread in threads:
        thread.join()  # no thread is left when the next child is forked
    return outcome


def _judge(
    command: str, work: Path, outcome: Outcome, number: int | None, size: int, *, old: bool
) -> tuple[str, str]:
    """The verdict, and what is wrong with it where it is a fault."""
    place = work / COMMANDS[command]
    if outcome.hung:
        return FAULT, "hangs"
    if "Traceback" in outcome.err or "Fatal" in outcome.err:
        return FAULT, f"traceback: {outcome.err[-300:]}"
    done = outcome.code in (0, 1)
    stopped = 2 if number is None else 130 if number == signal.SIGINT else -number
    if outcome.code not in (0, 1, stopped):
        return FAULT, f"ended with {outcome.code}: {outcome.err[-300:]}"
    now = place.read_bytes() if place.exists() else None
    kept = now == (OLD if old else None)
    if not kept and not _is_whole(place, size):
        return FAULT, f"{place.name} is half written ({len(now or b'')} of {size} bytes)"
    if done and kept:
        return FAULT, f"{place.name} was not written, exit code {outcome.code}"
    if outcome.code == 2 and len(outcome.err.splitlines()) != 1:
        return FAULT, f"said {outcome.err!r}"
    if number == signal.SIGKILL:
        # the next write cleans up
        run_forked(command.split(), work, hang=60.0)
        if not _is_whole(place, size):
            return FAULT, "the next write is not whole"
    if leavings(work):
        return FAULT, f"left {[path.name for path in leavings(work)]}"
    return (VALID if done else CLEAR if outcome.code == 2 else NOT_VALID), ""


def _is_whole(place: Path, size: int) -> bool:
    """Whether a result is as long as it is by itself, but for a time or two in it."""
    found = place.stat().st_size if place.exists() else -1
    if place.suffix == ".json" and found >= 0:
        json.loads(place.read_text())
    return abs(found - size) <= 64
