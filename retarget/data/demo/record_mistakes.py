"""Mistakes in recorded wrist poses and fingertips: each named, and undone to see what remains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations, product

import numpy as np

from retarget.core.geometry import (
    quat_wxyz_from_rotation,
    rotation_angle,
    rotation_from_quat_wxyz,
    transform_inverse,
)
from retarget.core.types import FINGERS, SIDES, FloatArray
from retarget.data.demo.evidence import (
    POSITION,
    ROTATION,
    TIPS,
    Evidence,
    Guess,
    Guessed,
    Hand,
    Mistake,
    Pose,
    gaps,
    poses_of_joints,
    spread,
    typical,
)
from retarget.data.demo.fits import mean_rotation, scale_of, trimmed, turn_of_vectors
from retarget.robot.kinematics import Kinematics

UNITS = {"millimetres": 1e-3, "centimetres": 1e-2, "inches": 0.0254, "feet": 0.3048}

_LARGEST_LAG = 60  # frames
_LEAST_OVERLAP = 6  # frames
_MOVES = 2e-3  # [m], or times 20 [rad]: of hands that move less, any constant explains anything
_EMPTY = 1e-9  # [-]: a quaternion's column that holds nothing
_STILL = 1e-4  # [m], or times 20 [rad]: a record that changes less does not change
_ALL = (POSITION, ROTATION, TIPS)
_AXES = "xyz"
_LENGTHS: Mapping[tuple[int, ...], str] = {(POSITION, TIPS): "all lengths"}
_PLACES: Mapping[tuple[int, ...], str] = {(POSITION, TIPS): "poses", (POSITION,): "wrist poses"}


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
    yield from _inverses(evidence)
    yield from _known_frames(evidence)
    yield from _axes(evidence)
    yield from _hand_frames(evidence)
    yield from _fingers(evidence)
    yield from _constant_offsets(evidence)
    yield from _fitted_frames(evidence)
    yield from _scales(evidence)
    yield from _lags(evidence)
    yield from _links(evidence)
    yield from _targets(evidence)


def _constant_offsets(evidence: Evidence) -> Iterator[Guess]:
    """The same turn, or the same shift, in all frames."""
    yield from _fitted_local(evidence)
    yield from _shifts(evidence)


def slight(evidence: Evidence) -> Iterator[Guess]:
    """Mistakes that may leave a file within tolerance."""
    yield from _constants(evidence)
    yield from _fingers(evidence)
    yield from _constant_offsets(evidence)
    yield from _scales(evidence)
    yield from _lags(evidence)


def _each(evidence: Evidence, change: Callable[[Pose], Hand]) -> Guessed:
    left, right = (change(pose) for pose in evidence.record)
    return left, right


def _swaps(evidence: Evidence) -> Iterator[Guess]:
    """Left and right exchanged."""
    names: dict[tuple[int, ...], str] = {
        _ALL: "left and right",
        (POSITION, ROTATION): "left and right wrist poses",
        (POSITION,): "left and right wrist positions",
        (ROTATION,): "left and right wrist rotations",
        (TIPS,): "left and right fingertips",
    }
    swap = Mistake("swapped", 1.0, "are swapped", subjects=names, fatal=True, mix_up=True)
    left, right = evidence.record
    if evidence.demo.valid.any(axis=0).all():
        yield swap, (right.hand(*_ALL), left.hand(*_ALL))
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
    yield order, _each(evidence, lambda pose: Hand(rotation=xyzw(pose)))
    yield (
        Mistake(
            "conjugate",
            1.0,
            "are conjugate: the inverse rotations (their x y z have the other sign)",
            subject="quaternions",
        ),
        _each(evidence, lambda pose: Hand(rotation=pose.rotation.swapaxes(-1, -2))),
    )
    yield (
        Mistake(
            "conjugate xyzw",
            1.8,
            "are in the order x y z w, expected w x y z, and conjugate: the inverse rotations",
            subject="quaternions",
        ),
        _each(evidence, lambda pose: Hand(rotation=xyzw(pose).swapaxes(-1, -2))),
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
            _each(
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


def _inverses(evidence: Evidence) -> Iterator[Guess]:
    """The world as the wrist sees it."""

    def inverse(pose: Pose) -> Pose:
        back = pose.rotation.swapaxes(-1, -2)
        return Pose(-(back @ pose.position[..., None])[..., 0], back, pose.tips)

    def of(T_world_other: FloatArray) -> Guessed:
        return _each(
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


def _known_frames(evidence: Evidence) -> Iterator[Guess]:
    """Seen from the robot's base or a camera."""
    for key, name, T in _frames(evidence):
        text = f"are in {name}, expected the environment frame"
        mistake = Mistake(key, 1.1, text, subjects=_PLACES)
        yield (
            mistake,
            _each(evidence, lambda pose, T=T: _seen_from(T, pose).hand(*_ALL)),  # type: ignore[misc]
        )


