"""Wrist poses -> joints of both arms: speed, accuracy, limits and steadiness beside the peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import ours, timing
from benchmarks.hand_limits import GROWTH, SIZES
from benchmarks.peers import missing
from benchmarks.peers.arm_peer import POSITION_TOLERANCE, ROTATION_TOLERANCE
from benchmarks.report import Report
from benchmarks.targets import Targets
from retarget import ArmIK
from retarget.core.geometry import rotation_angle
from retarget.core.types import BoolArray, FloatArray

_PEER_STEP = 8  # every so many episodes for the slow ones
_BEYOND = 1e-12  # a joint further out violates its limit [rad]


def to_joints(report: Report, targets: Targets, say: Callable[[str], None]) -> None:
    """The table of arm solvers, with the figures of the bounds."""
    part = targets.every(_PEER_STEP)
    judge = _Judge(targets)
    rows, speeds, reached = _peers(report, part, judge, say)
    same = {
        "position_tolerance": POSITION_TOLERANCE,
        "rotation_tolerance": ROTATION_TOLERANCE,
        "accuracy": POSITION_TOLERANCE,
        "lean": False,
        "starts": 1,
    }
    single = {**same, "dtype": "float32"}
    kinds: list[tuple[str, str, dict[str, Any], Targets]] = [
        ("retarget, the peers' targets", "part", {}, part),
        ("retarget, default", "default", {}, targets),
        ("retarget, the peers' tolerances, float32", "same", single, targets),
        ("retarget, the peers' tolerances, float64", "double", same, targets),
        ("retarget, float32", "single", {"dtype": "float32"}, targets),
    ]
    for name, key, settings, which in kinds:
        arms = ours.arms(targets.robot, **settings)
        if arms is None:
            report.notes.append(f"{name}, arms: this version has no such setting.")
            continue
        say(name)
        T = which.T_world_wrist
        spent = timing.measure(lambda arms=arms, T=T: arms.track(T))
        q = np.stack(arms.track(T), axis=2)
        cells, figures = judge.cells(q, which.T_base_wrist)
        rows.append(_row(name, which.frames, spent, cells))
        speeds[key] = which.frames / spent.median
        if key == "part":
            missed = reached & ~judge.within(q, part.T_base_wrist)
            report.figures["arm_missed"] = float(missed.sum())
        if key in ("default", "same"):
            within, beyond = report.figures.get("arm_within", 100.0), figures[1]
            report.figures["arm_within"] = min(within, figures[0])
            report.figures["arm_violations"] = report.figures.get("arm_violations", 0.0) + beyond
    arms = ours.Arms(targets.robot)
    T = targets.T_world_wrist.reshape(-1, 2, 4, 4)
    say("retarget, independent frames")
    spent = timing.measure(lambda: arms.solve(T))
    cells, _ = judge.cells(arms.solve(T)[:, None], targets.T_base_wrist.reshape(-1, 1, 2, 4, 4))
    rows.append(_row("retarget, independent frames", len(T), spent, cells))
    report.table(
        "Wrist poses -> arm joints, frames/s of both arms",
        ("solver", "frames/s", "spread", "within 1 mm, 1 deg", "median / p99 / max mm",
         "beyond a limit", "largest step rad"),
        rows,
        f"Targets: {targets.source}; the peers on every {_PEER_STEP}th. Every episode starts at "
        "the posture, every frame at the last one's joints. Peers iterate until both arms are "
        "within 0.1 mm and 0.1 degree (or make no progress for 10 iterations), and so does this "
        "library at 'the peers' tolerances', with one further start where the first fails; by "
        "default it goes on to 1e-12 m and leads the seventh joint to the posture. pink and mink: "
        "a posture task, limits, damping and time step as in their examples; 'tuned': full "
        "Gauss-Newton steps on the frame tasks alone. Poses are those of Pinocchio for the joints "
        "found. Largest step: of a joint from one frame to the next.",
    )  # fmt: skip
    for peer in ("pink", "mink"):
        if peer in speeds and "same" in speeds:
            report.figures[f"arm_over_{peer}"] = speeds["same"] / speeds[peer]


class _Judge:
    """Measures joints by Pinocchio's forward kinematics and the robot's limits."""

    def __init__(self, targets: Targets) -> None:
        from benchmarks.peers.pinocchio_arms import PinocchioArms

        robot = targets.robot
        self._arms = PinocchioArms(robot)
        rows = np.stack([robot.indices(hand.arm_joints) for hand in robot.sides])
        self._lower, self._upper = robot.lower[rows], robot.upper[rows]

    def errors(self, q: FloatArray, T_base_wrist: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Position [m] and rotation error [rad] of each arm in each frame."""
        found = self._arms.forward(q)
        position = np.linalg.norm(found[..., :3, 3] - T_base_wrist[..., :3, 3], axis=-1)
        return position, rotation_angle(found[..., :3, :3], T_base_wrist[..., :3, :3])

    def within(self, q: FloatArray, T_base_wrist: FloatArray) -> BoolArray:
        """Which arms are within 1 mm and 1 degree in which frame."""
        position, rotation = self.errors(q, T_base_wrist)
        return np.asarray((position <= 1e-3) & (rotation <= np.radians(1.0)))

    def cells(
        self, q: FloatArray, T_base_wrist: FloatArray
    ) -> tuple[tuple[str, ...], tuple[float, float]]:
        """Cells of the table; share of arms' frames within 1 mm and 1 degree, and violations."""
        position, _ = self.errors(q, T_base_wrist)
        within = 100 * float(self.within(q, T_base_wrist).mean())
        beyond = int(((q < self._lower - _BEYOND) | (q > self._upper + _BEYOND)).sum())
        mm = 1e3 * position
        steps = np.abs(np.diff(q, axis=1)) if q.shape[1] > 1 else None
        cells = (
            f"{within:.2f} %",
            f"{np.median(mm):.1e} / {np.percentile(mm, 99):.1e} / {mm.max():.1f}",
            f"{beyond}",
            "-" if steps is None else f"{steps.max():.2f}",
        )
        return cells, (within, float(beyond))


