"""Mistakes in recorded wrist poses and fingertips: each named, and undone to see what remains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations

import numpy as np

from retarget.core.geometry import (
    quat_wxyz_from_rotation,
    rotation_from_quat_wxyz,
)
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.data.demo import frame_mistakes
from retarget.data.demo.evidence import (
    PARTS,
    PLACES,
    POSITION,
    ROTATION,
    TIPS,
    Evidence,
    Guess,
    Hand,
    Mistake,
    Pose,
    each_pose,
    gaps,
    one_hand,
    poses_of_joints,
)
from retarget.data.demo.fits import scale_of, trimmed

UNITS = {"millimetres": 1e-3, "centimetres": 1e-2, "inches": 0.0254, "feet": 0.3048}

_LARGEST_LAG = 60  # frames
_LEAST_OVERLAP = 6  # frames
_EMPTY = 1e-9  # [-]: a quaternion's column that holds nothing
_STILL = 1e-4  # [m], or times 20 [rad]: a record that changes less does not change
_LENGTHS: Mapping[tuple[int, ...], str] = {(POSITION, TIPS): "all lengths"}


def simple(evidence: Evidence) -> Iterator[Guess]:
    """Whatever may come before another mistake: hands swapped, quaternions, units, inverses."""
    yield from _swaps(evidence)
    yield from _quaternions(evidence)
    yield from _units(evidence)


def single(evidence: Evidence) -> Iterator[Guess]:
    """All mistakes of what is recorded, by themselves."""
    yield from simple(evidence)
    yield from _constants(evidence)
    yield from _three_numbers(evidence)
    yield from frame_mistakes.inverses(evidence)
    yield from frame_mistakes.known_frames(evidence)
    yield from frame_mistakes.axes(evidence)
    yield from frame_mistakes.hand_frames(evidence)
    yield from _fingers(evidence)
    yield from frame_mistakes.constant_offsets(evidence)
    yield from frame_mistakes.fitted_frames(evidence)
    yield from _scales(evidence)
    yield from _lags(evidence)
    yield from frame_mistakes.links(evidence)
    yield from _targets(evidence)


def slight(evidence: Evidence) -> Iterator[Guess]:
    """Mistakes that may leave a file within tolerance."""
    yield from _constants(evidence)
    yield from _fingers(evidence)
    yield from frame_mistakes.constant_offsets(evidence)
    yield from _scales(evidence)
    yield from _lags(evidence)


def _swaps(evidence: Evidence) -> Iterator[Guess]:
    """Left and right exchanged."""
    names: dict[tuple[int, ...], str] = {
        PARTS: "left and right",
        (POSITION, ROTATION): "left and right wrist poses",
        (POSITION,): "left and right wrist positions",
        (ROTATION,): "left and right wrist rotations",
        (TIPS,): "left and right fingertips",
    }
    swap = Mistake("swapped", 1.0, "are swapped", subjects=names, fatal=True, mix_up=True)
    left, right = evidence.record
    if evidence.demo.valid.any(axis=0).all():
        yield swap, (right.hand(*PARTS), left.hand(*PARTS))
    else:  # the one hand against the joints of the other
        here, there = evidence.expected
        yield swap, (_carried(left, there, here), _carried(right, here, there))


def _carried(pose: Pose, source: Pose, target: Pose) -> Hand:
    """A record of ``source`` as one of ``target``, off by as much."""
    return Hand(
        pose.position + target.position - source.position,
        pose.rotation @ source.rotation.swapaxes(-1, -2) @ target.rotation,
        pose.tips + target.tips - source.tips,
    )


def _quaternions(evidence: Evidence) -> Iterator[Guess]:
    """The scalar stood last, the inverse was written, or both."""

    def xyzw(pose: Pose) -> FloatArray:
        rotation = np.full_like(pose.rotation, np.nan)
        known = np.isfinite(pose.rotation).all(axis=(-2, -1))
        quat_wxyz = quat_wxyz_from_rotation(pose.rotation[known])
        rotation[known] = rotation_from_quat_wxyz(np.roll(quat_wxyz, 1, axis=-1))
        return rotation

    order = Mistake(
        "xyzw", 1.0, "are in the order x y z w, expected w x y z", subject="quaternions"
    )
    yield order, each_pose(evidence, lambda pose: Hand(rotation=xyzw(pose)))
    yield (
        Mistake(
            "conjugate",
            1.0,
            "are conjugate: the inverse rotations (their x y z have the other sign)",
            subject="quaternions",
        ),
        each_pose(evidence, lambda pose: Hand(rotation=pose.rotation.swapaxes(-1, -2))),
    )
    yield (
        Mistake(
            "conjugate xyzw",
            1.8,
            "are in the order x y z w, expected w x y z, and conjugate: the inverse rotations",
            subject="quaternions",
        ),
        each_pose(evidence, lambda pose: Hand(rotation=xyzw(pose).swapaxes(-1, -2))),
    )


def _three_numbers(evidence: Evidence) -> Iterator[Guess]:
    """Rotation vectors or Euler angles among the quaternion's columns, scaled to unit length."""
    from scipy.spatial.transform import Rotation

    vectors: list[Hand | None] = [None, None]
    angles: dict[str, list[Hand | None]] = {}
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        known = np.isfinite(pose.rotation).all(axis=(-2, -1))
        quat_wxyz = quat_wxyz_from_rotation(pose.rotation[known])
        empty = np.flatnonzero(np.abs(quat_wxyz).max(axis=0, initial=0.0) < _EMPTY)
        if known.sum() < 2 or len(empty) != 1:
            continue
        said = np.delete(quat_wxyz, empty[0], axis=-1)
        wanted = Rotation.from_matrix(moved.rotation[known])

        def rotations(numbers: FloatArray, build: Callable[[FloatArray], Rotation]) -> Hand:
            """As far along the numbers written as the expected ones go."""
            along = said * (said * numbers).sum(axis=-1, keepdims=True)  # noqa: B023
            rotation = np.full_like(pose.rotation, np.nan)  # noqa: B023
            rotation[known] = build(along).as_matrix()  # noqa: B023
            return Hand(rotation=rotation)

        vectors[h] = rotations(wanted.as_rotvec(), Rotation.from_rotvec)
        for order in ("xyz", "zyx", "XYZ", "ZYX"):
            euler = wanted.as_euler(order)
            made = rotations(euler, lambda e, order=order: Rotation.from_euler(order, e))  # type: ignore[misc]
            angles.setdefault(order.lower(), [None, None])
            before = angles[order.lower()][h]
            if before is None or _nearer(made, before, moved):
                angles[order.lower()][h] = made
    columns = "stand in the quaternion's columns, expected qw qx qy qz"
    mistake = Mistake("rotation vectors", 1.6, columns, "rotation vectors (axis times angle)")
    yield mistake, (vectors[0], vectors[1])
    for order, hands in angles.items():
        said_order = "roll, pitch, yaw" if order == "xyz" else "yaw, pitch, roll"
        mistake = Mistake(f"Euler {order}", 1.6, columns, f"Euler angles ({said_order})")
        yield mistake, (hands[0], hands[1])