def _seen_from(T_world_other: FloatArray, pose: Pose) -> Pose:
    """A pose of another frame in the environment frame."""
    turn, shift = T_world_other[:3, :3], T_world_other[:3, 3]
    return Pose(pose.position @ turn.T + shift, turn @ pose.rotation, pose.tips @ turn.T + shift)


def _axes(evidence: Evidence) -> Iterator[Guess]:
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

        yield Mistake(f"axes {key}", cost, text), _each(evidence, change)
        if not mirrored:  # the body's axes turned along

            def similar(pose: Pose, turn: FloatArray = turn) -> Hand:
                tips = pose.tips @ turn.T
                return Hand(pose.position @ turn.T, turn @ pose.rotation @ turn.T, tips)

            yield Mistake(f"axes too {key}", cost + 0.3, text), _each(evidence, similar)


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


def _hand_frames(evidence: Evidence) -> Iterator[Guess]:
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
        yield Mistake(f"order {said}", 1.2, text, mix_up=True), _one(h, hand)


def _one(h: int, hand: Hand) -> Guessed:
    return (hand, None) if h == 0 else (None, hand)


def _fitted_local(evidence: Evidence) -> Iterator[Guess]:
    """Poses of something else that the hand carries: a turn, a shift or both, the same always."""
    turns: list[Hand | None] = [None, None]
    shifts: list[Hand | None] = [None, None]
    turned: dict[int, str] = {}
    shifted: dict[int, str] = {}
    both: dict[int, str] = {}
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        if spread(moved) < _MOVES or not np.isfinite(pose.position).any():
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
            if any(spread(hands[h][1]) < _MOVES for h in chosen) or not len(_known(rows)):
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
                    subjects=_PLACES,
                    after=", expected the environment frame",
                ),
                (made[0], made[1]),
            )


def _fitted_frames(evidence: Evidence) -> Iterator[Guess]:
    """Seen from elsewhere: the turn and shift that brings the record nearest."""
    hands = list(zip(evidence.record, evidence.expected, strict=True))
    for source in ("poses", "tips"):
        for chosen in ((0, 1), (0,), (1,)):
            if any(spread(hands[h][1]) < _MOVES for h in chosen):
                continue
            found = _frame_of(source, [hands[h] for h in chosen])
            if found is None:
                continue
            degrees = np.degrees(rotation_angle(found[:3, :3], np.eye(3)))
            shift = _shift_text(found[:3, 3])
            said = f"shifted by ({shift}) mm and turned by {round(float(degrees), 3):.3g} degrees"
            made: list[Hand | None] = [None, None]
            for h in chosen:
                made[h] = _seen_from(found, hands[h][0]).hand(*_ALL)
            text = f"are in a frame {said}, expected the environment frame"
            mistake = Mistake(f"frame {source} {chosen}", 2.7, text, subjects=_PLACES)
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
        for part in (_ALL[0], _ALL[2]):
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

        mistake = Mistake(f"lag {lag}", 1.5 + 0.005 * abs(lag), text, subjects=_PLACES)
        yield mistake, _each(evidence, shifted)


def _overlap(lag: int) -> tuple[slice, slice]:
    """Frames of the joints, and those of the record that belong to them."""
    early, late = slice(None, -abs(lag)), slice(abs(lag), None)
    return (early, late) if lag > 0 else (late, early)


def _links(evidence: Evidence) -> Iterator[Guess]:
    """Poses of another link of the robot."""
    model, robot = evidence.robot.model, evidence.robot
    names = [frame.name for frame in model.frames if "BODY" in str(frame.type)]
    wrists = {side.wrist_frame for side in robot.sides}
    T = robot.T_world_base @ Kinematics(model, robot.joint_names, names).forward(evidence.demo.qpos)
    for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
        if not np.isfinite(pose.position).any() or spread(moved) < _MOVES:
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
        yield Mistake(f"link {names[k]}", 1.3, text, "wrist poses"), _one(h, hand)


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
