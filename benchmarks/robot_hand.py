"""Human hand -> robot hand: HandMLP beside dex-retargeting, on the fingertips of recorded poses.

python -m benchmarks.robot_hand [--check] [--json OUT]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.peers import missing
from benchmarks.targets import Targets
from retarget import HandMLP, MANOFitter
from retarget.core.types import SIDES, FloatArray

_PEER_STEP = 16  # every so many episodes for the slow ones
_BATCH = 300


def to_robot(bench: Bench) -> None:
    """The table of hand solvers, with the figures of the bounds."""
    rows = _peers(bench)
    targets, figures = bench.targets, bench.report.figures
    mlp = HandMLP.load(fitter=MANOFitter(bench.robot))
    wrists = np.broadcast_to(np.eye(4), (targets.frames, 2, 4, 4))
    pca = mlp.fitter.fit(targets.both, wrists).pca
    for refine, name, figure in (
        (0, "retarget HandMLP", "hand"),
        (1, "retarget HandMLP, refine=1", "hand_refined"),
    ):
        bench.say(name)
        part = pca[:_BATCH]
        spent = timing.measure(lambda r=refine, p=part: mlp.joints(p, refine=r))
        joints = mlp.joints(pca, refine=refine)
        um = 1e6 * _errors(targets, joints)
        rows.append((name, 2 * len(part) / spent.median, *_cells(um), _beyond(targets, joints)))
        figures[f"{figure}_mean"] = float(um.mean())
        figures[f"{figure}_p99"] = float(np.percentile(um, 99))
    bench.report.table(
        "Human fingertips -> joints of the robot's hand, frames/s of one hand",
        {"solver": "{}", "frames/s": "{:,.0f}", "tip error mean um": "{:,.2f}",
         "p99 / max um": "{:,.1f} / {:,.0f}", "joints beyond a limit": "{}"},
        rows,
        f"Targets: {targets.source}; the peers on every {_PEER_STEP}th, frame after frame, given "
        "the robot's own fingertips (which they can reach exactly); HandMLP, in batches of "
        f"{_BATCH}, is given the coefficients of the human hand fitted to them. Tip error: "
        "distance to the recorded fingertip. dex-retargeting keeps its usual weights and "
        "tolerances, without its low-pass filter.",
    )  # fmt: skip


def _errors(targets: Targets, joints: FloatArray) -> FloatArray:
    """Distance of each fingertip (..., 2, 5) of joints (..., 2, 6) to the recorded one [m]."""
    found = [targets.robot.hand_tips(k, joints[..., k, :]) for k in range(len(SIDES))]
    return np.linalg.norm(np.stack(found, axis=-3) - targets.both, axis=-1)


def _cells(um: FloatArray) -> tuple[float, tuple[float, float]]:
    return float(um.mean()), (float(np.percentile(um, 99)), float(um.max()))


def _beyond(targets: Targets, joints: FloatArray) -> int:
    """How many of the joints (..., 2, 6) are beyond a limit."""
    limits = [targets.robot.hand_limits(k) for k in range(len(SIDES))]
    low, high = (np.stack([pair[k] for pair in limits]) for k in range(2))
    return int(((joints < low - 1e-9) | (joints > high + 1e-9)).sum())


def _peers(bench: Bench) -> list[tuple[Any, ...]]:
    gone = missing("dex_retargeting.retargeting_config")
    if gone:
        bench.report.notes.append(f"dex-retargeting is left out: {gone}.")
        return []
    from benchmarks.peers.dex_hand import DexHand

    part = bench.targets.every(_PEER_STEP)
    rows: list[tuple[Any, ...]] = []
    for kind in ("vector", "position"):
        peers = [DexHand(bench.robot, side, kind, bench.folder) for side in range(len(SIDES))]
        bench.say(peers[0].name)

        def run(peers: list[DexHand] = peers) -> FloatArray:
            both = [peer.joints(part.tips(k)) for k, peer in enumerate(peers)]
            return np.stack(both, axis=1)

        q = run()
        spent = timing.measure(run, warm_up=False)
        speed = 2 * part.frames / spent.median
        rows.append((peers[0].name, speed, *_cells(1e6 * _errors(part, q)), _beyond(part, q)))
    return rows


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"robot_hand": to_robot}))
