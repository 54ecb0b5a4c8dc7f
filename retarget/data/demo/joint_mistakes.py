"""Mistakes in recorded joints: each named, and undone to see where the hands would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np

from retarget.core.geometry import transform_inverse, transform_points
from retarget.core.types import FINGERS, SIDES, FloatArray, IntArray
from retarget.data.demo.evidence import (
    Evidence,
    Guess,
    Guessed,
    Hand,
    Mistake,
    Pose,
    poses_of_joints,
)
from retarget.robot.robot import Robot

_CHANGES = 1e-6  # [rad]: joints that change less stand still
_MOVED = 3e-3  # [m]: a record that moves more does not


def joints(evidence: Evidence) -> Iterator[Guess]:
    """All mistakes of the joints; what is guessed is where they should put the hands."""
    yield from _still(evidence)
    yield from _swaps(evidence)
    yield from _pairs(evidence)
    yield from _units(evidence)
    yield from _orders(evidence)
    yield from _commands(evidence)
    yield from _hands(evidence)
    yield from _arm_joints(evidence)


def slight(evidence: Evidence) -> Iterator[Guess]:
    """Mistakes that may leave a file within tolerance."""
    yield from _swaps(evidence)
    yield from _pairs(evidence)
    yield from _hands(evidence)


def _whole(evidence: Evidence, qpos: FloatArray) -> Guessed:
    left, right = (pose.hand(0, 1, 2) for pose in poses_of_joints(evidence.robot, qpos))
    return left, right


def _side_columns(robot: Robot, h: int, group: str) -> IntArray:
    return robot.indices(getattr(robot.sides[h], group))


def _still(evidence: Evidence) -> Iterator[Guess]:
    """Joints that stand still, or hold zeros, while the record moves."""
    robot, qpos = evidence.robot, evidence.demo.qpos
    for zeros in (True, False):
        made: list[Hand | None] = [None, None]
        arms: list[Hand | None] = [None, None]
        hands: list[Hand | None] = [None, None]
        for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True)):
            arm, hand = (
                bool(np.ptp(values, axis=0).max() < _CHANGES)
                and (bool(np.all(np.abs(values) < _CHANGES)) == zeros)
                for values in (
                    qpos[:, _side_columns(robot, h, "arm_joints")],
                    qpos[:, _side_columns(robot, h, "hand_joints")],
                )
            )
            local = _local(pose.transform(), pose.tips)
            if arm and _moves(pose.position):
                tips = transform_points(pose.transform(), moved.local_tips())
                arms[h] = Hand(pose.position, pose.rotation, tips)
                if hand:
                    made[h] = pose.hand(0, 1, 2)
            if hand and (_moves(local.reshape(len(local), -1)) or zeros):
                hands[h] = Hand(tips=transform_points(moved.transform(), local))
        text = "are zero in all frames" if zeros else "do not change"
        for key, cost, said, hand_or_arm in (
            ("joints", 0.8, "joints of qpos", made),
            ("arms", 0.9, "arm joints of qpos", arms),
            ("hands", 1.0, "hand joints of qpos", hands),
        ):
            mistake = Mistake(f"still {key} {zeros}", cost, f"{text}, but the record moves", said)
            yield mistake, (hand_or_arm[0], hand_or_arm[1])


def _moves(values: FloatArray) -> bool:
    known = values[np.isfinite(values).all(axis=-1)]
    return len(known) > 1 and float(np.ptp(known, axis=0).max()) > _MOVED


def _local(T_world_wrist: FloatArray, tips: FloatArray) -> FloatArray:
    return transform_points(transform_inverse(T_world_wrist), tips)


def _swaps(evidence: Evidence) -> Iterator[Guess]:
    """Left and right exchanged."""
    robot = evidence.robot
    for text, groups in (
        ("joints", ("arm_joints", "hand_joints")),
        ("arm joints", ("arm_joints",)),
        ("hand joints", ("hand_joints",)),
    ):
        qpos = evidence.demo.qpos.copy()
        for group in groups:
            left, right = (_side_columns(robot, h, group) for h in range(len(SIDES)))
            qpos[:, left], qpos[:, right] = (
                evidence.demo.qpos[:, right],
                evidence.demo.qpos[:, left],
            )
        subject = f"left and right {text} of qpos"
        yield (
            Mistake(f"swapped {text}", 1.1, "are swapped", subject, fatal=True, mix_up=True),
            _whole(evidence, qpos),
        )


def _pairs(evidence: Evidence) -> Iterator[Guess]:
    """A joint of the left arm in the place of the right one, and the other way round."""
    robot = evidence.robot
    left, right = robot.sides
    for a, b in zip(left.arm_joints, right.arm_joints, strict=False):
        columns = robot.indices([a, b])
        qpos = evidence.demo.qpos.copy()
        qpos[:, columns] = qpos[:, columns[::-1]]
        subject = f"{a} and {b} of qpos"
        mistake = Mistake(f"pair {a} {b}", 1.6, "are swapped", subject, mix_up=True)
        yield mistake, _whole(evidence, qpos)


def _units(evidence: Evidence) -> Iterator[Guess]:
    """Degrees; fractions of a joint's range."""
    robot, qpos = evidence.robot, evidence.demo.qpos
    span = robot.upper - robot.lower
    every = np.arange(qpos.shape[1])
    arms = np.concatenate([_side_columns(robot, h, "arm_joints") for h in range(len(SIDES))])
    hands = np.concatenate([_side_columns(robot, h, "hand_joints") for h in range(len(SIDES))])
    changed = {
        "degrees": ("are in degrees, expected radians", np.radians(qpos)),
        "unit range": (
            "are normalised (0 to 1 over each joint's range), expected radians",
            robot.lower + qpos * span,
        ),
        "unit range reversed": (
            "are normalised (1 to 0 over each joint's range), expected radians",
            robot.upper - qpos * span,
        ),
        "symmetric range": (
            "are normalised (-1 to 1 over each joint's range), expected radians",
            robot.lower + (qpos + 1.0) / 2.0 * span,
        ),
    }
    for key, (text, values) in changed.items():
        for subject, columns in (("qpos", every), ("arm joints", arms), ("hand joints", hands)):
            mended = qpos.copy()
            mended[:, columns] = values[:, columns]
            if key == "unit range reversed" and subject != "hand joints":
                continue
            said = text.replace("are", "is", 1) if subject == "qpos" else text
            of = subject if subject == "qpos" else f"{subject} of qpos"
            cost = 1.0 if subject == "qpos" else 1.2
            yield Mistake(f"{key} {subject}", cost, said, of), _whole(evidence, mended)


