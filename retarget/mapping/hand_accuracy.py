"""How exactly the hand networks bring fingertips back: robot joints -> fit -> network -> joints."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from retarget.core.errors import InputError, TrainingError
from retarget.core.statistics import ErrorStats
from retarget.core.types import SIDES, FloatArray
from retarget.mapping.hand_mlp import HandMLP

GATE = 5e-5  # mean fingertip error the paper states, and training must reach [m]
NOISE = 1e-3  # how far each human fingertip is moved to see how calm the robot's stays [m]


@dataclass(frozen=True)
class HandAccuracy:
    """What `check_hands` measured, left then right.

    Attributes:
        plain: FK fingertip error without refinement [m].
        refined: the same with one refinement step [m].
        noise: how far the robot's fingertips move when each human fingertip moves by `NOISE` [m].
        samples: poses per hand.
    """

    plain: tuple[ErrorStats, ErrorStats]
    refined: tuple[ErrorStats, ErrorStats]
    noise: tuple[ErrorStats, ErrorStats]
    samples: int

    def flat(self) -> dict[str, float]:
        """Every figure by a dotted name such as ``left.plain.mean``."""
        return {
            f"{side}.{kind}.{name}": value
            for kind in ("plain", "refined", "noise")
            for side, stats in zip(SIDES, getattr(self, kind), strict=True)
            for name, value in asdict(stats).items()
        }


def check_hands(
    mlp: HandMLP, *, samples: int = 20_000, seed: int = 1, active: FloatArray | None = None
) -> HandAccuracy:
    """Measure FK fingertip errors on held-out robot poses, and the effect of noisy human input.

    Args:
        mlp: the network and its fit.
        samples: poses per hand, uniform over the joint limits.
        seed: of the poses and the noise.
        active: (N, 2, m) active joints to measure on instead, e.g. recorded ones [rad].

    Raises:
        InputError: no pose to measure on.
    """
    robot, fitter = mlp.fitter.robot, mlp.fitter
    rng = np.random.default_rng(seed)
    if active is None:
        limits = [robot.hand_limits(side) for side in SIDES]
        drawn = [rng.uniform(low, high, size=(samples, len(low))) for low, high in limits]
        active = np.stack(drawn, axis=1)
    if active.ndim != 3 or active.shape[0] == 0:
        raise InputError(f"active must have shape (N, 2, m) with N > 0, got {active.shape}")

    def tips_of(joints: FloatArray) -> FloatArray:
        both = [robot.hand_tips(side, joints[:, k]) for k, side in enumerate(SIDES)]
        return np.stack(both, axis=1)

    wanted = tips_of(active)
    fits = [
        fitter.fit_hand(k, f.human_from_robot(wanted[:, k])) for k, f in enumerate(fitter.frames)
    ]
    human = fitter.fingertips(np.stack([fit.pca for fit in fits], axis=1))
    plain = tips_of(mlp.joints_from_fingertips(human))
    refined = tips_of(mlp.joints_from_fingertips(human, refine=1))
    push = rng.normal(size=human.shape)
    push *= NOISE / np.linalg.norm(push, axis=-1, keepdims=True)
    noisy = tips_of(mlp.joints_from_fingertips(human + push))

    def per_side(reached: FloatArray, reference: FloatArray) -> tuple[ErrorStats, ErrorStats]:
        errors = np.linalg.norm(reached - reference, axis=-1)
        return ErrorStats.of(errors[:, 0]), ErrorStats.of(errors[:, 1])

    return HandAccuracy(
        plain=per_side(plain, wanted),
        refined=per_side(refined, wanted),
        noise=per_side(noisy, plain),
        samples=len(active),
    )


def require_accurate(measured: HandAccuracy) -> dict[str, float]:
    """The measured errors by name, if the plain mean meets `GATE` on both hands.

    Raises:
        TrainingError: it does not.
    """
    for side, stats in zip(SIDES, measured.plain, strict=True):
        if not stats.mean <= GATE:
            raise TrainingError(
                f"the {side} hand's mean fingertip error is {stats.mean * 1e6:.1f} um on held-out "
                f"poses, above the gate of {GATE * 1e6:.0f} um; train longer or recalibrate",
                **measured.flat(),
            )
    return measured.flat()
