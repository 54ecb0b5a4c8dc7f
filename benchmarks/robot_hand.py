"""Human hand -> robot hand: HandMLP beside dex-retargeting, on the fingertips of recorded poses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import ours, timing
from benchmarks.peers import missing
from benchmarks.report import Report
from benchmarks.targets import Targets
from retarget.core.types import SIDES, FloatArray

_PEER_STEP = 16  # every so many episodes for the slow ones
BATCH = 300


def to_robot(report: Report, targets: Targets, folder: Path, say: Callable[[str], None]) -> None:
    """The table of hand solvers, with the figures of the bounds."""
    rows = _peers(report, targets, folder, say)
    mlp = ours.hand_networks(targets.robot)
    both = targets.fingertips.reshape(-1, 2, 5, 3)
    wrists = np.broadcast_to(np.eye(4), (len(both), 2, 4, 4))
    pca = mlp.fitter.fit(both, wrists).pca
    for refine, figure in ((0, "hand_mean"), (1, "hand_refined_mean")):
        name = f"retarget HandMLP{', refine=1' if refine else ''}"
        say(name)
        part = pca[:BATCH]
        spent = timing.measure(lambda r=refine, p=part: mlp.joints(p, refine=r))
        errors = _errors(targets, mlp.joints(pca, refine=refine), both)
        rows.append((name, f"{2 * len(part) / spent.median:,.0f}", *_cells(errors), "0"))
        report.figures[figure] = 1e6 * float(errors.mean())
        if not refine:
            report.figures["hand_p99"] = 1e6 * float(np.percentile(errors, 99))
    report.table(
        "Human fingertips -> joints of the robot's hand, frames/s of one hand",
        ("solver", "frames/s", "tip error mean um", "p99 / max um", "joints beyond a limit"),
        rows,
        f"Targets: {targets.source}; the peers on every {_PEER_STEP}th, frame after frame, given "
        "the robot's own fingertips (which they can reach exactly); HandMLP, in batches of "
        f"{BATCH}, is given the coefficients of the human hand fitted to them. Tip error: distance "
        "to the recorded fingertip. dex-retargeting keeps its usual weights and tolerances, "
        "without its low-pass filter.",
    )


def _errors(targets: Targets, joints: FloatArray, tips: FloatArray) -> FloatArray:
    """Distance of each fingertip (..., 2, 5) of joints (..., 2, 6) to the recorded one [m]."""
    found = [targets.robot.hand_tips(k, joints[..., k, :]) for k in range(len(SIDES))]
    return np.linalg.norm(np.stack(found, axis=-3) - tips, axis=-1)


def _cells(errors: FloatArray) -> tuple[str, str]:
    um = 1e6 * errors
    return f"{um.mean():,.2f}", f"{np.percentile(um, 99):,.1f} / {um.max():,.0f}"


def _peers(
    report: Report, targets: Targets, folder: Path, say: Callable[[str], None]
) -> list[tuple[str, ...]]:
    gone = missing("dex_retargeting.retargeting_config")
    if gone:
        report.notes.append(f"dex-retargeting is left out: {gone}.")
        return []
    from benchmarks.peers.dex_hand import DexHand

    part = targets.every(_PEER_STEP)
    bounds = [targets.robot.hand_limits(k) for k in range(len(SIDES))]
    low, high = (np.stack([b[k] for b in bounds]) for k in range(2))
    tips = part.fingertips.reshape(-1, 2, 5, 3)
    rows = []
    for kind in ("vector", "position"):
        peers = [DexHand(targets.robot, side, kind, folder) for side in range(len(SIDES))]
        say(peers[0].name)

        def run(peers: list[DexHand] = peers) -> FloatArray:
            both = [peer.joints(tips[:, k]) for k, peer in enumerate(peers)]
            return np.stack(both, axis=1)

        q = run()
        spent = timing.measure(run, warm_up=False)
        beyond = int(((q < low - 1e-9) | (q > high + 1e-9)).sum())
        speed = f"{tips.shape[0] * 2 / spent.median:,.0f}"
        rows.append((peers[0].name, speed, *_cells(_errors(part, q, tips)), f"{beyond}"))
    return rows