def joint_orders(robot: Robot) -> list[tuple[str, list[str]]]:
    """The orders that other software gives a robot's joints, in words and by name."""
    known = set(robot.joint_names)
    arms = [list(side.arm_joints) for side in robot.sides]
    hands = [list(side.hand_joints) for side in robot.sides]
    used = {name for names in (*arms, *hands) for name in names}
    others = [name for name in robot.joint_names if name not in used]
    urdf = [name for name in robot.model.names if name in known]
    legs = [name for name in urdf if name not in used]
    limbs = [arms[0] + arms[1] + hands[0] + hands[1], arms[0] + hands[0] + arms[1] + hands[1]]
    orders = [("in the URDF's order, limb by limb", urdf), ("in alphabetical order", sorted(known))]
    for rest in (others, legs):
        orders += [("in the order arms, hands, the rest", limbs[0] + rest)]
        orders += [
            ("in the order left arm and hand, right arm and hand, the rest", limbs[1] + rest)
        ]
        orders += [("in the order the rest, arms, hands", rest + limbs[0])]
        orders += [("in the order the rest, left arm and hand, right ones", rest + limbs[1])]
    swap = {"left": "right", "right": "left", "L_": "R_", "R_": "L_"}
    right_first = [_other_side(name, swap, known) for name in robot.joint_names]
    orders += [("in the robot's order with right before left", right_first)]
    listed = list(robot.joint_names)
    orders += [("one column too far to the right", [listed[-1], *listed[:-1]])]
    orders += [("one column too far to the left", [*listed[1:], listed[0]])]
    return [(text, list(order)) for text, order in orders]


