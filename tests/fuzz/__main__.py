"""``python -m fuzz``: damaged files, wrong recordings, interrupted writes, and what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import recordings, writers
from fuzz.campaign import Result, Tally, run_campaign
from fuzz.cases import SHARES
from fuzz.judgement import FAULT


def main() -> int:
    """Parse, run, report; 1 where there is a fault."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many damaged files to try")
    parser.add_argument("--recordings", type=int, help="wrong recordings; a tenth by default")
    parser.add_argument("--interruptions", type=int, help="interrupted writes; a tenth by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="KIND,...", help=", ".join(SHARES))
    parser.add_argument("--case", type=int, metavar="N", help="try one damaged file alone")
    parser.add_argument("--seconds", type=float, help="start no further file after this time")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of faults there")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    parser.add_argument("--workers", type=int, help="processes; by default one a core")
    given = parser.parse_args()
    only = [kind for kind in given.only.split(",") if kind]
    unknown = set(only) - set(SHARES)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    alone = given.case is not None
    tenth = 0 if alone or only else given.files // 10

    def tell(result: Result) -> None:
        if result.verdict == FAULT:
            again = f"--seed {given.seed} --case {result.number}"
            again += f" --only '{given.only}'" if only else ""
            print(f"fault: {result.why}\n  retarget {result.command} ({result.how})\n  {again}")
            sys.stdout.flush()

    damaged = run_campaign(
        1 if alone else given.files,
        given.seed,
        only=only,
        first=given.case or 0,
        seconds=given.seconds,
        keep=given.keep,
        workers=given.workers,
        tell=tell,
    )
    parts = {"damaged files": damaged}
    for name, run, count in (
        ("wrong recordings", recordings.run_recordings, given.recordings),
        ("interrupted writes", writers.run_interruptions, given.interruptions),
    ):
        count = tenth if count is None else count
        if count:
            parts[name] = _part(run, count, given.seed, tell)
    for name, tally in parts.items():
        print(f"{name}, seed {given.seed}, {tally.seconds:.0f} s")
        print("\n".join(tally.lines()))
        if name == "wrong recordings":
            print("\n".join(recordings.lines(tally)))
    if given.json is not None:
        figures = {name: tally.as_dict() for name, tally in parts.items()}
        given.json.write_text(json.dumps({"seed": given.seed, **figures}, indent=1) + "\n")
    return int(any(tally.faults for tally in parts.values()))


def _part(run: Callable[..., Tally], count: int, seed: int, tell: Any) -> Tally:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        tally = run(count, seed, Path(folder), tell)
    tally.seconds = time.monotonic() - started
    return tally


if __name__ == "__main__":
    sys.exit(main())
