"""Wrist poses -> joints of both arms: speed, accuracy, limits and steadiness beside the peers.

python -m benchmarks.arm [--check] [--json OUT]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.peers import missing
from benchmarks.peers.arm_peer import POSITION_TOLERANCE, ROTATION_TOLERANCE
from benchmarks.targets import Targets
from retarget import ArmIK, Robot
from retarget.core.geometry import rotation_angle
from retarget.core.types import SIDES, BoolArray, FloatArray

_PEER_STEP = 8  # every so many episodes for the slow ones
_BEYOND = 1e-12  # a joint further out violates its limit [rad]

Row = tuple[Any, ...]


def arms(bench: Bench) -> None:
    """The tables of the arms, with the figures of the bounds."""
    _beside_peers(bench)
    _scaling(bench)


class _Arms:
    """`ArmIK` of both arms."""

    def __init__(self, robot: Robot, **settings: Any) -> None:
        self._arms = [ArmIK(robot, side, **settings) for side in SIDES]

    def track(self, T_world_wrist: FloatArray) -> list[FloatArray]:
        """Each arm's joints (E, S, 7) [rad] of episodes (E, S, 2, 4, 4) [m], from its posture."""
        return [
            arm.solve_trajectory(T_world_wrist[:, :, k], q0=arm.posture).q
            for k, arm in enumerate(self._arms)
        ]

    def solve(self, T_world_wrist: FloatArray) -> list[FloatArray]:
        """Each arm's joints (N, 7) [rad] of independent poses (N, 2, 4, 4) [m]."""
        return [arm.solve(T_world_wrist[:, k]).q for k, arm in enumerate(self._arms)]