def _orders(evidence: Evidence) -> Iterator[Guess]:
    """The order that other software gives the joints."""
    robot = evidence.robot
    for text, order in joint_orders(robot):
        qpos = np.empty_like(evidence.demo.qpos)
        qpos[:, robot.indices(order)] = evidence.demo.qpos
        said = f"{text}, expected {robot.name}'s joint_names"
        yield Mistake(text, 1.2, f"are {said}", "the joints of qpos"), _whole(evidence, qpos)
    for h, side in enumerate(robot.sides):
        columns = robot.indices(side.hand_joints)
        passive = [name for name in side.hand_joints if name not in side.active_joints]
        for text, names in (
            ("in alphabetical order", sorted(side.hand_joints)),
            (
                "in the URDF's order",
                [name for name in robot.model.names if name in set(side.hand_joints)],
            ),
            ("active ones first", [*side.active_joints, *passive]),
        ):
            if list(names) == list(side.hand_joints):
                continue
            qpos = evidence.demo.qpos.copy()
            qpos[:, robot.indices(names)] = evidence.demo.qpos[:, np.sort(columns)]
            yield (
                Mistake(f"hand {text}", 1.4, f"are {text}", "hand joints of qpos"),
                _hand_guess(evidence, h, qpos),
            )


def _other_side(name: str, swap: Mapping[str, str], known: set[str]) -> str:
    for a, b in swap.items():
        other = b + name[len(a) :]
        if name.startswith(a) and other in known:
            return other
    return name


def _commands(evidence: Evidence) -> Iterator[Guess]:
    """The measured joints stand in `action`."""
    if evidence.commands is not None:
        text = "and action are exchanged: action holds the joints that go with the poses"
        yield Mistake("commands", 2.1, text, "qpos"), _whole(evidence, evidence.commands)


def _hand_guess(evidence: Evidence, h: int, qpos: FloatArray) -> Guessed:
    """Tips of one hand by its joints in qpos."""
    columns = _side_columns(evidence.robot, h, "hand_joints")
    local = evidence.robot.hand_kinematics(h).positions(qpos[:, columns])
    hand = Hand(tips=transform_points(evidence.expected[h].transform(), local))
    return (hand, None) if h == 0 else (None, hand)


def _hands(evidence: Evidence) -> Iterator[Guess]:
    """Passive joints that do not follow; fingers' joints in each other's places."""
    robot, qpos = evidence.robot, evidence.demo.qpos
    for side in robot.sides:
        filled = qpos.copy()
        active = qpos[:, robot.indices(side.active_joints)]
        filled[:, robot.indices(side.hand_joints)] = robot.expand_hand(side.index, active)
        text = "do not follow the active ones"
        yield (
            Mistake("passive", 1.0, text, "the passive finger joints of qpos", mix_up=True),
            _hand_guess(evidence, side.index, filled),
        )
        order = _finger_order(evidence, side.index)
        groups = finger_columns(robot, side.index)
        if order is None or order == list(groups):
            continue
        permuted = qpos.copy()
        for finger, other in zip(groups, order, strict=True):
            permuted[:, groups[finger]] = qpos[:, groups[other]]
        names = ", ".join(FINGERS[other] for other in order)
        expected = ", ".join(FINGERS[finger] for finger in groups)
        text = f"stand in the places of {names}, expected {expected}"
        yield (
            Mistake(f"fingers {names}", 1.2, text, "the fingers' joints of qpos", mix_up=True),
            _hand_guess(evidence, side.index, permuted),
        )
    for side in robot.sides:
        for k, joint in enumerate(side.active_joints):
            flipped = qpos.copy()
            flipped[:, robot.indices([joint])] *= -1.0
            active = flipped[:, robot.indices(side.active_joints)]
            flipped[:, robot.indices(side.hand_joints)] = robot.expand_hand(side.index, active)
            mistake = Mistake(
                f"hand joint {k} sign",
                1.5,
                "has the other sign",
                "a hand joint of qpos",
                details={side.index: joint},
                mix_up=True,
            )
            yield mistake, _hand_guess(evidence, side.index, flipped)


def finger_columns(robot: Robot, h: int) -> dict[int, IntArray]:
    """Places in qpos of the joints of each finger that has as many joints as most have."""
    side = robot.sides[h]
    columns = robot.indices(side.hand_joints)
    jacobian = robot.hand_kinematics(h).jacobian(0.1 * np.ones(len(columns)))[..., :3, :]
    moves = np.abs(jacobian).max(axis=-2) > 1e-9  # finger, joint
    groups = {finger: columns[moves[finger]] for finger in range(len(FINGERS))}
    counts = [len(group) for group in groups.values()]
    usual = max(counts, key=counts.count)
    return {finger: group for finger, group in groups.items() if len(group) == usual}


