"""Single frames, warm, called from Python: what a control loop waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import ours, timing
from benchmarks.peers import missing
from benchmarks.report import Report
from benchmarks.targets import Targets
from retarget import ArmIK

_CALLS = 3_000
_PATIENCE = 3.0  # [s] a row


def single_frames(report: Report, targets: Targets, say: Callable[[str], None]) -> None:
    """The table of latencies, with the figures of the bounds."""
    rows: list[tuple[str, ...]] = []

    def row(name: str, call: Callable[[Any], Any], inputs: list[Any], figure: str = "") -> None:
        say(name)
        first = timing.latencies(call, inputs[:20])
        calls = int(min(len(inputs), max(20, _PATIENCE / first[len(first) // 2])))
        spent = 1e6 * np.array(timing.latencies(call, inputs[:calls]))
        rows.append((name, f"{np.median(spent):,.1f}", f"{np.percentile(spent, 99):,.1f}"))
        if figure:
            report.figures[figure] = float(np.median(spent))

    _hands(targets, row)
    _arms(targets, row)
    _networks(report, targets, row)
    report.table(
        "One frame, microseconds a call",
        ("call", "median", "p99"),
        rows,
        "Successive recorded frames, one call each.",
    )


def _hands(targets: Targets, row: Callable[..., None]) -> None:
    fits: list[tuple[str, dict[str, Any], str]] = [
        ("MANOFitter().fit_hand, one hand", {}, "fit_latency"),
        ("the same, float32", {"dtype": "float32"}, ""),
        ("the same, 6 components", {"components": 6}, ""),
    ]
    for name, settings, figure in fits:
        fitter = ours.fitter(targets.robot, **settings)
        if fitter is not None:
            human = list(fitter.frames[1].human_from_robot(targets.tips(1))[:_CALLS])
            row(name, lambda tips, f=fitter: f.fit_hand(1, tips), human, figure)
    fitter = ours.fitter(targets.robot)
    if fitter is not None:
        both = targets.fingertips.reshape(-1, 2, 5, 3)[:_CALLS]
        wrists = np.broadcast_to(np.eye(4), (2, 4, 4))
        row("MANOFitter().fit, both hands", lambda tips: fitter.fit(tips, wrists), list(both))


def _arms(targets: Targets, row: Callable[..., None]) -> None:
    T = list(targets.T_world_wrist[:, :, 1].reshape(-1, 4, 4)[:_CALLS])
    kinds: list[tuple[str, dict[str, Any], str]] = [
        ("ArmIK().solve(T, q0), one arm, from the last frame", {}, "arm_latency"),
        ("the same, float32", {"dtype": "float32"}, ""),
    ]
    for name, settings, figure in kinds:
        if not ours.supports(ArmIK, **settings):
            continue
        arm = ArmIK(targets.robot, "right", **settings)
        last = [arm.posture]

        def solve(pose: Any, arm: ArmIK = arm, last: list[Any] = last) -> None:
            last[0] = arm.solve(pose, q0=last[0]).q

        row(name, solve, T, figure)


def _networks(report: Report, targets: Targets, row: Callable[..., None]) -> None:
    mlp = ours.hand_networks(targets.robot)
    both = targets.fingertips.reshape(-1, 2, 5, 3)[:_CALLS]
    pca = mlp.fitter.fit(both, np.broadcast_to(np.eye(4), (len(both), 2, 4, 4))).pca
    tips = mlp.fitter.fingertips(pca)
    row("HandMLP.joints(pca), both hands", mlp.joints, list(pca), "mlp_latency")
    row("HandMLP.joints_from_fingertips, both hands", mlp.joints_from_fingertips, list(tips))
    row("HandMLP.joints(pca, refine=1)", lambda c: mlp.joints(c, refine=1), list(pca))
    gone = missing("torch")
    if gone:
        report.notes.append(f"The torch network is left out: {gone}.")
        return
    import torch

    from benchmarks.peers.torch_mlp import torch_network

    torch.set_num_threads(1)  # the fastest for a single frame
    network = torch_network(mlp.network)
    inputs = [torch.as_tensor(t.reshape(2, 1, 15)).float() for t in tips]
    row("the same networks in plain torch, from fingertips", network, inputs)
