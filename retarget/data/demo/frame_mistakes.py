"""Mistakes of frames: poses and fingertips seen from elsewhere, or of something else on the arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np

from retarget.core.geometry import rotation_angle, transform_inverse
from retarget.core.types import SIDES, FloatArray
from retarget.data.demo.evidence import (
    MOVES,
    PARTS,
    PLACES,
    POSITION,
    ROTATION,
    Evidence,
    Guess,
    Guessed,
    Hand,
    Mistake,
    Pose,
    each_pose,
    one_hand,
    spread,
    typical,
)
from retarget.data.demo.fits import mean_rotation, trimmed, turn_of_vectors
from retarget.robot.kinematics import Kinematics

_AXES = "xyz"


def constant_offsets(evidence: Evidence) -> Iterator[Guess]:
    """The same turn, or the same shift, in all frames."""
    yield from _fitted_local(evidence)
    yield from _shifts(evidence)


def inverses(evidence: Evidence) -> Iterator[Guess]:
    """The world as the wrist sees it."""

    def inverse(pose: Pose) -> Pose:
        back = pose.rotation.swapaxes(-1, -2)
        return Pose(-(back @ pose.position[..., None])[..., 0], back, pose.tips)

    def of(T_world_other: FloatArray) -> Guessed:
        return each_pose(
            evidence,
            lambda pose: _seen_from(T_world_other, inverse(pose)).hand(POSITION, ROTATION),
        )

    yield (
        Mistake("inverse", 1.2, "are inverted: the world in the wrist's frame"),
        of(np.eye(4)),
    )
    for key, name, T_world_other in _frames(evidence):
        yield (
            Mistake(f"inverse {key}", 2.2, f"are inverted: {name} in the wrist's frame"),
            of(T_world_other),
        )


def _frames(evidence: Evidence) -> Iterator[tuple[str, str, FloatArray]]:
    """Frames that the robot's files know, and their poses in the environment frame."""
    yield "base", "the robot's base frame", evidence.robot.T_world_base
    for name, camera in evidence.robot.cameras.items():
        T = transform_inverse(camera.T_camera_world)
        yield f"camera {name}", f"the frame of camera {name!r}", T


def known_frames(evidence: Evidence) -> Iterator[Guess]:
    """Seen from the robot's base or a camera."""
    for key, name, T in _frames(evidence):
        text = f"are in {name}, expected the environment frame"
        mistake = Mistake(key, 1.1, text, subjects=PLACES)
        yield (
            mistake,
            each_pose(evidence, lambda pose, T=T: _seen_from(T, pose).hand(*PARTS)),  # type: ignore[misc]
        )


def _seen_from(T_world_other: FloatArray, pose: Pose) -> Pose:
    """A pose of another frame in the environment frame."""
    turn, shift = T_world_other[:3, :3], T_world_other[:3, 3]
    return Pose(pose.position @ turn.T + shift, turn @ pose.rotation, pose.tips @ turn.T + shift)


def axes(evidence: Evidence) -> Iterator[Guess]:
    """Axes in each other's places, or with the other sign: the two that bring points nearest."""
    found: list[tuple[float, int, FloatArray]] = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))  # environment from recorded
            turn[range(3), order] = signs
            if np.array_equal(turn, np.eye(3)):
                continue
            for part in ("position", "tips"):
                for pose, moved in zip(evidence.record, evidence.expected, strict=True):
                    points = getattr(pose, part) @ turn.T - getattr(moved, part)
                    far = np.linalg.norm(points.reshape(len(points), -1), axis=-1)
                    far = far[np.isfinite(far)]
                    if far.size:
                        found.append((float(np.median(far)), len(found), turn))
    chosen: list[FloatArray] = []
    for _, _, turn in sorted(found, key=lambda entry: entry[:2]):
        if len(chosen) < 3 and not any(np.array_equal(turn, other) for other in chosen):
            chosen.append(turn)
    for turn in chosen:
        key, text, cost = _axes_text(turn)
        mirrored = np.linalg.det(turn) < 0.0
        body = turn if mirrored else np.eye(3)

        def change(pose: Pose, turn: FloatArray = turn, after: FloatArray = body) -> Hand:
            return Hand(pose.position @ turn.T, turn @ pose.rotation @ after, pose.tips @ turn.T)

        yield Mistake(f"axes {key}", cost, text), each_pose(evidence, change)
        if not mirrored:  # the body's axes turned along

            def similar(pose: Pose, turn: FloatArray = turn) -> Hand:
                tips = pose.tips @ turn.T
                return Hand(pose.position @ turn.T, turn @ pose.rotation @ turn.T, tips)

            yield Mistake(f"axes too {key}", cost + 0.3, text), each_pose(evidence, similar)


