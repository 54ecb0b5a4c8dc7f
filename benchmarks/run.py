"""`make bench`: everything in one run; one set of tables, RESULTS.md, and the bounds.

python -m benchmarks.run [--check] [--json OUT] [--only hand,arm,...] [--no-write]
"""

from __future__ import annotations

import sys

from benchmarks import (
    arm,
    bench,
    control,
    hand,
    latency,
    people,
    replay,
    report,
    robot_hand,
    viewer,
)

# in this order: what torch's threads could disturb comes before it is loaded
PARTS: dict[str, bench.Part] = {
    "replay": replay.replays,
    "memory": replay.memory,
    "arm": arm.arms,
    "control": control.steps,
    "viewer": viewer.calls,
    "latency": latency.single_frames,
    "hand": hand.fits,
    "robot_hand": robot_hand.to_robot,
    "people": people.people,
}


def main() -> int:
    """Run the benchmark; 1 where it is to be checked and a bound falls short."""
    parser = bench.parser(__doc__)
    parser.add_argument("--only", default="", help="parts, by comma: " + ", ".join(PARTS))
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name] or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part named {', '.join(sorted(unknown))}")
    parts = {name: part for name, part in PARTS.items() if name in chosen}
    # a part of the results in place of the whole would be taken for it
    whole = len(parts) == len(PARTS) and not options.no_write
    return bench.run(options, parts, report.RESULTS if whole else None)


if __name__ == "__main__":
    sys.exit(main())
