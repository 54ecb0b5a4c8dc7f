"""``python -m fuzz``: tries damaged files, and prints what came of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fuzz.campaign import Result, run_campaign
from fuzz.cases import SHARES
from fuzz.judgement import FAULT


def main() -> int:
    """Parse, run, report; 1 where there is a fault."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many damaged files to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="KIND,...", help=", ".join(SHARES))
    parser.add_argument("--case", type=int, metavar="N", help="try one case alone")
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

    def tell(result: Result) -> None:
        if result.verdict == FAULT:
            again = f"--seed {given.seed} --case {result.number}"
            again += f" --only '{given.only}'" if only else ""
            print(f"fault: {result.why}\n  retarget {result.command} ({result.how})\n  {again}")
            sys.stdout.flush()

    tally = run_campaign(
        1 if given.case is not None else given.files,
        given.seed,
        only=only,
        first=given.case or 0,
        seconds=given.seconds,
        keep=given.keep,
        workers=given.workers,
        tell=tell,
    )
    print("\n".join(tally.lines()))
    took = 1e3 * tally.seconds / max(tally.tried, 1)
    print(f"seed {given.seed}, {tally.seconds:.0f} s, {took:.0f} ms a file")
    if tally.slowest is not None:
        slow = tally.slowest
        print(f"slowest: {slow.seconds:.1f} s, retarget {slow.command} (case {slow.number})")
    if given.json is not None:
        given.json.write_text(json.dumps({"seed": given.seed, **tally.as_dict()}, indent=1) + "\n")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
