"""Wrong but plausible recordings: each mistake with random parameters, and what is said of it.

A recording that is called valid without a hint at its mistake is a fault. One that is refused or
flagged with other words than the mistake's is counted apart: mistakes can look like each other.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from lost_recordings import LOST_KINDS, TIMES, write_spoilt
from typer.testing import CliRunner
from wrong_recordings import RIGHT, WRONG, write_wrong

from fuzz.campaign import Result, Tally
from fuzz.judgement import CLEAR, FAULT, NOT_VALID, VALID
from retarget.cli.main import app
from retarget.core.types import SIDES
from retarget.data.generate.make_demo import TASKS, make_demo
from retarget.robot.robot import Robot

KINDS = ("wrong recording", "lost tracking", "wrong time", "sound recording")


@dataclass(frozen=True)
class _Spoilt:
    """A spoilt recording.

    Attributes:
        name: of the mistake.
        path: the file.
        cause: a regular expression, or the kind of a finding, that the report has where it names
            the mistake.
        wrong: of `WRONG`, which knows by itself.
    """

    name: str
    path: Path
    cause: str = ""
    wrong: Any = None


def run_recordings(count: int, seed: int, folder: Path, tell: Any = None) -> Tally:
    """Try spoilt recordings.

    Args:
        count: how many.
        seed: of all that is random; each depends on it and on its number alone.
        folder: an empty one to work in.
        tell: called with each result.
    """
    tally, robot = Tally({kind: Counter() for kind in KINDS}), Robot.load()
    for number in range(count):
        random = Random(f"recordings:{seed}:{number}")
        kind = random.choices(KINDS, (6, 2, 1, 1))[0]
        base = folder / "base.hdf5"
        spoilt = _spoil(kind, base, folder / "wrong.hdf5", random, robot)
        report = folder / "report.json"
        ended = CliRunner().invoke(app, ["replay", str(spoilt.path), "--json", str(report)])
        named, hinted = _said(spoilt, ended.output, json.loads(report.read_text())["demos"][0])
        verdict, why = {0: VALID, 1: NOT_VALID, 2: CLEAR}.get(ended.exit_code, FAULT), ""
        if verdict == FAULT or (ended.exception and not isinstance(ended.exception, SystemExit)):
            verdict, why = FAULT, f"ended with {ended.exit_code}: {ended.exception}"
        elif verdict == VALID and not hinted and kind != "sound recording":
            verdict, why = FAULT, "valid without a hint"
        elif verdict == CLEAR and kind == "sound recording":
            verdict, why = FAULT, f"refused: {' '.join(ended.output.split())[-300:]}"
        tally.named[kind] += named
        result = Result(number, kind, "replay", spoilt.name, verdict, why, 0.0)
        tally.add(result)
        if tell is not None:
            tell(result)
        for path in (spoilt.path, report):
            path.unlink()
    return tally


def _spoil(kind: str, base: Path, path: Path, random: Random, robot: Robot) -> _Spoilt:
    """Write a sound recording and a spoilt copy of it."""
    if kind in ("wrong recording", "sound recording"):
        wrong = random.choice(WRONG if kind == "wrong recording" else RIGHT)
        frames = max(wrong.frames, random.randint(60, 150))
        task = random.choice(list(TASKS))
        make_demo(base, frames=frames, seed=random.randrange(10**6), task=task)
        write_wrong(path, base, wrong, random.randrange(10**6), robot)
        return _Spoilt(wrong.name, path, wrong=wrong)
    make_demo(base, seed=random.randrange(10**6))
    if kind == "wrong time":
        name = random.choice(list(TIMES))
        return _Spoilt(name, write_spoilt(path, base, TIMES[name].spoil), TIMES[name].kind)
    name, hands = random.choice(list(LOST_KINDS)), random.choice(((0,), (1,), (0, 1)))

    def spoil(arrays: dict[str, Any], attrs: dict[str, Any]) -> None:
        for h in hands:
            LOST_KINDS[name].spoil(arrays, robot, h)

    said = f"{name}, {' and '.join(SIDES[h] for h in hands)}"
    return _Spoilt(said, write_spoilt(path, base, spoil), LOST_KINDS[name].kind)


def _said(spoilt: _Spoilt, output: str, report: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the mistake is named, and whether there is any hint at something wrong."""
    check = report["self_check"] or {}
    hints = [*report["reasons"], *report["notes"], report["error"], check.get("cause")]
    hinted = any(hints) or bool(report["findings"])
    if spoilt.wrong is not None:
        return bool(spoilt.wrong.said(output)), hinted
    return any(found["kind"] == spoilt.cause for found in report["findings"]) or bool(
        re.search(spoilt.cause.replace("_", " "), output)
    ), hinted


def lines(tally: Tally) -> Iterator[str]:
    """How many were named rightly, by kind."""
    for kind in KINDS[:-1]:
        tried = sum(tally.counts[kind].values())
        yield f"{kind}: cause named rightly in {tally.named[kind]} of {tried}"
