"""A controller under random, adversarial and faulty actions, judged from the outside.

python tests/helpers/controller_fuzz.py [--steps 1000000] [--seed 0] [--collisions]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retarget import Retargeter
from retarget.actions import unpack
from retarget.control.action_feed import standing
from retarget.control.command import NO_ACTION, NOT_USABLE, Command
from retarget.control.controller import Controller
from retarget.control.run_loop import LimitCheck
from retarget.core.geometry import rot6d_from_rotation, rotation_from_rotvec
from retarget.core.types import Status
from retarget.robot.joint_limits import JointLimits

HORIZON = 30
EPISODE = 2_000  # steps after which the controller begins anew
STAY = 40  # steps of one kind of action, on average
_BLOCK = 500

Array = NDArray[np.float64]


@dataclass
class Findings:
    """What was counted from the outside.

    Attributes:
        steps: commands given.
        checks: one of each episode.
        not_reported: sides and steps without input whose command reports no hold.
        not_true: sides and steps with input whose command reports that there is none.
        holds: sides and steps held, by reason.
        phases: sides and steps by phase.
        kinds: steps by kind of action.
    """

    steps: int = 0
    checks: list[LimitCheck] = field(default_factory=list)
    not_reported: int = 0
    not_true: int = 0
    holds: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def total(self, name: str) -> int:
        """A count of the limit checks, over all episodes."""
        return sum(getattr(check, name) for check in self.checks)

    @property
    def faults(self) -> dict[str, int]:
        """Everything that must be zero."""
        counts = {n: self.total(n) for n in ("position", "velocity", "acceleration", "not_finite")}
        return {**counts, "not_reported": self.not_reported, "not_true": self.not_true}


class Oracle:
    """Which hands have input in a step, from what was said: knows no ensembler."""

    def __init__(self) -> None:
        self.said: dict[int, NDArray[np.bool_]] = {}  # step seen -> (L, 2) usable rows
        self.newest = -(10**9)

    def hear(self, action: Any, seen: int, now: int, camera_sound: bool) -> None:
        """What was said in step ``now`` about the step ``seen``."""
        if action is None or not camera_sound or seen > now or not isinstance(action, np.ndarray):
            return
        rows = action[None] if action.ndim == 1 else action
        if rows.ndim != 2 or rows.shape[1] != 48 or not 1 <= len(rows) <= HORIZON:
            return
        if seen + len(rows) <= now - 1 or seen <= self.newest - HORIZON:
            return
        with np.errstate(all="ignore"):
            chunk = unpack(rows)
        usable = chunk.status == Status.OK
        for numbers in (chunk.translation, chunk.pca):
            usable = usable & (np.abs(numbers) <= 1e6).all(axis=-1)
        self.said[seen] = usable
        self.newest = max(self.newest, seen)
        for old in [step for step in self.said if step <= self.newest - HORIZON]:
            del self.said[old]

    def has_input(self, now: int) -> NDArray[np.bool_]:
        """(2,) whether some chunk speaks about the step after this one."""
        found = np.zeros(2, dtype=np.bool_)
        for seen, usable in self.said.items():
            if 0 <= now - seen < len(usable):
                found |= usable[now - seen]
        return found


class Mischief:
    """Makes actions that no policy should make."""

    def __init__(self, retargeter: Retargeter, rng: np.random.Generator) -> None:
        self.rng = rng
        robot = retargeter.robot
        self.wrists = retargeter.fitter.fit(*robot.forward(standing(robot))[::-1]).T_world_mano
        self.sigma = np.stack([hand.sigma[:15] for hand in retargeter.fitter.hands])
        self.kind, self.left = "", 0
        self.base = np.zeros(48)
        self.flip = 0

    def poses(self, rows: int, spread: float, turn: float, fingers: float) -> Array:
        """Sound vectors (rows, 48) in the world frame around the posture."""
        rng = self.rng
        position = self.wrists[:, :3, 3] + rng.normal(0.0, spread, (rows, 2, 3))
        turns = rotation_from_rotvec(rng.normal(0.0, turn, (rows, 2, 3)))
        rotation = turns @ self.wrists[:, :3, :3]
        pca = fingers * self.sigma * rng.normal(size=(rows, 2, 15))
        return np.concatenate(
            [part.reshape(rows, -1) for part in (position, pca, rot6d_from_rotation(rotation))],
            axis=1,
        )

    def next(self) -> tuple[Any, int, Any]:
        """An action, how many steps ago it was seen, and the camera's pose."""
        rng = self.rng
        if self.left <= 0:
            self.kind = str(rng.choice(KINDS))
            self.left = int(rng.geometric(1.0 / STAY))
            self.base = self.poses(1, 0.15, 0.4, 1.0)[0]
        self.left -= 1
        rows = int(rng.integers(1, HORIZON + 1)) if rng.random() < 0.3 else HORIZON
        return self._make(rows)

    def _make(self, rows: int) -> tuple[Any, int, Any]:
        rng, kind = self.rng, self.kind
        if kind == "still":
            return np.tile(self.base, (rows, 1)), 0, None
        if kind == "jitter":
            return self.base + 0.01 * rng.normal(size=(rows, 48)), 0, None
        if kind == "walk":
            self.base[:6] += rng.normal(0.0, 0.01, 6)
            return np.tile(self.base, (rows, 1)), 0, None
        if kind == "teleport":
            return self.poses(rows, 0.3, 1.0, 2.0), 0, None
        if kind == "resonance":  # ends of the range in turn, at every period there is
            self.flip += 1
            sign = 1.0 if (self.flip // int(rng.integers(1, 12))) % 2 else -1.0
            row = self.base.copy()
            row[:6] += 0.4 * sign
            row[6:36] = 4.0 * sign * self.sigma.ravel()
            return row, 0, None
        if kind == "far":
            return self.poses(rows, 10.0 ** rng.uniform(-1.0, 7.0), 3.0, 5.0), 0, None
        if kind == "huge":
            return rng.uniform(-1.0, 1.0, (rows, 48)) * 10.0 ** rng.uniform(0.0, 308.0), 0, None
        if kind == "not finite":
            chunk = self.poses(rows, 0.1, 0.3, 1.0)
            spots = rng.random((rows, 48)) < 10.0 ** rng.uniform(-3.0, 0.0)
            chunk[spots] = rng.choice([np.nan, np.inf, -np.inf])
            return chunk, 0, None
        if kind == "degenerate":
            chunk = self.poses(rows, 0.1, 0.3, 1.0)
            columns = chunk[:, 36:].reshape(rows, 2, 2, 3)
            hand = int(rng.integers(2))
            columns[:, hand, 1] = columns[:, hand, 0] * rng.choice([0.0, 1.0, -2.0, 1e-200])
            return chunk, 0, None
        if kind == "one hand":
            chunk = self.poses(rows, 0.05, 0.2, 1.0)
            chunk[:, :3] = np.nan
            return chunk, 0, None
        if kind == "late":
            return np.tile(self.base, (rows, 1)), int(rng.integers(-3, 40)), None
        if kind == "lost":
            return (None if rng.random() < 0.7 else np.tile(self.base, (rows, 1))), 0, None
        if kind == "silent":
            return None, 0, None
        if kind == "malformed":
            shapes = ((0, 48), (3, 47), (48, 2), (2, 3, 48), (31, 48), ())
            wrong = [np.ones(shape) for shape in shapes] + ["nonsense", [[1.0], [2.0, 3.0]]]
            return wrong[int(rng.integers(len(wrong)))], 0, None
        camera = np.eye(4)  # "camera"
        camera[:3, :3] = rotation_from_rotvec(rng.normal(size=3))
        if rng.random() < 0.5:
            camera = camera * rng.choice([np.nan, 2.0, -1.0, 1e300])
        return self.poses(rows, 0.2, 0.3, 1.0), 0, camera


KINDS = (
    "still", "jitter", "walk", "teleport", "resonance", "far", "huge", "not finite", "degenerate",
    "one hand", "late", "lost", "silent", "malformed", "camera",
)  # fmt: skip


def fuzz(
    steps: int, seed: int, *, retargeter: Retargeter | None = None, **settings: Any
) -> Findings:
    """Give a controller that many steps of mischief.

    Args:
        steps: how many.
        seed: of everything random.
        retargeter: whose controller; the default robot's where None.
        **settings: of the controller.
    """
    rt = retargeter or Retargeter()
    rng = np.random.default_rng(seed)
    found = Findings()
    episode = 0
    while found.steps < steps:
        chosen = {
            "hand_velocity": (None, 2.0)[episode % 2],
            "filter": ("none", "one_euro", "critical")[episode % 3],
            "after_timeout": ("stay", "posture")[episode // 2 % 2],
            "rate": (30.0, 15.0, 50.0)[episode // 3 % 3],
            **settings,
        }
        controller = Controller(rt, camera=None, **chosen)
        limits = JointLimits.of(rt.robot, hand_velocity=chosen["hand_velocity"])
        _episode(rt, controller, limits, min(EPISODE, steps - found.steps), rng, found)
        episode += 1
    return found


def _episode(
    rt: Retargeter,
    controller: Controller,
    limits: JointLimits,
    steps: int,
    rng: np.random.Generator,
    found: Findings,
) -> None:
    robot, mischief, oracle = rt.robot, Mischief(rt, rng), Oracle()
    start = rng.uniform(robot.lower, robot.upper)
    state = standing(robot, start)
    check = LimitCheck(limits, controller.settings.rate, state)
    rows: list[Array] = []
    for now in range(steps):
        action, ago, camera = (None, 0, None) if now == 0 else mischief.next()
        measured: Any = state
        if now and rng.random() < 0.02:
            measured = _wrong_measurement(state, rng)
        sound = camera is None or bool(np.isfinite(camera).all() and abs(camera[0, 0]) <= 1.0)
        sound = sound and (camera is None or abs(np.linalg.det(camera[:3, :3]) - 1.0) < 1e-6)
        command = controller.step(action, measured, step=now - ago, T_world_camera=camera)
        if now:
            oracle.hear(action, now - ago, now, sound)
        lost = not isinstance(measured, np.ndarray) or measured.shape != state.shape
        lost = lost or not np.isfinite(measured).all()
        _judge(command, np.zeros(2, bool) if lost else oracle.has_input(now), found, lost)
        found.kinds[mischief.kind] += 1
        state = command.qpos
        rows.append(state)
        if len(rows) == _BLOCK or now == steps - 1:
            check.add(np.array(rows))
            rows.clear()
    found.steps += steps
    found.checks.append(check)


def _judge(command: Command, has_input: NDArray[np.bool_], found: Findings, lost: bool) -> None:
    for hold, phase, there in zip(command.holds, command.phases, has_input, strict=True):
        found.phases[phase.label] += 1
        if hold is not None:
            found.holds[hold.reason] += 1
        found.not_reported += int(not there and hold is None)
        said_none = hold is not None and hold.reason in (NO_ACTION, NOT_USABLE)
        found.not_true += int(bool(there) and said_none and not lost)


def _wrong_measurement(state: Array, rng: np.random.Generator) -> Any:
    spoilt = state.copy()
    spoilt[int(rng.integers(len(state)))] = rng.choice([np.nan, np.inf])
    wrong = (spoilt, state[:-1], "nonsense", None, np.full(len(state), np.nan))
    return wrong[int(rng.integers(len(wrong)))]


def main() -> int:
    """Run it and say what was found; 1 where something must not be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--collisions", action="store_true", help="watch them, margin 10 mm")
    options = parser.parse_args()
    began = time.perf_counter()
    settings = {"collision_margin": 0.01} if options.collisions else {}
    found = fuzz(options.steps, options.seed, **settings)
    print(f"{found.steps} steps, seed {options.seed}, {time.perf_counter() - began:.0f} s")
    print("must be 0:", found.faults)
    share = max(check.velocity_share for check in found.checks)
    push = max(check.acceleration_share for check in found.checks)
    print(f"largest velocity {share:.12f}, acceleration {push:.12f} of the limit")
    print("holds:", dict(found.holds), "phases:", dict(found.phases))
    return 1 if any(found.faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