def _nearer(hand: Hand, other: Hand, pose: Pose) -> bool:
    return gaps(hand, pose)[ROTATION] < gaps(other, pose)[ROTATION]


def _units(evidence: Evidence) -> Iterator[Guess]:
    """Lengths that are not metres."""
    for unit, factor in UNITS.items():
        mistake = Mistake(
            unit, 1.0, f"are in {unit}, expected metres", subjects=_LENGTHS, fatal=True
        )
        yield (
            mistake,
            each_pose(
                evidence,
                lambda pose, k=factor: Hand(position=k * pose.position, tips=k * pose.tips),  # type: ignore[misc]
            ),
        )


def _constants(evidence: Evidence) -> Iterator[Guess]:
    """A record that stands still, or holds zeros, while the joints move."""
    for key, text in (
        ("zeros", "are zeros in all frames"),
        ("still", "do not change, but the joints move"),
    ):
        hands = []
        for pose, moved in zip(evidence.record, evidence.expected, strict=True):
            position = rotation = tips = None
            if _stays(pose.position, key) and _differs(pose.position, moved.position, key):
                position = moved.position
            if _stays(pose.rotation, key) and _differs(pose.rotation, moved.rotation, key):
                rotation = moved.rotation
            if _stays(pose.tips, key) and _differs(pose.tips, moved.tips, key):
                tips = moved.tips
            hands.append(Hand(position, rotation, tips))
        yield Mistake(key, 0.7, text), (hands[0], hands[1])


def _stays(values: FloatArray, key: str) -> bool:
    """Whether an array (T, ...) is the same in all frames, and, of zeros, zero."""
    flat = values.reshape(len(values), -1)
    flat = flat[np.isfinite(flat).all(axis=-1)]
    if len(flat) < 2:
        return False
    if key == "zeros":
        if values.shape[1:] == (3, 3):  # the rotation that goes with them
            return bool(np.all(np.abs(flat - np.eye(3).ravel()) < 1e-6))
        return bool(np.all(np.abs(flat) < 1e-6))
    return bool(np.ptp(flat, axis=0).max() < _STILL)


def _differs(values: FloatArray, moved: FloatArray, key: str) -> bool:
    return key == "zeros" or float(np.ptp(moved, axis=0).max()) > 10.0 * _STILL


def _fingers(evidence: Evidence) -> Iterator[Guess]:
    """The order of fingers that brings the recorded tips nearest to the joints'."""
    columns = list(range(len(FINGERS)))
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        known = np.isfinite(pose.tips).all(axis=(-2, -1))
        if not known.any():
            continue
        steps = pose.tips[known][:, :, None] - moved.tips[known][:, None, :]
        cost = np.linalg.norm(steps, axis=-1).mean(axis=0)  # recorded, computed
        best = min(permutations(columns), key=lambda order: float(cost[list(order), columns].sum()))
        if list(best) == columns:
            continue
        order = np.argsort(best)  # the finger that each recorded row is
        said = ", ".join(FINGERS[k] for k in order)
        text = f"are in the order {said}, expected {', '.join(FINGERS)}"
        hand = Hand(tips=pose.tips[:, list(best)])
        yield Mistake(f"order {said}", 1.2, text, mix_up=True), one_hand(h, hand)