def _finger_order(evidence: Evidence, h: int) -> list[int] | None:
    """For each of those fingers, the finger whose joints bring its tip to where it was recorded."""
    robot, pose = evidence.robot, evidence.record[h]
    valid = np.isfinite(pose.tips).all(axis=(-2, -1))
    if not valid.any():
        return None
    groups = finger_columns(robot, h)
    fingers = list(groups)
    columns = _side_columns(robot, h, "hand_joints")
    recorded = _local(evidence.expected[h].transform()[valid], pose.tips[valid])
    cost = np.zeros((len(fingers), len(fingers)))
    for shift in range(len(fingers)):
        qpos = evidence.demo.qpos[valid]
        for k, finger in enumerate(fingers):
            other = fingers[(k + shift) % len(fingers)]
            qpos[:, groups[finger]] = evidence.demo.qpos[valid][:, groups[other]]
        tips = robot.hand_kinematics(h).positions(qpos[:, columns])
        gap = np.linalg.norm(tips - recorded, axis=-1).sum(axis=0)
        for k, finger in enumerate(fingers):
            cost[k, (k + shift) % len(fingers)] = gap[finger]
    rows = np.arange(len(fingers))
    best = min(permutations(rows), key=lambda order: float(cost[rows, list(order)].sum()))
    return [fingers[k] for k in best]


def _arm_joints(evidence: Evidence) -> Iterator[Guess]:
    """One joint with the other sign or another zero, two exchanged, or in degrees."""
    for side in evidence.robot.sides:
        names, h = side.arm_joints, side.index
        columns = evidence.robot.indices(names)
        q = evidence.demo.qpos[:, columns]
        local = evidence.expected[h].local_tips()

        def guess(changed: FloatArray, h: int = h, local: FloatArray = local) -> Guessed:
            T_base = evidence.robot.arm_kinematics(h).forward(changed)[:, 0]
            T = evidence.robot.T_world_base @ T_base
            hand = Pose(T[:, :3, 3], T[:, :3, :3], transform_points(T, local)).hand(0, 1, 2)
            return (hand, None) if h == 0 else (None, hand)

        for text, values in (
            ("is in degrees, expected radians", np.radians(q)),
            ("has the other sign", -q),
        ):
            for k, name in enumerate(names):
                changed = q.copy()
                changed[:, k] = values[:, k]
                yield _arm_joint(f"{k} {text}", 1.5, text, {h: name}), guess(changed)
        for a, b in combinations(range(len(names)), 2):
            changed = q.copy()
            changed[:, [a, b]] = q[:, [b, a]]
            said = {h: f"{names[a]} and {names[b]}"}
            yield _arm_joint(f"{a} {b}", 1.7, "is exchanged with another", said), guess(changed)
        for k, offset in enumerate(_offsets(evidence, h, q)):
            changed = q.copy()
            changed[:, k] += offset
            said = {h: f"{names[k]} by {-offset:.3g} rad"}
            text = "has a constant offset: its zero is elsewhere"
            yield _arm_joint(f"{k} zero", 1.9, text, said), guess(changed)


def _arm_joint(key: str, cost: float, text: str, details: Mapping[int, str]) -> Mistake:
    return Mistake(f"arm joint {key}", cost, text, "an arm joint of qpos", details=details)


def _offsets(evidence: Evidence, h: int, q: FloatArray) -> Sequence[float]:
    """How far each arm joint would have to turn on, the same in all frames [rad]."""
    pose, moved = evidence.record[h], evidence.expected[h]
    jacobian = evidence.robot.arm_kinematics(h).jacobian(q)[:, 0]  # in the base frame
    turn = evidence.robot.T_world_base[:3, :3]
    axes = turn @ jacobian[:, 3:]  # (T, 3, n)
    between = pose.rotation @ moved.rotation.swapaxes(-1, -2)
    known = np.isfinite(between).all(axis=(-2, -1))
    if not known.any():
        return [0.0] * q.shape[1]
    # the turn of a rotation about an axis that it may be about: tan(angle) = axis.(R-R^T)/(tr R-1)
    skew = between[known] - between[known].swapaxes(-1, -2)
    twice = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=-1)
    sine = np.einsum("ti,tin->tn", twice, axes[known])
    cosine = np.trace(between[known], axis1=-2, axis2=-1) - 1.0
    return [float(x) for x in np.median(np.arctan2(sine, cosine[:, None]), axis=0)]