def _axes_text(turn: FloatArray) -> tuple[str, str, float]:
    """A signed permutation in words, and how unlikely it is."""
    columns = np.argmax(np.abs(turn), axis=-1)
    signs = turn[range(3), columns]
    axes = [("-" if s < 0 else "") + _AXES[c] for s, c in zip(signs, columns, strict=True)]
    key = " ".join(axes)
    flipped = [_AXES[k] for k in range(3) if signs[k] < 0]
    if np.array_equal(columns, np.arange(3)):
        if len(flipped) == 2:
            axis = next(a for a in _AXES if a not in flipped)
            return key, f"are turned by 180 degrees about {axis}", 1.2
        what = " and ".join(flipped)
        return key, f"are mirrored: {what} has the other sign", 1.2
    up = axes[2]
    said = f" ({up} up, expected z up)" if up != "z" else ""
    mirrored = "mirrored, with" if np.linalg.det(turn) < 0.0 else "in"
    return key, f"are {mirrored} other axes{said}: x y z of the environment are their {key}", 1.4


def hand_frames(evidence: Evidence) -> Iterator[Guess]:
    """Poses with MANO's axes; fingertips as the wrist sees them."""
    sides = evidence.robot.sides
    wanted = ", ".join(side.wrist_frame for side in sides)
    hands = [
        Hand(rotation=pose.rotation @ side.wrist_to_mano.T)
        for side, pose in zip(sides, evidence.record, strict=True)
    ]
    yield (
        Mistake("mano", 1.1, f"have MANO's axes, expected those of {wanted}", "wrist poses"),
        (hands[0], hands[1]),
    )
    for key, cost, text in (
        ("in wrist", 1.0, "are in the wrist's frame"),
        ("from wrist", 1.2, "are relative to the wrist (world axes)"),
        ("in mano", 1.3, "are in the wrist's frame with MANO's axes"),
    ):
        made = []
        for side, pose, moved in zip(sides, evidence.record, evidence.expected, strict=True):
            turn = moved.rotation @ (side.wrist_to_mano if key == "in mano" else np.eye(3))
            tips = pose.tips if key == "from wrist" else pose.tips @ turn.swapaxes(-1, -2)
            made.append(Hand(tips=tips + moved.position[:, None]))
        yield (
            Mistake(key, cost, f"{text}, expected the environment frame"),
            (made[0], made[1]),
        )


def _fitted_local(evidence: Evidence) -> Iterator[Guess]:
    """Poses of something else that the hand carries: a turn, a shift or both, the same always."""
    turns: list[Hand | None] = [None, None]
    shifts: list[Hand | None] = [None, None]
    turned: dict[int, str] = {}
    shifted: dict[int, str] = {}
    both: dict[int, str] = {}
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        if spread(moved) < MOVES or not np.isfinite(pose.position).any():
            continue
        between = pose.rotation.swapaxes(-1, -2) @ moved.rotation
        turn = trimmed(
            lambda rows, m=between: mean_rotation(_known(m[rows])),  # type: ignore[misc]
            lambda found, m=between: rotation_angle(m, found),  # type: ignore[misc]
            len(between),
        )
        if turn is None:
            continue
        gap = (moved.position - pose.position)[..., None]
        local = (moved.rotation.swapaxes(-1, -2) @ gap)[..., 0]
        shift = _middle(local)
        name = evidence.robot.sides[h].wrist_frame
        degrees = f"{np.degrees(rotation_angle(turn, np.eye(3))):.3g} degrees"
        length = f"{np.linalg.norm(shift) * 1000.0:.4g} mm"
        side = SIDES[h]
        turned[h] = f"{side} {degrees} from {name}"
        shifted[h] = f"{side} {length} from {name}"
        both[h] = f"{side} {length} and {degrees} from {name}"
        turns[h] = Hand(rotation=pose.rotation @ turn)
        shifts[h] = Hand(position=pose.position + (moved.rotation @ shift))
    after = ", always the same"
    subject = "wrist poses"
    yield (
        Mistake(
            "turned",
            1.6,
            "are of another frame of the hand, or it is mounted so",
            subject,
            details=turned,
            after=f"{after} turn",
        ),
        (turns[0], turns[1]),
    )
    yield (
        Mistake(
            "point",
            1.7,
            "are of another point of the hand",
            subject,
            details=shifted,
            after=f"{after} shift",
        ),
        (shifts[0], shifts[1]),
    )
    joined = [
        None if turn is None or shift is None else Hand(shift.position, turn.rotation)
        for turn, shift in zip(turns, shifts, strict=True)
    ]
    yield (
        Mistake(
            "other frame",
            2.6,
            "are of another frame of the hand",
            subject,
            details=both,
            after=after,
        ),
        (joined[0], joined[1]),
    )


def _known(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values).all(axis=tuple(range(1, values.ndim)))]


def _middle(vectors: FloatArray) -> FloatArray:
    """Mean of the vectors (T, 3) nearest to their median."""
    known = _known(vectors)
    if not len(known):
        return np.zeros(3)
    far = np.linalg.norm(known - np.median(known, axis=0), axis=-1)
    return np.asarray(known[far <= np.quantile(far, 0.75)].mean(axis=0))


def _shift_text(shift: FloatArray) -> str:
    return ", ".join(f"{round(x * 1000.0, 3) + 0.0:.6g}" for x in shift)