def _beside_peers(bench: Bench) -> None:
    targets, figures = bench.targets, bench.report.figures
    part = targets.every(_PEER_STEP)
    judge = _Judge(targets)
    rows, speeds, reached = _peers(bench, part, judge)
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
    figures["arm_within"], figures["arm_violations"] = 100.0, 0.0
    for name, key, settings, which in kinds:
        bench.say(name)
        both, T = _Arms(bench.robot, **settings), which.T_world_wrist
        spent = timing.measure(lambda both=both, T=T: both.track(T))
        q = np.stack(both.track(T), axis=2)
        speeds[key] = which.frames / spent.median
        rows.append((name, speeds[key], spent.spread, *judge.cells(q, which.T_base_wrist)))
        if key == "part":
            figures["arm_missed"] = int((reached & ~judge.within(q, part.T_base_wrist)).sum())
        if key in ("default", "same"):
            share = 100 * float(judge.within(q, which.T_base_wrist).mean())
            figures["arm_within"] = min(figures["arm_within"], share)
            figures["arm_violations"] += judge.beyond(q)
    bench.say("retarget, independent frames")
    both, T = _Arms(bench.robot), targets.T_world_wrist.reshape(-1, 2, 4, 4)
    spent = timing.measure(lambda: both.solve(T))
    q = np.stack(both.solve(T), axis=1)[:, None]
    cells = judge.cells(q, targets.T_base_wrist.reshape(-1, 1, 2, 4, 4))
    rows.append(("retarget, independent frames", len(T) / spent.median, spent.spread, *cells))
    bench.report.table(
        "Wrist poses -> arm joints, frames/s of both arms",
        {"solver": "{}", "frames/s": "{:,.0f}", "spread": "{:.0f} %",
         "within 1 mm, 1 deg": "{:.2f} %", "median / p99 / max mm": "{:.1e} / {:.1e} / {:.1f}",
         "beyond a limit": "{}", "largest step rad": "{:.2f}"},
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
        if peer in speeds:
            figures[f"arm_over_{peer}"] = speeds["same"] / speeds[peer]
    if "pink" in speeds:
        figures["arm_default_over_pink"] = speeds["default"] / speeds["pink"]
    tuned = [speed for peer, speed in speeds.items() if "tuned" in peer]
    if tuned:
        figures["arm_over_tuned"] = speeds["same"] / max(tuned)


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

    def beyond(self, q: FloatArray) -> int:
        """How many joints are beyond a limit."""
        return int(((q < self._lower - _BEYOND) | (q > self._upper + _BEYOND)).sum())

    def cells(self, q: FloatArray, T_base_wrist: FloatArray) -> Row:
        """Cells of the table, from the share within 1 mm and 1 degree [%] on."""
        mm = 1e3 * self.errors(q, T_base_wrist)[0]
        share = 100 * float(self.within(q, T_base_wrist).mean())
        step = float(np.abs(np.diff(q, axis=1)).max()) if q.shape[1] > 1 else None
        errors = (np.median(mm), np.percentile(mm, 99), mm.max())
        return share, errors, self.beyond(q), step


def _peers(
    bench: Bench, part: Targets, judge: _Judge
) -> tuple[list[Row], dict[str, float], BoolArray]:
    """Rows of the peers, speed of each with its faster solver, and what any of them reaches."""
    from benchmarks.peers.clik_arms import ClikArms
    from benchmarks.peers.scipy_arms import ScipyArms

    robot = part.robot
    makers: list[tuple[str, Callable[[], Any]]] = []
    for peer, modules in (("pink", ("pink",)), ("mink", ("mink", "mujoco"))):
        gone = missing(*modules)
        if gone:
            bench.report.notes.append(f"{peer} is left out: {gone}.")
            continue
        if peer == "pink":
            from benchmarks.peers.pink_arms import PinkArms as Arms
        else:
            from benchmarks.peers.mink_arms import MinkArms as Arms  # type: ignore[assignment]
        for solver, module in (("daqp", "daqp"), ("proxqp", "proxsuite")):
            gone = missing(module)
            if gone:
                bench.report.notes.append(f"{peer} with {solver} is left out: {gone}.")
                continue
            makers.append((peer, lambda a=Arms, s=solver: a(robot, s)))
            if solver == "daqp":
                makers.append((f"{peer} tuned", lambda a=Arms, s=solver: a(robot, s, tuned=True)))
    makers += [("clik", lambda: ClikArms(robot)), ("scipy", lambda: ScipyArms(robot))]
    rows: list[Row] = []
    speeds: dict[str, float] = {}
    reached = np.zeros(part.T_base_wrist.shape[:-2], dtype=np.bool_)
    for peer, make in makers:
        solver = make()
        bench.say(solver.name)
        T = part.T_base_wrist
        q = solver.track(T)
        spent = timing.measure(lambda s=solver, T=T: s.track(T), warm_up=False)
        speed = part.frames / spent.median
        rows.append((solver.name, speed, spent.spread, *judge.cells(q, T)))
        reached |= judge.within(q, T)
        speeds[peer] = max(speeds.get(peer, 0.0), speed)
    return rows, speeds, reached


def _scaling(bench: Bench) -> None:
    """Poses a second of one arm by batch size and threads, independent and in sequences."""
    columns: dict[str, dict[str, Any]] = {
        "default threads": {},
        **{f"threads={n}": {"threads": n} for n in timing.THREADS},
    }
    T = bench.targets.T_world_wrist[:, :, 1]
    steps = T.shape[1]
    T = np.resize(T, (-(-timing.SIZES[-1] // steps), *T.shape[1:]))
    flat = T.reshape(-1, 4, 4)
    rates: dict[str, list[float]] = {}

    def episodes(size: int) -> FloatArray:
        return T[: max(1, size // steps), : min(size, steps)]

    for name, settings in columns.items():
        bench.say(f"arm by batch size, {name}")
        arm = ArmIK(bench.robot, "right", **settings)
        rates[f"poses, {name}"] = timing.rates(
            lambda size, a=arm: lambda: a.solve(flat[:size]),
        )
        rates[f"episodes, {name}"] = timing.rates(
            lambda size, a=arm: lambda: a.solve_trajectory(episodes(size), q0=a.posture),
            lambda size: episodes(size)[..., 0, 0].size,
        )
    bench.report.table(
        "One arm, frames/s by batch size",
        {"batch": "{:,}", **dict.fromkeys(rates, "{:,.0f}")},
        list(zip(timing.SIZES, *rates.values(), strict=True)),
        f"Poses: independent ones. Episodes: of {steps} frames, side by side, each frame from the "
        "one before.",
    )
    bench.report.figures["arm_growth"] = timing.growth(rates["poses, default threads"])


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"arm": arms}))
