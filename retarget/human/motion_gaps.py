"""Human motion over time: gaps filled where asked for, and smoothing that stops at gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.linalg import solveh_banded

from retarget.core.checks import real, whole
from retarget.core.errors import InputError
from retarget.core.geometry import quat_wxyz_from_rotation, rotation_from_quat_wxyz
from retarget.core.types import SIDES, BoolArray, FloatArray, HumanMotion, Status

FILLS = ("none", "hold", "linear")
CUTOFF = 6.0  # [Hz] hands hardly move faster
_SMOOTHED = 3  # frames of a stretch that has second differences


def fill_gaps(motion: HumanMotion, how: str = "linear", longest: int = 15) -> HumanMotion:
    """Motion with its short gaps filled, and marked as `HELD`.

    Args:
        motion: (T, 2, ...) of consecutive frames.
        how: "hold" repeats the frame before the gap, "linear" goes straight from it to the frame
            after (rotations along the shorter arc), "none" leaves gaps as they are.
        longest: gaps of more frames stay; so do those at the begin, and for "linear" at the end.

    Returns:
        New motion; residuals of filled frames are NaN, iterations 0.

    Raises:
        InputError: there is no such way, or `longest` is negative.
    """
    if how not in FILLS:
        raise InputError(f"fill must be one of {', '.join(FILLS)}, got {how!r}", value=how)
    whole("longest", longest, 0)
    pca, T = motion.pca.copy(), motion.T_world_mano.copy()
    status = motion.status.copy()
    pose = None if motion.hand_pose is None else motion.hand_pose.copy()
    for side in range(len(SIDES)):
        for start, stop in stretches(_missing(motion, side)):
            first, last = start - 1, stop
            ends = last >= len(pca)
            if how == "none" or stop - start > longest or first < 0 or (ends and how == "linear"):
                continue
            share = np.zeros(stop - start)
            if how == "linear":
                share = np.arange(1, stop - start + 1) / (stop - start + 1)
            after = first if how == "hold" else last
            rows = slice(start, stop)
            for values in (pca, pose):
                if values is not None:
                    one, other = values[first, side], values[after, side]
                    weight = share.reshape(-1, *[1] * one.ndim)
                    values[rows, side] = (1.0 - weight) * one + weight * other
            T[rows, side] = _between(T[first, side], T[after, side], share)
            status[rows, side] = int(Status.HELD)
    return replace(motion, pca=pca, T_world_mano=T, status=status, hand_pose=pose)


def smooth_motion(motion: HumanMotion, rate: float, cutoff: float = CUTOFF) -> HumanMotion:
    """Motion without what is faster than hands are; looks ahead, so not for live use.

    Per hand and stretch between gaps, coefficients, positions and unit quaternions x minimise
    ``|x - seen|^2 + (2 pi cutoff / rate)^-4 |second differences of x|^2`` (Whittaker 1923): at the
    cutoff half of a motion is left. Gaps are never bridged.

    Args:
        motion: (T, 2, ...) of consecutive frames.
        rate: frames per second [Hz].
        cutoff: frequency of which half is left [Hz].

    Raises:
        InputError: a rate or cutoff that is not positive.
    """
    for name, value in (("rate", rate), ("cutoff", cutoff)):
        if not 0.0 < real(name, value) < np.inf:
            raise InputError(f"{name} must be positive, got {value}", value=value)
    weight = (2.0 * np.pi * cutoff / rate) ** -4.0
    pca, T = motion.pca.copy(), motion.T_world_mano.copy()
    pose = None if motion.hand_pose is None else motion.hand_pose.copy()
    for side in range(len(SIDES)):
        for start, stop in stretches(~_missing(motion, side)):
            if stop - start < _SMOOTHED:
                continue
            rows = slice(start, stop)
            pca[rows, side] = _smoothed(pca[rows, side], weight)
            T[rows, side, :3, 3] = _smoothed(T[rows, side, :3, 3], weight)
            turns = _smoothed(_unwrapped(T[rows, side, :3, :3]), weight)
            T[rows, side, :3, :3] = rotation_from_quat_wxyz(turns)
            if pose is not None:
                flat = pose[rows, side].reshape(stop - start, -1)
                pose[rows, side] = _smoothed(flat, weight).reshape(-1, *pose.shape[2:])
    return replace(motion, pca=pca, T_world_mano=T, hand_pose=pose)


def _missing(motion: HumanMotion, side: int) -> BoolArray:
    return np.asarray(~np.isfinite(motion.pca[:, side]).all(axis=-1))


def stretches(mask: BoolArray) -> Iterator[tuple[int, int]]:
    """Begin and end (excluded) of every run of true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    for start, stop in edges.reshape(-1, 2):
        yield int(start), int(stop)


def _unwrapped(R: FloatArray) -> FloatArray:
    """Quaternions wxyz (n, 4) of rotations, each on the side of the one before."""
    quat = quat_wxyz_from_rotation(R)
    turned = np.cumprod(np.where(np.sum(quat[1:] * quat[:-1], axis=-1) < 0.0, -1.0, 1.0))
    quat[1:] *= turned[:, None]
    return quat


def _between(one: FloatArray, other: FloatArray, share: FloatArray) -> FloatArray:
    """Poses (n, 4, 4) on the way from one (4, 4) to another."""
    quat = _unwrapped(np.stack([one[:3, :3], other[:3, :3]]))
    angle = 2.0 * np.arctan2(np.linalg.norm(quat[1] - quat[0]), np.linalg.norm(quat[1] + quat[0]))
    part = share[:, None]
    if angle > 1e-6:
        quats = (np.sin((1.0 - part) * angle) * quat[0] + np.sin(part * angle) * quat[1]) / np.sin(
            angle
        )
    else:
        quats = (1.0 - part) * quat[0] + part * quat[1]
    T = np.tile(np.eye(4), (len(share), 1, 1))
    T[:, :3, :3] = rotation_from_quat_wxyz(quats)
    T[:, :3, 3] = (1.0 - part) * one[:3, 3] + part * other[:3, 3]
    return T


def _smoothed(values: FloatArray, weight: float) -> FloatArray:
    """Rows (n, m) with their second differences (n >= 3) held down."""
    n = len(values)
    # bands of I + weight D^T D, D the second differences
    bands = np.zeros((3, n))
    for offset, factor in ((0, 1.0), (1, -2.0), (2, 1.0)):
        bands[2, offset : offset + n - 2] += weight * factor * factor
    bands[1, 1 : n - 1] += -2.0 * weight
    bands[1, 2:n] += -2.0 * weight
    bands[0, 2:] += weight
    bands[2] += 1.0
    return np.asarray(solveh_banded(bands, values))
