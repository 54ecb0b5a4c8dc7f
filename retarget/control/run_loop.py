"""A controller fed step by step, in real time or not, and its commands judged from outside."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from retarget.control.command import Command
from retarget.control.faults import Faults, FaultyChannel
from retarget.core.errors import InputError
from retarget.core.types import SIDES, BoolArray, Demo, FloatArray, IntArray
from retarget.robot.joint_limits import JointLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retarget.control.action_feed import ActionFeed
    from retarget.control.controller import Controller
    from retarget.robot.robot import Robot

# what the rounding of positions of a few radians makes of them and of their differences
_POSITION = 1e-12  # [rad]
_DIFFERENCE = 1e-14  # [rad]
_RELATIVE = 1e-9

Watch = Callable[[Command, float], None]
"""Called after every step with its command and the seconds it took."""


class LimitCheck:
    """Watches a sequence of commands, one joint and period at a time.

    Velocities are first differences of positions, accelerations second ones, at the rate of the
    commands. The robot stands still before the first.

    Args:
        limits: of the n joints.
        rate: commands per second [Hz].
        start: (n,) positions before the first command [rad].

    Attributes:
        position: joints and periods beyond a position limit.
        velocity: the same of velocities.
        acceleration: the same of accelerations.
        not_finite: periods whose command has a number that is not finite.
        velocity_share: largest velocity as a share of its limit.
        acceleration_share: the same of accelerations.
    """

    def __init__(self, limits: JointLimits, rate: float, start: ArrayLike) -> None:
        self._limits, self._rate = limits, rate
        first = np.asarray(start, dtype=np.float64)
        if first.shape != (len(limits.names),):
            raise InputError(f"start must have shape ({len(limits.names)},), got {first.shape}")
        self._before = np.stack([first, first])
        self.position = self.velocity = self.acceleration = self.not_finite = 0
        self.velocity_share = self.acceleration_share = 0.0

    @property
    def broken(self) -> int:
        """All that is not as it should be."""
        return self.position + self.velocity + self.acceleration + self.not_finite

    def add(self, qpos: ArrayLike) -> None:
        """See the next commands (T, n) [rad]."""
        rows = np.asarray(qpos, dtype=np.float64)
        if not len(rows):
            return
        limits = self._limits
        self.not_finite += int((~np.isfinite(rows)).any(axis=1).sum())
        beyond = np.maximum(limits.lower - rows, rows - limits.upper)
        self.position += int((beyond > _POSITION).sum())
        whole = np.concatenate([self._before, rows])
        self._before = whole[-2:].copy()
        steps = np.diff(whole, axis=0)
        most, push_most = limits.velocity / self._rate, limits.acceleration / self._rate**2
        way, change = np.abs(steps[1:]), np.abs(np.diff(steps, axis=0))
        self.velocity += int((way > most * (1.0 + _RELATIVE) + _DIFFERENCE).sum())
        self.acceleration += int((change > push_most * (1.0 + _RELATIVE) + _DIFFERENCE).sum())
        speed, push = way / most, change / push_most
        self.velocity_share = max(self.velocity_share, _largest(speed))
        self.acceleration_share = max(self.acceleration_share, _largest(push))


@dataclass(frozen=True)
class HoldRun:
    """One hold of one side.

    Attributes:
        step: its first step.
        steps: how many.
        side: ``"left"`` or ``"right"``.
        why: as the controller reports it.
    """

    step: int
    steps: int
    side: str
    why: str

    @property
    def reason(self) -> str:
        """Side and cause in words."""
        return f"{self.side}: {self.why}"


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        rate: steps per second [Hz].
        states: (T + 1, n) the robot before each step and after the last [rad].
        seconds: (T,) how long each step took.
        lag_m: (T, 2) distance of the commanded wrist to the one wanted [m], NaN where none is.
        lag_rad: (T, 2) largest distance of a joint to its target [rad].
        phases: (T, 2) `Phase` values.
        hand_status: (T, 2) `Status` of the hands.
        arm_status: (T, 2) `Status` of the arms.
        blocked: (T, 2) braked because links came too near to each other.
        distances: (T,) of the nearest links [m]; NaN where not watched.
        holds: every hold.
        check: limits, counted from the states alone.
        dropped: chunks lost on the way.
        spoilt: chunks made not finite on the way.
        late: steps that began later than a tenth of a period after their time; 0 where not in real
            time.
    """

    rate: float
    states: FloatArray
    seconds: FloatArray
    lag_m: FloatArray
    lag_rad: FloatArray
    phases: IntArray
    hand_status: IntArray
    arm_status: IntArray
    blocked: BoolArray
    distances: FloatArray
    holds: tuple[HoldRun, ...]
    check: LimitCheck
    dropped: int = 0
    spoilt: int = 0
    late: int = 0

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.seconds)

    @property
    def sound(self) -> bool:
        """No limit was broken, and every command was finite."""
        return self.check.broken == 0


