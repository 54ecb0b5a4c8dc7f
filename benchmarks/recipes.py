"""Compares the library's fit with the published recipe: residual, jumps, lost joints, round trip.

    python -m benchmarks.recipes [--samples 8000] [--steps 2000] [--poses 1000] [--json OUT]

Both fits get hand networks of the same size, trained alike on the same robot poses, so the round
trip shows what the fit keeps of a pose, not what a network can learn.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.bench import Bench, parser, run
from retarget.core.types import SIDES
from retarget.mapping.fitter import RECIPES, MANOFitter
from retarget.mapping.hand_accuracy import check_hands
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.retargeter import LABEL_JUMP, LABEL_STEP
from retarget.mapping.train import TrainSettings, train_network


def both(bench: Bench) -> None:
    """Measure both recipes in one table."""
    options, rows = bench.options, []
    for recipe in RECIPES:
        bench.say(f"recipe {recipe}")
        began = time.perf_counter()
        fitter = MANOFitter(bench.robot, recipe=recipe)
        residual, jumps, singular = _measure(fitter, options.poses, bench.seed)
        settings = TrainSettings(samples=options.samples, steps=options.steps)
        mlp = HandMLP(train_network(fitter, settings, progress=False), fitter)
        trip = check_hands(mlp, samples=options.poses).plain
        back = tuple(1e3 * max(getattr(side, key) for side in trip) for key in ("mean", "p99"))
        errors = (1e3 * np.median(residual), 1e3 * np.percentile(residual, 99))
        seconds = time.perf_counter() - began
        rows.append((recipe, errors, 100 * jumps, singular, back, seconds))
    bench.report.table(
        "The fit beside the published recipe, random poses of both hands",
        {"recipe": "{}", "residual p50 / p99 mm": "{:.2f} / {:.1f}", "frames that jump": "{:.1f} %",
         "smallest singular value m/rad": "{:.5f}", "round trip mean / p99 mm": "{:.3f} / {:.3f}",
         "seconds": "{:.0f}"},
        rows,
        f"Networks trained for {options.steps:,} steps on {options.samples:,} poses a hand; "
        f"{options.poses:,} held-out poses.",
    )  # fmt: skip


def _measure(fitter: MANOFitter, poses: int, seed: int) -> tuple[np.ndarray, float, float]:
    """Residuals at the robot's scale [m], share of jumping frames, weakest joint [m/rad]."""
    rng = np.random.default_rng(seed)
    limits = [fitter.robot.hand_limits(side) for side in SIDES]
    q = np.stack([rng.uniform(low, high, size=(poses, len(low))) for low, high in limits], axis=1)
    T = np.broadcast_to(np.eye(4), (poses, len(SIDES), 4, 4))

    def fit(active: np.ndarray):  # type: ignore[no-untyped-def]
        tips = [fitter.robot.hand_tips(side, active[:, k]) for k, side in enumerate(SIDES)]
        return fitter.fit(np.stack(tips, axis=1), T)

    here = fit(q)
    keypoints = fitter.keypoints(here)
    sigma = np.stack([hand.sigma[: fitter.components] for hand in fitter.hands])
    jumping = np.zeros(poses, dtype=np.bool_)
    columns = []
    for joint in np.eye(q.shape[-1]):
        there = fit(q + LABEL_STEP * joint)
        jumping |= (np.abs(there.pca - here.pca) > LABEL_JUMP * sigma).any(axis=(1, 2))
        moved = (fitter.keypoints(there) - keypoints).reshape(poses, len(SIDES), -1)
        columns.append(moved / LABEL_STEP)
    singular = np.linalg.svd(np.stack(columns, axis=-1), compute_uv=False)[..., -1]
    return here.residual, float(jumping.mean()), float(singular.min())


def main() -> int:
    """Measure as much as the options say."""
    options = parser(__doc__)
    options.add_argument("--samples", type=int, default=8_000, help="training poses a hand")
    options.add_argument("--steps", type=int, default=2_000, help="training steps")
    options.add_argument("--poses", type=int, default=1_000, help="held-out poses a hand")
    return run(options.parse_args(), {"recipes": both})


if __name__ == "__main__":
    sys.exit(main())