def _row(name: str, frames: int, spent: timing.Timing, cells: tuple[str, ...]) -> tuple[str, ...]:
    return (name, f"{frames / spent.median:,.0f}", f"{100 * spent.spread:.0f} %", *cells)


def _peers(
    report: Report, part: Targets, judge: _Judge, say: Callable[[str], None]
) -> tuple[list[tuple[str, ...]], dict[str, float], BoolArray]:
    """Rows of the peers, speed of each with its faster solver, and what any of them reaches."""
    from benchmarks.peers.clik_arms import ClikArms
    from benchmarks.peers.scipy_arms import ScipyArms

    robot = part.robot
    makers: list[tuple[str, Callable[[], Any]]] = []
    for peer, modules in (("pink", ("pink",)), ("mink", ("mink", "mujoco"))):
        gone = missing(*modules)
        if gone:
            report.notes.append(f"{peer} is left out: {gone}.")
            continue
        if peer == "pink":
            from benchmarks.peers.pink_arms import PinkArms as Arms
        else:
            from benchmarks.peers.mink_arms import MinkArms as Arms  # type: ignore[assignment]
        for solver, module in (("daqp", "daqp"), ("proxqp", "proxsuite")):
            gone = missing(module)
            if gone:
                report.notes.append(f"{peer} with {solver} is left out: {gone}.")
                continue
            makers.append((peer, lambda a=Arms, s=solver: a(robot, s)))
            if solver == "daqp":
                makers.append((f"{peer} tuned", lambda a=Arms, s=solver: a(robot, s, tuned=True)))
    makers += [("clik", lambda: ClikArms(robot)), ("scipy", lambda: ScipyArms(robot))]
    rows: list[tuple[str, ...]] = []
    speeds: dict[str, float] = {}
    reached = np.zeros(part.T_base_wrist.shape[:-2], dtype=np.bool_)
    for peer, make in makers:
        solver = make()
        say(solver.name)
        T = part.T_base_wrist
        q = solver.track(T)
        spent = timing.measure(lambda s=solver, T=T: s.track(T), warm_up=False)
        rows.append(_row(solver.name, part.frames, spent, judge.cells(q, T)[0]))
        reached |= judge.within(q, T)
        speeds[peer] = max(speeds.get(peer, 0.0), part.frames / spent.median)
    return rows, speeds, reached


def scaling(report: Report, targets: Targets, say: Callable[[str], None]) -> None:
    """Poses a second of one arm by batch size and threads, independent and in sequences."""
    columns: list[tuple[str, dict[str, Any]]] = [("default threads", {})]
    if ours.supports(ArmIK, threads=1):
        threads = [1] if ours.CORES == 1 else [1, 2]
        columns += [(f"threads={n}", {"threads": n}) for n in threads]
    T = targets.T_world_wrist[:, :, 1]
    steps = T.shape[1]
    T = np.tile(T, (-(-SIZES[-1] // (len(T) * steps)), 1, 1, 1))
    flat = T.reshape(-1, 4, 4)
    rows = [[f"{size:,}"] for size in SIZES]
    seconds: dict[int, float] = {}
    for name, settings in columns:
        arm = ArmIK(targets.robot, "right", **settings)
        for row, size in zip(rows, SIZES, strict=True):
            say(f"arm, {name}, batch {size}")
            spent = timing.measure(lambda a=arm, n=size: a.solve(flat[:n]))
            row.append(f"{size / spent.median:,.0f}")
            episodes = T[: max(1, size // steps), : min(size, steps)]
            along = timing.measure(lambda a=arm, e=episodes: a.solve_trajectory(e, q0=a.posture))
            row.append(f"{episodes.shape[0] * episodes.shape[1] / along.median:,.0f}")
            if not settings:
                seconds[size] = spent.median
    names = [f"{kind}, {name}" for name, _ in columns for kind in ("poses", "episodes")]
    report.table(
        "One arm, frames/s by batch size",
        ("batch", *names),
        rows,
        f"Poses: independent ones. Episodes: of {steps} frames, side by side, each frame from the "
        "one before.",
    )
    report.figures["arm_growth"] = seconds[GROWTH[1]] / seconds[GROWTH[0]]