@dataclass
class _Holds:
    """Puts the holds of single steps together."""

    runs: list[HoldRun] = field(default_factory=list)
    open: list[HoldRun | None] = field(default_factory=lambda: [None] * len(SIDES))

    def add(self, command: Command) -> None:
        for k, side in enumerate(SIDES):
            hold, run = command.holds[k], self.open[k]
            if run is not None and (hold is None or hold.reason != run.why):
                self.runs.append(run)
                run = None
            if hold is not None:
                first, steps = (run.step, run.steps + 1) if run else (command.step, 1)
                run = HoldRun(first, steps, side, hold.reason)
            self.open[k] = run

    def all(self) -> tuple[HoldRun, ...]:
        found = [*self.runs, *(run for run in self.open if run is not None)]
        return tuple(sorted(found, key=lambda run: (run.step, run.side)))


def run_feed(
    controller: Controller,
    feed: ActionFeed,
    *,
    faults: Faults | None = None,
    real_time: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Feed a controller to the end; the robot goes where it is commanded, at once and exactly.

    Args:
        controller: at the feed's rate and camera; it is reset.
        feed: what the policy says.
        faults: what befalls it on the way.
        real_time: a step a period; else as fast as it can.
        watch: called after every step, outside of what is timed.
    """
    controller.reset()
    channel, holds = FaultyChannel(faults or Faults(), feed.rate), _Holds()
    steps, n = feed.steps, len(feed.start)
    states = np.empty((steps + 1, n))
    states[0] = feed.start
    seconds, distances = np.empty(steps), np.full(steps, np.nan)
    lag_m, lag_rad = np.empty((steps, len(SIDES))), np.empty((steps, len(SIDES)))
    phases = np.empty((steps, len(SIDES)), dtype=np.int64)
    hand_status, arm_status = np.empty_like(phases), np.empty_like(phases)
    blocked = np.empty((steps, len(SIDES)), dtype=np.bool_)
    late = 0
    with _without_pauses():
        began = time.perf_counter()
        for k in range(steps):
            if real_time:
                late += _wait_until(began + k / feed.rate, 0.1 / feed.rate)
            arrival = channel.pass_on(feed.chunk(k), k)
            before = time.perf_counter()
            if arrival is None:
                command = controller.step(None, states[k])
            else:
                command = controller.step(arrival.chunk, states[k], step=arrival.step)
            seconds[k] = time.perf_counter() - before
            states[k + 1] = command.qpos
            lag_m[k], lag_rad[k] = command.lag_m, command.lag_rad
            phases[k], blocked[k] = command.phases, command.blocked
            hand_status[k], arm_status[k] = command.hand_status, command.arm_status
            if command.nearest is not None:
                distances[k] = command.nearest.distance
            holds.add(command)
            if watch is not None:
                watch(command, float(seconds[k]))
    check = LimitCheck(controller.limits, feed.rate, states[0])
    check.add(states[1:])
    return Run(
        feed.rate,
        states,
        seconds,
        lag_m,
        lag_rad,
        phases,
        hand_status,
        arm_status,
        blocked,
        distances,
        holds.all(),
        check,
        channel.dropped,
        channel.spoilt,
        late,
    )


def run_demo(robot: Robot, run: Run) -> Demo:
    """A run as a demonstration: its states before every step, and the commands as actions."""
    qpos = run.states[:-1]
    T_world_wrist, fingertips = robot.forward(qpos)
    return Demo(
        qpos=qpos,
        T_world_wrist=T_world_wrist,
        fingertips=fingertips,
        valid=np.ones((len(qpos), len(SIDES)), dtype=np.bool_),
        rate=run.rate,
        action=run.states[1:],
    )


@contextmanager
def _without_pauses() -> Iterator[None]:
    """Spare the garbage collector everything that is there already: it would pause the loop."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _wait_until(moment: float, slack: float) -> bool:
    """Sleep until a moment of the clock; whether it was missed by more than the slack [s]."""
    left = moment - time.perf_counter()
    if left > 0.0:
        time.sleep(left)
        return False
    return -left > slack


def _largest(shares: FloatArray) -> float:
    return float(np.nan_to_num(shares, nan=0.0).max(initial=0.0))
