"""Single frames, warm, called from Python: what a control loop waits for.

python -m benchmarks.latency [--check] [--json OUT]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.peers import missing
from retarget import ArmIK, HandMLP, MANOFitter

_CALLS = 3_000
_PATIENCE = 3.0  # [s] a row


def single_frames(bench: Bench) -> None:
    """The table of latencies, with the figures of the bounds."""
    rows: list[tuple[Any, ...]] = []

    def row(name: str, call: Callable[[Any], Any], inputs: list[Any], figure: str = "") -> None:
        bench.say(name)
        first = np.median(timing.clocked(call, inputs[:20]))
        calls = int(min(len(inputs), max(20, _PATIENCE / first)))
        spent, unit = timing.beside(call, inputs[:calls], bench.fk)
        ratio = float(np.median(spent / unit))
        rows.append((name, 1e6 * np.median(spent), 1e6 * np.percentile(spent, 99), ratio))
        if figure:
            bench.report.figures[figure] = ratio

    row("one FK call", lambda _: bench.fk.loop(1), [None] * _CALLS)
    _hands(bench, row)
    _arms(bench, row)
    _networks(bench, row)
    bench.report.table(
        "One frame, microseconds a call",
        {"call": "{}", "median": "{:,.1f}", "p99": "{:,.1f}", "median, FK calls": "{:,.2f}"},
        rows,
        "Successive recorded frames, one call each. An FK call: pinocchio.forwardKinematics and "
        "updateFramePlacements of the whole robot, in turns with the calls of every row.",
    )


def _hands(bench: Bench, row: Callable[..., None]) -> None:
    fits: list[tuple[str, dict[str, Any], str]] = [
        ("MANOFitter().fit_hand, one hand", {}, "fit_latency"),
        ("the same, float32", {"dtype": "float32"}, ""),
        ("the same, 6 components", {"components": 6}, ""),
    ]
    for name, settings, figure in fits:
        fitter = MANOFitter(bench.robot, **settings)
        human = list(fitter.frames[1].human_from_robot(bench.targets.tips(1))[:_CALLS])
        row(name, lambda tips, f=fitter: f.fit_hand(1, tips), human, figure)
    fitter = MANOFitter(bench.robot)
    wrists = np.broadcast_to(np.eye(4), (2, 4, 4))
    both = list(bench.targets.both[:_CALLS])
    row("MANOFitter().fit, both hands", lambda tips: fitter.fit(tips, wrists), both)


def _arms(bench: Bench, row: Callable[..., None]) -> None:
    T = list(bench.targets.T_world_wrist[:, :, 1].reshape(-1, 4, 4)[:_CALLS])
    for name, dtype, figure in (
        ("ArmIK().solve(T, q0), one arm, from the last frame", "float64", "arm_latency"),
        ("the same, float32", "float32", ""),
    ):
        arm = ArmIK(bench.robot, "right", dtype=dtype)
        last = [arm.posture]

        def solve(pose: Any, arm: ArmIK = arm, last: list[Any] = last) -> None:
            last[0] = arm.solve(pose, q0=last[0]).q

        row(name, solve, T, figure)


def _networks(bench: Bench, row: Callable[..., None]) -> None:
    mlp = HandMLP.load(fitter=MANOFitter(bench.robot))
    both = bench.targets.both[:_CALLS]
    pca = mlp.fitter.fit(both, np.broadcast_to(np.eye(4), (len(both), 2, 4, 4))).pca
    tips = mlp.fitter.fingertips(pca)
    row("HandMLP.joints(pca), both hands", mlp.joints, list(pca), "mlp_latency")
    row("HandMLP.joints_from_fingertips, both hands", mlp.joints_from_fingertips, list(tips))
    row("HandMLP.joints(pca, refine=1)", lambda c: mlp.joints(c, refine=1), list(pca))
    gone = missing("torch")
    if gone:
        bench.report.notes.append(f"The torch network is left out: {gone}.")
        return
    import torch

    from benchmarks.peers.torch_mlp import torch_network

    torch.set_num_threads(1)  # the fastest for a single frame
    network = torch_network(mlp.network)
    inputs = [torch.as_tensor(t.reshape(2, 1, 15)).float() for t in tips]
    row("the same networks in plain torch, from fingertips", network, inputs)


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"latency": single_frames}))
