"""Compares the library's fit with the published recipe: residual, jumps, lost joints, round trip.

    python benchmarks/recipes.py [--samples 8000] [--steps 2000] [--poses 1000]

Both fits get hand networks of the same size, trained alike on the same robot poses, so the round
trip shows what the fit keeps of a pose, not what a network can learn.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from retarget.core.types import SIDES
from retarget.mapping.fitter import RECIPES, MANOFitter
from retarget.mapping.hand_accuracy import check_hands
from retarget.mapping.hand_mlp import HandMLP
from retarget.mapping.retargeter import LABEL_JUMP, LABEL_STEP
from retarget.mapping.train import TrainSettings, train_network


def main() -> None:
    """Measure both recipes and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=8_000, help="training poses a hand")
    parser.add_argument("--steps", type=int, default=2_000, help="training steps")
    parser.add_argument("--poses", type=int, default=1_000, help="held-out poses a hand")
    options = parser.parse_args()
    table = Table("recipe", "residual p50 / p99", "jumps", "smallest singular value",
                  "round trip mean / p99", "seconds")  # fmt: skip
    for recipe in RECIPES:
        began = time.perf_counter()
        fitter = MANOFitter(recipe=recipe)
        residual, jumps, singular = measure_fit(fitter, options.poses)
        settings = TrainSettings(samples=options.samples, steps=options.steps)
        mlp = HandMLP(train_network(fitter, settings, progress=False), fitter)
        trip = check_hands(mlp, samples=options.poses).plain
        table.add_row(
            recipe,
            f"{1e3 * np.median(residual):.2f} / {1e3 * np.percentile(residual, 99):.1f} mm",
            f"{100 * jumps:.1f} % of frames",
            f"{singular:.5f} m/rad",
            " / ".join(f"{1e3 * max(getattr(s, k) for s in trip):.3f}" for k in ("mean", "p99"))
            + " mm",
            f"{time.perf_counter() - began:.0f}",
        )
    Console(width=120).print(table)


def measure_fit(fitter: MANOFitter, poses: int) -> tuple[np.ndarray, float, float]:
    """Residuals at the robot's scale [m], share of jumping frames, weakest joint [m/rad]."""
    rng = np.random.default_rng(0)
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


if __name__ == "__main__":
    main()