def _scales(evidence: Evidence) -> Iterator[Guess]:
    """Larger or smaller: from the origin, or a hand from its wrist."""
    hands = list(zip(evidence.record, evidence.expected, strict=True))
    for origin, name in ((np.zeros(3), "origin"), (evidence.robot.T_world_base[:3, 3], "base")):
        for chosen in ((0, 1), (0,), (1,)):
            for part in ("position", "tips"):
                recorded = [getattr(hands[h][0], part).reshape(-1, 3) - origin for h in chosen]
                wanted = [getattr(hands[h][1], part).reshape(-1, 3) - origin for h in chosen]
                factor = _scale(np.concatenate(recorded), np.concatenate(wanted))
                if factor is None:
                    continue
                made: list[Hand | None] = [None, None]
                for h in chosen:
                    pose = hands[h][0]
                    made[h] = Hand(
                        origin + factor * (pose.position - origin),
                        tips=origin + factor * (pose.tips - origin),
                    )
                about = "" if name == "origin" else " (from the robot's base)"
                text = f"are {1.0 / factor:.4g} times what they should be{about}"
                key = f"scale {name} {part} {chosen}"
                yield Mistake(key, 1.8, text, subjects=_LENGTHS), (made[0], made[1])
    larger: list[Hand | None] = [None, None]
    details = {}
    for h, (pose, moved) in enumerate(hands):
        wrist = moved.position[:, None]
        factor = _scale((pose.tips - wrist).reshape(-1, 3), (moved.tips - wrist).reshape(-1, 3))
        if factor is not None:
            larger[h] = Hand(tips=wrist + factor * (pose.tips - wrist))
            details[h] = f"{SIDES[h]} {1.0 / factor:.4g} times"
    yield (
        Mistake(
            "larger hand",
            1.9,
            "are farther from the wrist than this hand's, or nearer: another hand",
            details=details,
        ),
        (larger[0], larger[1]),
    )


def _scale(recorded: FloatArray, wanted: FloatArray) -> float | None:
    known = np.isfinite(recorded).all(axis=-1)
    if not known.any():
        return None
    recorded, wanted = recorded[known], wanted[known]
    factor = trimmed(
        lambda rows: scale_of(recorded[rows], wanted[rows]),
        lambda found: np.linalg.norm(found * recorded - wanted, axis=-1),
        len(recorded),
    )
    return factor if factor is not None and factor > 1e-6 else None


def _lags(evidence: Evidence) -> Iterator[Guess]:
    """Some frames before or after the joints: the ones that bring positions or tips nearest."""
    most = min(_LARGEST_LAG, evidence.frames - _LEAST_OVERLAP)
    chosen: set[int] = set()
    for pose, moved in zip(evidence.record, evidence.expected, strict=True):
        for part in (PARTS[0], PARTS[2]):
            found = []
            for lag in (lag for k in range(1, most + 1) for lag in (k, -k)):
                ahead, behind = _overlap(lag)
                late = Pose(pose.position[behind], pose.rotation[behind], pose.tips[behind])
                there = Pose(moved.position[ahead], moved.rotation[ahead], moved.tips[ahead])
                found.append((gaps(late.hand(part), there)[part], abs(lag), lag))
            found.sort()
            chosen.update(lag for gap, _, lag in found[:1] if np.isfinite(gap))
    equal = evidence.demo.action is not None and np.array_equal(
        evidence.demo.qpos, evidence.demo.action
    )
    for lag in sorted(chosen, key=abs):
        frames = "1 frame" if abs(lag) == 1 else f"{abs(lag)} frames"
        text = f"are {frames} {'behind' if lag > 0 else 'ahead of'} the joints"
        if equal and lag > 0:
            text += " (qpos equals action: are these the commands?)"
        ahead, behind = _overlap(lag)

        def shifted(pose: Pose, ahead: slice = ahead, behind: slice = behind) -> Hand:
            rows = []
            for values in (pose.position, pose.rotation, pose.tips):
                moved = np.full_like(values, np.nan)
                moved[ahead] = values[behind]
                rows.append(moved)
            return Hand(*rows)

        mistake = Mistake(f"lag {lag}", 1.5 + 0.005 * abs(lag), text, subjects=PLACES)
        yield mistake, each_pose(evidence, shifted)


def _overlap(lag: int) -> tuple[slice, slice]:
    """Frames of the joints, and those of the record that belong to them."""
    early, late = slice(None, -abs(lag)), slice(abs(lag), None)
    return (early, late) if lag > 0 else (late, early)


def _targets(evidence: Evidence) -> Iterator[Guess]:
    """Poses of the commands."""
    action = evidence.commands
    if action is None:
        return
    commanded = poses_of_joints(evidence.robot, action)
    left, right = (
        _carried(pose, there, moved)
        for pose, moved, there in zip(evidence.record, evidence.expected, commanded, strict=True)
    )
    text = "are those of the commands (action): targets, expected what was measured (qpos)"
    yield Mistake("targets", 2.0, text), (left, right)
