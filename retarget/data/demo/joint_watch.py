"""Whether a recording's actions, and its joints that move no hand, are what they should be.

Neither has a part in the hands' poses, so neither makes a recording wrong: what is odd is said.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retarget.core.text import angle_text
from retarget.core.types import Demo, FloatArray
from retarget.data.demo.findings import Finding
from retarget.data.demo.joint_mistakes import joint_orders
from retarget.robot.robot import Robot

_FRAMES = 600  # of the block that moves most are looked at
_MOVES = 0.05  # [rad]: joints that change less hardly move
_IDLE = 0.2  # [rad] that a joint that moves no hand may move in a manipulation
_BEYOND = 0.05  # [rad] beyond a limit that a measurement may be
_UNLIKE = 0.5  # [rad] by which a left and a right leg that stand may differ

# Of the actions' distance from the joints, averaged over arms and active hand joints, as three
# quarters of the frames have it at most. 40 real recordings stay below 0.09 rad, generated ones
# below 0.02.
_NEAR = 0.12  # [rad]: commands so near are those of these joints
_BETTER = 0.35  # of the distance may remain where a mistake is to be behind it
_AHEAD = 12  # frames that commands may lead by without a word
_LONGEST = 100  # frames looked at for a lead or a lag
_FOLLOWS = 0.3  # correlation of joints that follow their commands; real ones reach 0.86
_FEWEST = 5  # frames that say something


class JointWatch:
    """Looks at the joints and actions of a recording that comes in blocks.

    Args:
        robot: the robot it should be of.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        used = [(*side.arm_joints, *side.hand_joints) for side in robot.sides]
        driven = [(*side.arm_joints, *side.active_joints) for side in robot.sides]
        self._driven = robot.indices([name for names in driven for name in names])
        self._idle = np.setdiff1d(
            np.arange(len(robot.joint_names)),
            robot.indices([name for names in used for name in names]),
        )
        self._low = np.full(len(self._idle), np.inf)
        self._high = -self._low
        self._moved = -1.0
        self._sample: tuple[FloatArray, FloatArray | None] | None = None

    def add(self, demo: Demo) -> None:
        """Take in the next frames."""
        idle = demo.qpos[:, self._idle]
        self._low = np.minimum(self._low, idle.min(axis=0))
        self._high = np.maximum(self._high, idle.max(axis=0))
        q = demo.qpos[:_FRAMES]
        moved = float(np.abs(np.diff(q[:, self._driven], axis=0)).sum())
        if moved > self._moved:
            self._moved = moved
            self._sample = q, None if demo.action is None else demo.action[:_FRAMES]

    def result(self) -> tuple[Finding, ...]:
        """What is odd, as notes."""
        return (*self._idle_joints(), *self._actions())

    def _idle_joints(self) -> Iterator[Finding]:
        robot, names = self._robot, [self._robot.joint_names[k] for k in self._idle]
        if not names:
            return
        below = robot.lower[self._idle] - self._low
        above = self._high - robot.upper[self._idle]
        beyond = np.maximum(below, above)
        worst = int(np.argmax(beyond))
        if beyond[worst] > _BEYOND:
            value = self._high[worst] if above[worst] >= below[worst] else self._low[worst]
            count = int((beyond > _BEYOND).sum())
            more = f" and {count - 1} more" if count > 1 else ""
            yield Finding(
                "idle_joint_limits",
                f"{names[worst]}{more} of qpos, which move no hand, lie beyond their limits, by up "
                f"to {angle_text(float(beyond[worst]))} ({value:.3g} rad): are these columns in "
                "another order, or of other joints?",
            )
            return
        travel = self._high - self._low
        worst = int(np.argmax(travel))
        if travel[worst] > _IDLE:
            yield Finding(
                "idle_joints_move",
                f"{names[worst]} of qpos, which moves no hand, moves by "
                f"{angle_text(float(travel[worst]))}: is this column of another joint?",
            )
            return
        found = self._unlike(names)
        if found is not None:
            yield found

    def _unlike(self, names: list[str]) -> Finding | None:
        """A left leg that stands unlike the right one."""
        middle = 0.5 * (self._low + self._high)
        places = {name: k for k, name in enumerate(names)}
        worst, pair = _UNLIKE, None
        for left, k in places.items():
            right = left.replace("left", "right").replace("L_", "R_")
            if right == left or right not in places:
                continue
            a, b = float(middle[k]), float(middle[places[right]])
            apart = min(abs(a - b), abs(a + b))  # some axes are mirrored
            if apart > worst:
                worst, pair = apart, (left, a, right, b)
        if pair is None:
            return None
        left, a, right, b = pair
        return Finding(
            "idle_joints_unlike",
            f"the legs stand unlike each other ({left} at {a:.3g}, {right} at {b:.3g} rad): are "
            "these columns, which move no hand, in another order?",
        )

    def _actions(self) -> Iterator[Finding]:
        qpos, action = self._sample or (None, None)
        if qpos is None or action is None or len(qpos) < _FEWEST:
            return
        q, a = qpos[:, self._driven], action[:, self._driven]
        if not np.abs(q).max() > _MOVES:
            return
        if not np.abs(a).max() > 1e-9:
            yield Finding("action", "action is zero in all frames: no commands were recorded")
            return
        moves = float(np.ptp(q, axis=0).max()) > _MOVES
        if moves and not np.ptp(a, axis=0).max() > 1e-9:
            yield Finding("action", "action does not change, it is constant, but the joints move")
            return
        away = _distance(a, q)
        best, said = away, ""
        for text, guess in self._guesses(qpos, action):
            rows = min(len(guess), len(q))
            near = _distance(guess[:rows], q[:rows])
            if near < 0.9 * best:
                best, said = near, text
        lead, near = _lead(a, q)
        if abs(lead) > _AHEAD and near < 0.9 * best:
            frames = f"{abs(lead)} frames {'ahead of' if lead > 0 else 'behind'} the joints"
            best, said = near, f"is {frames}, which follow their commands at once"
        if said and best < _BETTER * away and away > 0.25 * _NEAR:
            yield Finding("action", f"action {said}")
        elif away > _NEAR and moves and _correlation(a, q) < _FOLLOWS:
            yield Finding(
                "action",
                f"action is not what the joints follow (typically {away:.2g} rad apart): is it of "
                "another robot, in another order of the joints or another unit?",
            )

    def _guesses(self, qpos: FloatArray, action: FloatArray) -> Iterator[tuple[str, FloatArray]]:
        """Actions with a mistake undone, of the driven joints."""
        robot = self._robot
        span = robot.upper - robot.lower
        for text, values in (
            ("is in degrees, expected radians", np.radians(action)),
            (
                "is normalised (-1 to 1 over each joint's range), expected radians",
                robot.lower + (action + 1.0) / 2.0 * span,
            ),
            (
                "is normalised (0 to 1 over each joint's range), expected radians",
                robot.lower + action * span,
            ),
            ("holds differences from the joints, expected positions", qpos + action),
            (
                "holds changes from frame to frame, expected positions",
                qpos[:1] + np.cumsum(action, axis=0),
            ),
        ):
            yield text, values[:, self._driven]
        for text, order in joint_orders(robot):
            values = np.empty_like(action)
            values[:, robot.indices(order)] = action
            yield f"has its joints {text}, expected those of {robot.name}", values[:, self._driven]
        mirrored = action.copy()
        for group in ("arm_joints", "hand_joints"):
            left, right = (robot.indices(getattr(side, group)) for side in robot.sides)
            mirrored[:, left], mirrored[:, right] = action[:, right], action[:, left]
        yield "has left and right swapped", mirrored[:, self._driven]


def _distance(a: FloatArray, q: FloatArray) -> float:
    """How far commands typically are from joints [rad]."""
    return float(np.quantile(np.abs(a - q).mean(axis=-1), 0.75))


def _lead(a: FloatArray, q: FloatArray) -> tuple[int, float]:
    """Frames by which commands lead that bring them nearest to the joints, and how near."""
    found = [(_distance(a, q), 0)]
    for lag in range(1, min(_LONGEST, len(q) // 2)):
        found.append((_distance(a[:-lag], q[lag:]), lag))
        found.append((_distance(a[lag:], q[:-lag]), -lag))
    near, lag = min(found, key=lambda pair: (pair[0], abs(pair[1])))
    return lag, near


def _correlation(a: FloatArray, q: FloatArray) -> float:
    a, q = a - a.mean(axis=0), q - q.mean(axis=0)
    size = float(np.sqrt((a * a).sum() * (q * q).sum()))
    return float((a * q).sum()) / size if size > 0.0 else 0.0
