"""The default fit at its limits: what it misses, where it jumps, how it grows with the batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import ours, timing
from benchmarks.hand import MISS, PATIENCE, RIGHT, Accuracy, human_tips, jumps
from benchmarks.report import Report
from benchmarks.targets import Targets
from retarget import MANOFitter

SIZES = (1, 30, 300, 1_000, 3_000, 30_000)
GROWTH = (1_000, 30_000)  # batch sizes whose times are compared
_RANDOM_POSES = 20_000


def limits(report: Report, targets: Targets, say: Callable[[str], None]) -> None:
    """Failures on targets that the hand can reach, and continuity, of the default fit."""
    say("reachable targets and continuity")
    fitter = MANOFitter(targets.robot)
    began = time.perf_counter()
    fitter.fit_hand(RIGHT, human_tips(fitter, targets, RIGHT)[:1_000])
    speed = 1_000 / (time.perf_counter() - began)
    poses = int(min(_RANDOM_POSES, speed * PATIENCE))
    dice = np.random.default_rng(0)
    rows, failed, tried = [], 0, 0
    for name, count in (("poses of the fits to the targets", None), ("random poses", poses)):
        misses = []
        for side, hand in enumerate(fitter.hands):
            if count is None:
                pca = fitter.fit_hand(side, human_tips(fitter, targets, side)).pca
            else:
                z = dice.normal(size=(count // 2, fitter.components)).clip(-2.0, 2.0)
                pca = z * hand.sigma[: fitter.components]
            tips = fitter.tips_of(side, pca)
            again = fitter.tips_of(side, fitter.fit_hand(side, tips).pca)
            scale = fitter.calibrations[side].scale
            misses.append(scale * np.linalg.norm(again - tips, axis=-1).mean(axis=-1))
        residual = np.concatenate(misses)
        failed, tried = failed + int((residual > MISS).sum()), tried + len(residual)
        rows.append((f"{name} ({len(residual):,})", *Accuracy(residual).cells))
    share, largest, jumping = jumps(fitter, targets, speed)
    report.table(
        "Default fit on fingertips that the human hand reaches exactly",
        ("targets", "median mm", "mean / p99 / max mm", "> 1 mm"),
        rows,
        f"Random poses: coefficients normal, cut at 2 standard deviations. Real frames that jump: "
        f"{share}, largest change {largest} standard deviations.",
    )
    report.figures["fit_failures"] = 100 * failed / tried
    report.figures["fit_jumps"] = jumping


def scaling(report: Report, targets: Targets, say: Callable[[str], None]) -> None:
    """Frames a second of the default fit by batch size and threads."""
    threads = [1] if ours.CORES == 1 else [1, 2]
    known = ours.supports(MANOFitter, threads=1)
    columns: list[tuple[str, dict[str, Any]]] = [("default threads", {})]
    if known:
        columns += [(f"threads={n}", {"threads": n}) for n in threads]
        if ours.supports(MANOFitter, dtype=""):
            columns += [
                (f"float32, threads={n}", {"dtype": "float32", "threads": n}) for n in threads
            ]
    human = human_tips(MANOFitter(targets.robot), targets, RIGHT)
    human = np.tile(human, (-(-SIZES[-1] // len(human)), 1, 1))
    rows = [[f"{size:,}"] for size in SIZES]
    seconds: dict[int, float] = {}
    for name, settings in columns:
        fitter = MANOFitter(targets.robot, **settings)
        for row, size in zip(rows, SIZES, strict=True):
            say(f"fit, {name}, batch {size}")
            spent = timing.measure(lambda size=size, f=fitter: f.fit_hand(RIGHT, human[:size]))
            row.append(f"{size / spent.median:,.0f}")
            if not settings:
                seconds[size] = spent.median
    report.table(
        "Default fit, frames/s by batch size", ("batch", *(name for name, _ in columns)), rows
    )
    report.figures["fit_growth"] = seconds[GROWTH[1]] / seconds[GROWTH[0]]
