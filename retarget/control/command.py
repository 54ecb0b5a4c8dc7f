"""What a controller gives out every period: joint targets, hand commands and how things stand."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from retarget.core import _native
from retarget.core.checks import call
from retarget.core.errors import InputError
from retarget.core.types import SIDES, FloatArray, Status
from retarget.robot.self_collision import Nearest

if TYPE_CHECKING:
    from retarget.robot.joint_limits import DrivenJoints
    from retarget.robot.robot import Robot


class Phase(IntEnum):
    """What a side of the robot is doing; the larger, the farther from following the policy."""

    TRACKING = 0
    RETURNING = 1
    STARTING = 2
    HOLDING = 3
    TIMED_OUT = 4

    @property
    def label(self) -> str:
        """Name as it stands in reports, e.g. ``"timed_out"``."""
        return self.name.lower()


class Hold(NamedTuple):
    """Why a side does not follow the policy.

    Attributes:
        reason: one of `REASONS`.
        steps: for how many periods now, this one included.
    """

    reason: str
    steps: int


NO_ACTION = "no action"  # no chunk speaks about this step
NOT_USABLE = "action not usable"  # the chunk of this step is not finite, degenerate, or malformed
NO_JOINTS = "measured joints not finite"
NO_ARM = "arm solver failed"
NOT_SEEN = "hand not seen"  # of people: the tracker has lost it, or nothing new has come
JUMPED = "wrist jumped"  # farther than a wrist goes: another hand, or none
NO_HAND = "keypoints fit no hand"
REASONS = (NO_ACTION, NOT_USABLE, NO_JOINTS, NO_ARM, NOT_SEEN, JUMPED, NO_HAND)


class Command(NamedTuple):
    """Targets for the end of the next period; a plain tuple, for it is made in a control loop.

    Attributes:
        qpos: (n,) joint targets in the robot's index order, passive joints at their mimic relations
            [rad]; joints that are neither arm nor hand stay where they were first measured.
        names: the n joint names.
        hand_command: (2, m) the same for the hands' own controllers: 0 closed to 1 open, in their
            order; None where robot.toml does not say what they take.
        step: the period's number, from 0.
        phases: left, right: what each side does.
        holds: left, right: why it holds, None where it does not.
        arm_status: left, right: `Status` of the arms: OK, AT_LIMIT, UNREACHABLE (the nearest pose
            within reach is aimed at), or HELD.
        hand_status: left, right: `Status` of the hands: OK or HELD.
        lag_m: left, right: distance of the commanded wrist to the one the policy wants [m]; NaN
            where it wants none.
        lag_rad: left, right: largest distance of a commanded joint to its own target [rad].
        blocked: left, right: the side brakes because links would come too near to each other.
        nearest: the nearest pair of links, None where collisions are not watched.
    """

    qpos: FloatArray
    names: tuple[str, ...]
    hand_command: FloatArray | None
    step: int
    phases: tuple[Phase, Phase]
    holds: tuple[Hold | None, Hold | None]
    arm_status: tuple[Status, Status]
    hand_status: tuple[Status, Status]
    lag_m: tuple[float, float]
    lag_rad: tuple[float, float]
    blocked: tuple[bool, bool]
    nearest: Nearest | None

    @property
    def phase(self) -> Phase:
        """The phase of the side that is farther from following the policy."""
        return max(self.phases)

    @property
    def hold(self) -> Hold | None:
        """The longer of the two sides' holds, None where neither holds."""
        holds = [hold for hold in self.holds if hold is not None]
        return max(holds, key=lambda hold: hold.steps) if holds else None

    def joint(self, name: str) -> float:
        """Target of one joint [rad].

        Raises:
            InputError: the robot has no joint of that name.
        """
        if name not in self.names:
            raise InputError(f"no joint named {name!r}; the robot has {', '.join(self.names)}")
        return float(self.qpos[self.names.index(name)])


class CommandWriter:
    """Makes a command's numbers of the joints that are driven.

    Args:
        robot: the robot.
        driven: its driven joints, k of them.
    """

    def __init__(self, robot: Robot, driven: DrivenJoints) -> None:
        hands = [side.command for side in robot.sides if side.command is not None]
        self._shape = (len(hands), len(hands[0].joints)) if len(hands) == len(SIDES) else None
        if self._shape is None:
            hands = []
        self._numbers = np.empty(0)
        self._native = call(
            _native.CommandWriter,
            np.asarray(driven.moved_rows, dtype=np.int64),
            driven.source,
            driven.multiplier,
            driven.offset,
            np.array(
                [driven.names.index(j) for hand in hands for j in hand.joints], dtype=np.int64
            ),
            np.array([x for hand in hands for x in hand.closed], dtype=np.float64),
            np.array([x for hand in hands for x in hand.open - hand.closed], dtype=np.float64),
            driven.size,
            len(robot.joint_names),
        )

    def write(
        self, q: FloatArray, aim: FloatArray, qpos: FloatArray
    ) -> tuple[FloatArray | None, tuple[float, float]]:
        """Write driven joints and those that mimic them into qpos.

        Args:
            q: (k,) driven joints [rad].
            aim: (k,) where they should be [rad].
            qpos: (n,) to be written to [rad].

        Returns:
            (2, m) the hands' own numbers, None where they are not known; and for left and right how
            far the farthest joint is from where it should be [rad].
        """
        numbers = self._numbers if self._shape is None else np.empty(self._shape)
        behind = self._native.write(q, aim, qpos, numbers)
        return (None if self._shape is None else numbers), behind