def _shifts(evidence: Evidence) -> Iterator[Guess]:
    """The same shift along the environment's axes: of all, of wrists alone, of fingertips alone."""
    hands = list(zip(evidence.record, evidence.expected, strict=True))
    for part, name in (("position", "wrist"), ("tips", "tips")):
        steps = [
            (getattr(moved, part) - getattr(pose, part)).reshape(len(moved.position), -1, 3)
            for pose, moved in hands
        ]
        for chosen in ((0, 1), (0,), (1,)):
            rows = np.concatenate([steps[h].mean(axis=1) for h in chosen])
            if any(spread(hands[h][1]) < MOVES for h in chosen) or not len(_known(rows)):
                continue
            shift = _middle(rows)
            if np.linalg.norm(shift) < 5e-4:
                continue
            text = f"are in a frame shifted by ({_shift_text(shift)}) mm"
            key = f"shift {name} {chosen}"
            made: list[Hand | None] = [None, None]
            for h in chosen:
                pose = hands[h][0]
                made[h] = Hand(pose.position + shift, tips=pose.tips + shift)
            # a small shift of all is likelier a frame than the same mistake made twice
            cost = 1.9 if len(chosen) == 2 else 1.7
            yield (
                Mistake(
                    key,
                    cost,
                    f"{text}, always the same",
                    subjects=PLACES,
                    after=", expected the environment frame",
                ),
                (made[0], made[1]),
            )


def fitted_frames(evidence: Evidence) -> Iterator[Guess]:
    """Seen from elsewhere: the turn and shift that brings the record nearest."""
    hands = list(zip(evidence.record, evidence.expected, strict=True))
    for source in ("poses", "tips"):
        for chosen in ((0, 1), (0,), (1,)):
            if any(spread(hands[h][1]) < MOVES for h in chosen):
                continue
            found = _frame_of(source, [hands[h] for h in chosen])
            if found is None:
                continue
            degrees = np.degrees(rotation_angle(found[:3, :3], np.eye(3)))
            shift = _shift_text(found[:3, 3])
            said = f"shifted by ({shift}) mm and turned by {round(float(degrees), 3):.3g} degrees"
            made: list[Hand | None] = [None, None]
            for h in chosen:
                made[h] = _seen_from(found, hands[h][0]).hand(*PARTS)
            text = f"are in a frame {said}, expected the environment frame"
            mistake = Mistake(f"frame {source} {chosen}", 2.7, text, subjects=PLACES)
            yield mistake, (made[0], made[1])


def _frame_of(source: str, hands: Sequence[tuple[Pose, Pose]]) -> FloatArray | None:
    """T_world_other (4, 4) that brings records (first) nearest to what the joints say."""
    T = np.eye(4)
    if source == "poses":
        between = np.concatenate(
            [moved.rotation @ pose.rotation.swapaxes(-1, -2) for pose, moved in hands]
        )
        turn = trimmed(
            lambda rows: mean_rotation(_known(between[rows])),
            lambda found: rotation_angle(between, found),
            len(between),
        )
        recorded = np.concatenate([pose.position for pose, _ in hands])
        wanted = np.concatenate([moved.position for _, moved in hands])
    else:
        recorded = np.concatenate([pose.tips.reshape(-1, 3) for pose, _ in hands])
        wanted = np.concatenate([moved.tips.reshape(-1, 3) for _, moved in hands])
        known = np.isfinite(recorded).all(axis=-1)
        recorded, wanted = recorded[known], wanted[known]
        if not len(recorded):
            return None
        turn = turn_of_vectors(recorded - recorded.mean(axis=0), wanted - wanted.mean(axis=0))
    if turn is None:
        return None
    T[:3, :3], T[:3, 3] = turn, _middle(wanted - recorded @ turn.T)
    return T


def links(evidence: Evidence) -> Iterator[Guess]:
    """Poses of another link of the robot."""
    model, robot = evidence.robot.model, evidence.robot
    names = [frame.name for frame in model.frames if "BODY" in str(frame.type)]
    wrists = {side.wrist_frame for side in robot.sides}
    T = robot.T_world_base @ Kinematics(model, robot.joint_names, names).forward(evidence.demo.qpos)
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        if not np.isfinite(pose.position).any() or spread(moved) < MOVES:
            continue
        gap = np.linalg.norm(T[:, :, :3, 3] - pose.position[:, None], axis=-1)
        turn = np.sqrt(((T[:, :, :3, :3] - pose.rotation[:, None]) ** 2).sum(axis=(-2, -1)) / 8.0)
        far = np.array([typical(gap[:, k]) + typical(turn[:, k]) / 10.0 for k in range(len(names))])
        k = int(np.nanargmin(far))
        if names[k] in wrists:
            continue
        there = T[:, k]
        hand = Hand(
            pose.position + moved.position - there[:, :3, 3],
            pose.rotation @ there[:, :3, :3].swapaxes(-1, -2) @ moved.rotation,
        )
        text = f"are of another link, {names[k]}, expected {robot.sides[h].wrist_frame}"
        yield Mistake(f"link {names[k]}", 1.3, text, "wrist poses"), one_hand(h, hand)
