"""Finds the similarity between a robot's hands and human hands, in which the fit fits best.

Seven numbers a side (scale, rotation vector, translation) are found by Levenberg-Marquardt on the
fit's own cost over poses sampled across the joint ranges; the pose coefficients are eliminated
frame by frame (variable projection, Golub and Pereyra 1973).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations, product
from pathlib import Path

import numpy as np

from retarget.core.errors import RetargetError
from retarget.core.geometry import rotation_from_rotvec, rotvec_from_rotation, skew
from retarget.core.types import SIDES, Calibration, FloatArray
from retarget.human.hand_model import HandModel
from retarget.human.keypoints import HandKeypoints
from retarget.mapping.fitter import MANOFitter
from retarget.robot.robot import Robot
from retarget.robot.spec import HandSide

SAMPLES = 500
START_SAMPLES = 50  # enough to tell which start is best
FAR_BETTER = 2.0  # times in cost; the wrong turns of H1's hands cost five times the right one
MAX_STEPS = 200
GAIN_DONE = 1e-9
TURNED = np.pi / 4  # a calibration that turns a hand farther than this is suspicious [rad]


def calibrate(
    robot: Robot | str | Path,
    hands: tuple[HandModel, HandModel],
    *,
    components: int = 15,
    prior: float = 1e-6,
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[Calibration, Calibration]:
    """Calibrate both hands of a robot, left then right.

    Args:
        robot: a `Robot`, or the name or folder of one.
        hands: human hand models, left and right.
        components: number of pose coefficients the fit will have.
        prior: the fit's prior [m^2].
        samples: robot poses per hand.
        seed: of those poses.

    Raises:
        RetargetError: the search did not converge.
    """
    robot, rng = Robot.of(robot), np.random.default_rng(seed)
    found = []
    for index, side in enumerate(SIDES):
        lower, upper = robot.hand_limits(side)
        tips = robot.hand_tips(side, rng.uniform(lower, upper, size=(samples, len(lower))))
        objective = _Objective(robot, hands, index, tips, components, prior)
        found.append(_minimised(objective, _start(objective)))
    return found[0], found[1]


def turn_warning(side: HandSide, calibration: Calibration) -> str:
    """What to say of a calibration that turns a hand by more than 45 degrees; "" of any other."""
    angle = float(np.linalg.norm(calibration.rotation))
    if angle <= TURNED:
        return ""
    axes = nearest_axes(side.wrist_to_mano, calibration).astype(int).tolist()
    return (
        f"the {side.side} hand is turned by {np.degrees(angle):.0f} degrees to fit, so "
        f"sides.{side.side}.wrist_to_mano is probably wrong; "
        f"the nearest with right angles is {axes}"
    )


def nearest_axes(wrist_to_mano: FloatArray, calibration: Calibration) -> FloatArray:
    """The right-angled ``wrist_to_mano`` that would leave the calibration the least to turn.

    ``A R^T`` leaves it nothing; nearest to that is the right-angled matrix whose product with it
    has the largest trace.

    Args:
        wrist_to_mano: (3, 3) rotation A that the calibration was found with.
        calibration: what was found.

    Returns:
        (3, 3) rotation of entries -1, 0 and 1.
    """
    ideal = wrist_to_mano @ rotation_from_rotvec(calibration.rotation).T
    candidates = right_angle_rotations()
    return np.asarray(candidates[np.argmax(np.sum(candidates * ideal, axis=(1, 2)))])


def right_angle_rotations() -> FloatArray:
    """(24, 3, 3) the rotations that take every axis to an axis, the identity first."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            if np.linalg.det(matrix) > 0.0:
                found.append(matrix)
    return np.stack(found)


def _minimised(objective: _Objective, start: Calibration) -> Calibration:
    """Levenberg-Marquardt over the seven numbers."""
    best, here, damping = start, objective(start), 1e-2
    for _ in range(MAX_STEPS):
        scaled = here.gram + damping * np.diag(np.diag(here.gram))
        step = np.asarray(np.linalg.solve(scaled, -here.gradient))
        tried = _stepped(best, step)
        there = objective(tried)
        if there.cost < here.cost:
            gain = (here.cost - there.cost) / here.cost
            best, here, damping = tried, there, 0.3 * damping
            if gain < GAIN_DONE:
                return best
        else:
            damping *= 8.0
            if damping > 1e6:
                return best
    raise RetargetError(f"the calibration did not converge in {MAX_STEPS} steps", cost=here.cost)


