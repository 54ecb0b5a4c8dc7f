"""Anatomical ranges of motion and finger synergies in, pose mean and principal components out.

Sources
-------
[A] American Academy of Orthopaedic Surgeons (1965), Joint Motion: active ranges. Fingers: MCP -45
    to 90 deg, PIP 0 to 100, DIP 0 to 90, spread 20. Thumb: carpometacarpal abduction 70, flexion
    15, extension 20, MCP 0 to 50, IP -20 to 80 (0 is the flat hand).
[H] Hume et al. (1990), Functional range of motion of the joints of the hand, J. Hand Surg. Am.
    15:240-243: daily tasks hold the fingers at MCP 61, PIP 60, DIP 39 deg on average, the thumb at
    MCP 21, IP 18 deg.
[B] Bain et al. (2015), The functional range of motion of the finger joints, J. Hand Surg. Eur.
    40:406-411: MCP 19-71, PIP 23-87, DIP 10-64 deg in daily tasks.
[S] Santello, Flanders, Soechting (1998), Postural hand synergies for tool use, J. Neurosci.
    18:10105-10115: two components hold over 80 % of the variance of grasping hands, and the higher
    ones are not noise: all fingers bend together, first at the MCP, then at the PIP joints.
[E] An estimate of this project. The spreads (standard deviations) and the strengths of the
    couplings are of this kind; they are set so that the whole active range [A] lies within about
    two standard deviations, and so that grasps [S] are common without being alone: a robot hand
    moves its fingers one by one.

Fifteen dimensions are large, three a finger: MCP flexion, PIP flexion (DIP follows) and spread; for
the thumb CMC flexion, CMC abduction (pronation follows) and MCP flexion (IP follows). So the first
fifteen components hold them all, and five fingertips, fifteen numbers, determine them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anthropometry import FINGERS, Array

SAMPLES = 20_000
SEED = 20100615
DIP_PER_PIP = 0.67  # the tendons couple the last two joints at about two thirds [E]
KEPT_COEFFICIENTS = 200

# [E] spread along (common spreading, own) by finger, standard deviations [deg]. The middle finger
# is the hand's axis of abduction: it moves least.
SPREAD = {"index": (6.0, 5.5), "middle": (0.6, 4.3), "ring": (-4.0, 4.0), "pinky": (-7.5, 6.0)}

# Passive give of the joints outside the fifteen freedoms [E]: standard deviations that grow evenly
# from the first to the last of the 45 numbers, so that no two components have the same variance and
# their order and direction do not depend on rounding.
GIVE_DEG = (0.2, 0.6)


@dataclass(frozen=True)
class PoseSpace:
    """Mean and principal components of the hand's poses (rotation vectors, 15 joints x 3).

    Attributes:
        mean : (45,) mean pose [rad].
        components : (45, 45) orthonormal rows, variance falling.
        variance : (45,) variance along each row [rad^2].
        coefficients : (200, 45) sampled poses in these coordinates [rad].
    """

    mean: Array
    components: Array
    variance: Array
    coefficients: Array


def _finger_angles(rng: np.random.RandomState, count: int, angles: Array) -> None:
    """Fill (count, 15, 3) angles [deg] (flexion, abduction, twist) of the four fingers."""
    grasp, hook, spread = rng.standard_normal((3, count))
    for k, finger in enumerate(FINGERS[:4]):
        own_mcp, own_pip, own_dip, own_spread, own_twist = rng.standard_normal((5, count))
        # [S] half of the variance of flexion is common to all fingers.
        mcp = np.clip(40 + 27 * (0.71 * grasp + 0.71 * own_mcp), -20, 92)
        pip = np.clip(50 + 29 * (0.71 * (0.5 * grasp + 0.87 * hook) + 0.71 * own_pip), -3, 106)
        dip = np.clip(DIP_PER_PIP * pip + 2 * own_dip, -3, 82)
        common, own = SPREAD[finger]
        # The collateral ligaments tighten as the MCP joint bends (Kapandji), and stop the spread.
        free = 1.15 - 0.6 * np.clip(mcp, 0, 90) / 90
        abduction = np.clip(free * (common * spread + own * own_spread), -25, 25)
        angles[:, 3 * k : 3 * k + 3, 0] = np.stack([mcp, pip, dip], axis=1)
        angles[:, 3 * k, 1] = abduction
        angles[:, 3 * k, 2] = 0.15 * abduction + 0.8 * own_twist


def _thumb_angles(rng: np.random.RandomState, count: int, angles: Array) -> None:
    """Fill (count, 15, 3) angles [deg] of the thumb: opposition, then bending."""
    oppose, bend, own_cmc, own_mcp, own_ip, own_twist = rng.standard_normal((6, count))
    flexion = np.clip(14 + 23 * (0.75 * bend + 0.3 * oppose + 0.59 * own_cmc), -35, 62)
    abduction = np.clip(12 + 25 * oppose, -38, 62)
    # The saddle joint turns the thumb's pad towards the fingers as it is abducted and flexed.
    pronation = np.clip(0.35 * abduction + 0.15 * flexion + 2 * own_twist, -25, 45)
    mcp = np.clip(18 + 18 * (0.4 * bend + 0.92 * own_mcp), -12, 62)
    # One tendon, the flexor pollicis longus, bends both: the IP joint follows the MCP joint.
    ip = np.clip(24 + 24 * (0.25 * bend + 0.95 * own_mcp) + 2 * own_ip, -20, 82)
    angles[:, 12] = np.stack([flexion, abduction, pronation], axis=1)
    angles[:, 13, 0] = mcp
    angles[:, 14, 0] = ip


def sample_poses(axes: Array, count: int = SAMPLES, seed: int = SEED) -> Array:
    """Draw (count, 45) anatomical poses [rad] about the joint axes (15, 3, 3) of a skeleton."""
    # RandomState, not Generator: NumPy has frozen its stream, so every version draws the same.
    rng = np.random.RandomState(seed)
    angles = np.zeros((count, 15, 3))
    _finger_angles(rng, count, angles)
    _thumb_angles(rng, count, angles)
    return np.einsum("nja,jac->njc", np.radians(angles), axes).reshape(count, 45)


def build_pose_space(axes: Array) -> PoseSpace:
    """Sample poses about the axes (15, 3, 3) and return their principal components."""
    poses = sample_poses(axes)
    mean = poses.mean(axis=0)
    centred = poses - mean
    give = np.radians(np.linspace(*GIVE_DEG, 45))
    covariance = centred.T @ centred / (len(poses) - 1) + np.diag(give**2)
    variance, vectors = np.linalg.eigh(covariance)
    variance, components = variance[::-1], vectors.T[::-1]
    # An eigenvector has no sign: make its largest entry positive.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(45), largest])[:, None]
    return PoseSpace(
        mean=mean,
        components=np.ascontiguousarray(components),
        variance=np.ascontiguousarray(variance),
        coefficients=centred[:KEPT_COEFFICIENTS] @ components.T,
    )
