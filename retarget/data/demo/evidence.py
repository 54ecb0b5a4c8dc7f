"""What a file says of both hands beside what its joints say, and how far the two are apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.geometry import lengths, transform_inverse, transform_points
from retarget.core.types import SIDES, Demo, FloatArray

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

POSITION, ROTATION, TIPS = range(3)
PARTS = (POSITION, ROTATION, TIPS)
ROTATION_PER_METRE = 20.0  # [rad/m]; 5 mm go with 0.1 rad
TYPICAL = 0.75  # quantile that a verdict goes by

MOVES = 2e-3  # [m], or times 20 [rad]: of hands that move less, any constant explains anything
_COMMANDED = 0.6  # [rad] from the joints: commands farther away are another matter

Part = tuple[int, int]  # hand, one of PARTS


@dataclass(frozen=True)
class Hand:
    """Wrist and fingertips of one hand; None where nothing is said of that part.

    Attributes:
        position: of the wrist (T, 3) [m], NaN where the hand is not valid.
        rotation: of the wrist (T, 3, 3).
        tips: (T, 5, 3) [m].
    """

    position: FloatArray | None = None
    rotation: FloatArray | None = None
    tips: FloatArray | None = None


@dataclass(frozen=True)
class Pose:
    """A `Hand` of which everything is said."""

    position: FloatArray
    rotation: FloatArray
    tips: FloatArray

    def hand(self, *parts: int) -> Hand:
        """Those parts of it."""
        values = (self.position, self.rotation, self.tips)
        return Hand(*(values[part] if part in parts else None for part in PARTS))

    def replaced(self, hand: Hand) -> Pose:
        """With what that hand says."""
        said = {name: value for name, value in vars(hand).items() if value is not None}
        return dataclasses.replace(self, **said)

    def transform(self) -> FloatArray:
        """T_world_wrist (T, 4, 4)."""
        T = np.zeros((len(self.position), 4, 4))
        T[:, :3, :3], T[:, :3, 3], T[:, 3, 3] = self.rotation, self.position, 1.0
        return T

    def local_tips(self) -> FloatArray:
        """Fingertips in the wrist frame (T, 5, 3) [m]."""
        return transform_points(transform_inverse(self.transform()), self.tips)


Poses = tuple[Pose, Pose]  # left, right
Guessed = tuple[Hand | None, Hand | None]
"""Both hands as they would be with a mistake undone; None where it cannot have been made."""

PLACES: Mapping[tuple[int, ...], str] = {(POSITION, TIPS): "poses", (POSITION,): "wrist poses"}
"""What parts are called whose positions alone are wrong."""

_SUBJECTS = {
    (POSITION, ROTATION, TIPS): "poses",
    (POSITION, ROTATION): "wrist poses",
    (POSITION, TIPS): "wrist positions and fingertips",
    (ROTATION, TIPS): "wrist rotations and fingertips",
    (POSITION,): "wrist positions",
    (ROTATION,): "wrist rotations",
    (TIPS,): "fingertips",
}


@dataclass(frozen=True)
class Mistake:
    """A mistake that a recording may hold.

    Attributes:
        key: which it is; the same of both hands.
        cost: how unlikely it is beside others.
        text: what it is, after its subject.
        subject: what it is said of; the parts it explains where None.
        subjects: other words for some sets of parts.
        details: what more to say of each hand, in parentheses.
        after: the rest of the sentence.
        fatal: certain damage if it were ignored.
        mix_up: something stands in another's place, which no robot's tolerances explain.
    """

    key: str
    cost: float
    text: str
    subject: str | None = None
    subjects: Mapping[tuple[int, ...], str] = field(default_factory=dict)
    details: Mapping[int, str] = field(default_factory=dict)
    after: str = ""
    fatal: bool = False
    mix_up: bool = False

    def say(self, parts: Iterable[Part]) -> str:
        """The mistake, of those parts that it explains."""
        seen = sorted(parts)
        hands = sorted({h for h, _ in seen})
        kinds = tuple(sorted({part for _, part in seen}))
        subject = self.subject
        if subject is None:
            subject = self.subjects.get(kinds, _SUBJECTS[kinds])
        if len(hands) == 1 and not any(side in subject for side in SIDES):
            start = next((s for s in ("all ", "the ", "a ", "an ") if subject.startswith(s)), "")
            kept = {"all ": "", "an ": "a "}.get(start, start)
            subject = f"{kept}{SIDES[hands[0]]} {subject.removeprefix(start)}"
        said = [self.details[h] for h in hands if h in self.details]
        details = f" ({', '.join(said)}{self.after})" if said else self.after
        return f"{subject} {self.text}{details}"


Guess = tuple[Mistake, Guessed]
Family = Callable[["Evidence"], Iterable[Guess]]


@dataclass(frozen=True)
class Evidence:
    """A stretch of a recording.

    Attributes:
        robot: the robot it should be of.
        demo: its frames, (T, ...).
        record: both hands as recorded.
        expected: both hands as the joints put them.
    """

    robot: Robot
    demo: Demo
    record: Poses
    expected: Poses

    @classmethod
    def of(cls, demo: Demo, robot: Robot) -> Evidence:
        """What a demonstration says, and what its joints do."""
        lost = ~demo.valid
        poses, tips = demo.T_world_wrist.copy(), demo.fingertips.copy()
        poses[lost], tips[lost] = np.nan, np.nan
        left, right = (
            Pose(poses[:, h, :3, 3], poses[:, h, :3, :3], tips[:, h]) for h in range(len(SIDES))
        )
        return cls(robot, demo, (left, right), poses_of_joints(robot, demo.qpos))

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return self.demo.frames

    @property
    def commands(self) -> FloatArray | None:
        """The commanded joints (T, n), where they differ from the joints and are near them."""
        action, qpos = self.demo.action, self.demo.qpos
        if action is None or action.shape != qpos.shape:
            return None
        far = np.abs(action - qpos).max(axis=-1)
        return action if far.max() > 1e-6 and np.median(far) < _COMMANDED else None

    @staticmethod
    def gaps_between(guessed: Guessed, expected: Poses) -> dict[Part, float]:
        """How far the parts that are said of hands are from where they are expected [m]."""
        return {
            (h, part): gap
            for h, (hand, pose) in enumerate(zip(guessed, expected, strict=True))
            if hand is not None
            for part, gap in zip(PARTS, gaps(hand, pose), strict=True)
            if np.isfinite(gap)
        }

    def recorded(self, guessed: Guessed) -> Evidence:
        """With a mistake of the record undone."""
        return dataclasses.replace(self, record=_replaced(self.record, guessed))

    def computed(self, guessed: Guessed) -> Evidence:
        """With a mistake of the joints undone."""
        return dataclasses.replace(self, expected=_replaced(self.expected, guessed))


def poses_of_joints(robot: Robot, qpos: FloatArray) -> Poses:
    """Both hands by forward kinematics of joints (T, n) [rad]."""
    T, tips = robot.forward(qpos)
    left, right = (Pose(T[:, h, :3, 3], T[:, h, :3, :3], tips[:, h]) for h in range(len(SIDES)))
    return left, right


def _replaced(poses: Poses, guessed: Guessed) -> Poses:
    left, right = (
        pose if hand is None else pose.replaced(hand)
        for pose, hand in zip(poses, guessed, strict=True)
    )
    return left, right


def each_pose(evidence: Evidence, change: Callable[[Pose], Hand]) -> Guessed:
    """Both hands, each recorded pose changed alike."""
    left, right = (change(pose) for pose in evidence.record)
    return left, right


def one_hand(h: int, hand: Hand) -> Guessed:
    """What is said of one hand, nothing of the other."""
    return (hand, None) if h == 0 else (None, hand)


def gaps(hand: Hand, pose: Pose) -> tuple[float, float, float]:
    """How far a hand's parts typically are from a pose [m], rotations by `ROTATION_PER_METRE`.

    Infinite where nothing is said of a part, 0 where a hand has no valid frame.
    """
    found = [np.inf, np.inf, np.inf]
    if hand.position is not None:
        found[POSITION] = typical(lengths(hand.position - pose.position))
    if hand.rotation is not None:
        chord = hand.rotation - pose.rotation
        sine = np.sqrt(np.einsum("tij,tij->t", chord, chord) / 8.0)
        angle = 2.0 * np.arcsin(min(np.nan_to_num(typical(sine)), 1.0))
        found[ROTATION] = float(angle) / ROTATION_PER_METRE
    if hand.tips is not None:
        found[TIPS] = typical(lengths(hand.tips - pose.tips).max(axis=-1))
    return found[0], found[1], found[2]


def typical(values: FloatArray) -> float:
    """The value that three quarters of the finite ones do not exceed; NaN where there is none."""
    seen = values[np.isfinite(values)]
    if not seen.size:
        return float("nan")
    rank = int(TYPICAL * (seen.size - 1))
    return float(np.partition(seen, rank)[rank])


def spread(pose: Pose) -> float:
    """How far a wrist typically is from its middle pose, rotations counted as in `gaps` [m]."""
    position = pose.position[np.isfinite(pose.position).all(axis=-1)]
    rotation = pose.rotation[np.isfinite(pose.rotation).all(axis=(-2, -1))]
    if not len(position) or not len(rotation):
        return 0.0
    far = typical(lengths(position - np.median(position, axis=0)))
    chord = rotation - rotation[len(rotation) // 2]
    turned = typical(np.sqrt((chord**2).sum(axis=(-2, -1)) / 2.0))
    return float(max(far, turned / ROTATION_PER_METRE))