def _start(objective: _Objective) -> Calibration:
    """Where to search from: no turn, or one by right angles where that fits far better.

    With a ``wrist_to_mano`` that is wrong the search would end in a minimum nearby, in which hands
    fit badly and nothing says why.
    """
    few = replace(objective, tips=objective.tips[:START_SAMPLES])
    starts = [_aligned(objective, rotation) for rotation in right_angle_rotations()]
    costs = [few(start).cost for start in starts]
    best = int(np.argmin(costs))
    return starts[0 if costs[0] < FAR_BETTER * costs[best] else best]


def _aligned(objective: _Objective, rotation: FloatArray) -> Calibration:
    """Centre and size of the robot's fingertips laid on those of human poses, after a rotation."""
    side, tips = objective.side, objective.tips
    hand, axes = objective.hands[side], objective.robot.sides[side].wrist_to_mano
    z = np.random.default_rng(0).normal(size=(2_000, 15))
    human = HandKeypoints(hand).fingertips(z * hand.sigma[:15])
    theirs = (tips @ axes @ rotation.T).reshape(-1, 3)
    ours = (human - hand.root).reshape(-1, 3)
    reach = [np.linalg.norm(p, axis=-1).mean() for p in (theirs, ours)]
    scale = float(reach[0] / reach[1])
    offset = ours.mean(axis=0) - theirs.mean(axis=0) / scale
    return Calibration(scale, rotvec_from_rotation(rotation), offset)


@dataclass(frozen=True)
class _Objective:
    """The fit's mean cost at the robot's scale, ``s^2 (|residual|^2 + prior |z|^2)``, one side.

    At the human's scale a larger s would pay by shrinking everything.
    """

    robot: Robot
    hands: tuple[HandModel, HandModel]
    side: int
    tips: FloatArray
    components: int
    prior: float

    @cached_property
    def fitter(self) -> MANOFitter:
        """Fits in the hand model's frame, so that one will do for every calibration."""
        return MANOFitter(
            self.robot,
            self.hands,
            components=self.components,
            prior=self.prior,
            calibrations=(Calibration(1.0), Calibration(1.0)),
        )

    def __call__(self, calibration: Calibration) -> _Local:
        fitter, weight = self.fitter, float(np.sqrt(self.prior))
        frame = replace(fitter.frames[self.side], calibration=calibration)
        target = frame.human_from_robot(self.tips)
        pca = fitter.fit_hand(self.side, target).pca
        sigma = fitter.hands[self.side].sigma[: self.components]
        fitted, J = fitter.layers[self.side].fingertips_and_jacobian(pca)
        n, k = pca.shape
        residual = np.concatenate([(fitted - target).reshape(n, 15), weight * pca / sigma], axis=1)
        by_pose = np.concatenate(
            [J.reshape(n, 15, k) * sigma, weight * np.tile(np.eye(k), (n, 1, 1))], axis=1
        )
        # the target moves by -arm (log scale), cross(w, arm) and the translation
        arm = target - calibration.translation - frame.root
        moved = np.zeros((n, 5, 3, 7))
        moved[..., 0] = -arm
        moved[..., 1:4] = -skew(arm)
        moved[..., 4:] = np.eye(3)
        by_frame = np.concatenate([-moved.reshape(n, 15, 7), np.zeros((n, k, 7))], axis=1)
        by_frame[..., 0] += residual  # the cost's own s
        # project out what the pose coefficients can follow
        basis, _ = np.linalg.qr(by_pose)
        free = by_frame - basis @ (np.swapaxes(basis, -1, -2) @ by_frame)
        scale = calibration.scale**2 / n
        return _Local(
            cost=float(scale * np.sum(residual**2)),
            gradient=scale * np.einsum("nia,ni->a", by_frame, residual),
            gram=scale * np.einsum("nia,nib->ab", free, free),
        )


@dataclass(frozen=True)
class _Local:
    """Cost [m^2] at a calibration, with its gradient (7,) and Gauss-Newton matrix (7, 7)."""

    cost: float
    gradient: FloatArray
    gram: FloatArray


def _stepped(c: Calibration, step: FloatArray) -> Calibration:
    rotation = rotation_from_rotvec(step[1:4]) @ rotation_from_rotvec(c.rotation)
    return Calibration(
        float(c.scale * np.exp(step[0])), rotvec_from_rotation(rotation), c.translation + step[4:]
    )
