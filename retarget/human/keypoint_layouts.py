"""The orders in which trackers give a hand's joints, and the way to MANO's 21 keypoints.

The 21 keypoints are those of `retarget.human.keypoints.KEYPOINT_NAMES`: wrist, then thumb, index,
middle, ring and little finger, four each from base to tip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retarget.core.checks import real_array
from retarget.core.errors import InputError
from retarget.core.frozen import FrozenDict
from retarget.core.geometry import lengths
from retarget.core.types import FINGERS, FloatArray
from retarget.human.keypoints import KEYPOINT_COUNT, KEYPOINT_NAMES, KEYPOINT_ORDER

ABSENT = -1  # place of a keypoint that a layout does not have


@dataclass(frozen=True)
class KeypointLayout:
    """One order of a hand's joints.

    Attributes:
        name: what it is called.
        joints: names of its J joints; a keypoint's own name where it is one of the 21.
        mano21: place of each of the 21 keypoints in it, `ABSENT` where it has none.
        description: who gives joints in this order.
    """

    name: str
    joints: tuple[str, ...]
    mano21: tuple[int, ...]
    description: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the keypoints that it does not have."""
        pairs = zip(KEYPOINT_NAMES, self.mano21, strict=True)
        return tuple(name for name, place in pairs if place == ABSENT)


def _layout(name: str, joints: tuple[str, ...], description: str) -> KeypointLayout:
    places = tuple(joints.index(k) if k in joints else ABSENT for k in KEYPOINT_NAMES)
    return KeypointLayout(name, joints, places, description)


_THUMB = KEYPOINT_NAMES[1:5]
# a finger of those that track the bones within the palm, too
_RAYS = tuple(
    joint
    for k, finger in enumerate(FINGERS[1:])
    for joint in (f"{finger}_metacarpal", *KEYPOINT_NAMES[5 + 4 * k : 9 + 4 * k])
)
_WITH_RAYS = ("wrist", *_THUMB, *_RAYS)
_TIPS = tuple(f"{finger}_tip" for finger in FINGERS)
_SMPLX = tuple(KEYPOINT_NAMES[KEYPOINT_ORDER.index(joint)] for joint in range(KEYPOINT_COUNT))
_HOT3D = (
    *_TIPS,
    "wrist",
    "thumb_mcp",
    "thumb_ip",
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip")),
    "palm",
)

_TABLE = (
    _layout("mano21", KEYPOINT_NAMES, "the order of this library, of OpenPose and of MediaPipe"),
    _layout("mediapipe21", KEYPOINT_NAMES, "MediaPipe: the same as mano21"),
    _layout("openxr26", ("palm", *_WITH_RAYS), "OpenXR's XR_EXT_hand_tracking; HoloLens"),
    _layout("webxr25", _WITH_RAYS, "WebXR: OpenXR's without the palm"),
    _layout("visionpro25", _WITH_RAYS, "Apple Vision Pro; EgoDex, a hand"),
    _layout("visionpro27", (*_WITH_RAYS, "forearm_wrist", "forearm_arm"), "ARKit with the forearm"),
    _layout("hot3d21", _HOT3D, "HOT3D, UmeTrack and Project Aria: tips first, no thumb_cmc"),
    _layout("manus25", _WITH_RAYS, "Manus raw skeleton, nodes 0 to 24"),
    _layout("manus26", (*_WITH_RAYS, "palm"), "Manus raw skeleton, all nodes: the palm is last"),
    _layout("smplx16", _SMPLX[:16], "MANO's own joints, index, middle, pinky, ring, thumb"),
    _layout("smplx21", _SMPLX, "MANO's own joints, then the tips, thumb to pinky"),
)
LAYOUTS: Mapping[str, KeypointLayout] = FrozenDict({layout.name: layout for layout in _TABLE})


def layouts_of(joints: int) -> tuple[KeypointLayout, ...]:
    """The layouts that have so many joints."""
    return tuple(layout for layout in _TABLE if len(layout.joints) == joints)


def find_layout(layout: str | KeypointLayout, joints: int | None = None) -> KeypointLayout:
    """A layout by its name, for so many joints.

    Raises:
        InputError: there is none of that name, or it has another number of joints; the message
            has those that would do.
    """
    if isinstance(layout, KeypointLayout):
        found = layout
    elif isinstance(layout, str) and layout in LAYOUTS:
        found = LAYOUTS[layout]
    else:
        raise InputError(f"no keypoint layout {layout!r}; {_those_of(joints)}", layout=layout)
    if joints is not None and joints != len(found.joints):
        raise InputError(
            f"layout {found.name!r} has {len(found.joints)} joints, got {joints}; "
            f"{_those_of(joints)}",
            layout=found.name,
            joints=joints,
        )
    return found


def to_mano21(keypoints: ArrayLike, layout: str | KeypointLayout) -> FloatArray:
    """Joints of a layout as the 21 keypoints.

    Args:
        keypoints: (..., J, 3) in any frame and unit.
        layout: by name, or itself.

    Returns:
        (..., 21, 3), NaN where the layout lacks a keypoint.

    Raises:
        InputError: see `find_layout`; or no array of that shape.
    """
    points = _points(keypoints)
    found = find_layout(layout, points.shape[-2])
    return _take(points, found.mano21)


def from_mano21(keypoints: ArrayLike, layout: str | KeypointLayout) -> FloatArray:
    """The 21 keypoints (..., 21, 3) in the order of a layout, (..., J, 3), NaN of other joints.

    Raises:
        InputError: see `find_layout`; or not 21 keypoints.
    """
    points = _points(keypoints)
    if points.shape[-2] != KEYPOINT_COUNT:
        raise InputError(
            f"keypoints must have shape (..., {KEYPOINT_COUNT}, 3), got {points.shape}"
        )
    found = find_layout(layout)
    places = tuple(
        KEYPOINT_NAMES.index(joint) if joint in KEYPOINT_NAMES else ABSENT for joint in found.joints
    )
    return _take(points, places)


_CLEARLY = 1.15  # times shorter bones, by which an order is taken for the true one


def guess_layout(keypoints: ArrayLike) -> tuple[KeypointLayout, str]:
    """The layout that joints are most likely in, and why in words.

    Where several layouts have that number of joints, the true one has by far the shortest bones.

    Args:
        keypoints: (T, J, 3) in any frame and unit; NaN of missing ones.

    Raises:
        InputError: no layout has so many joints, or the bones do not tell.
    """
    points = _points(keypoints)
    number = points.shape[-2]
    candidates: dict[tuple[int, ...], KeypointLayout] = {}
    for layout in layouts_of(number):
        candidates.setdefault(layout.mano21, layout)
    if not candidates:
        raise InputError(f"no keypoint layout has {number} joints; {_those_of(None)}")
    if len(candidates) == 1:
        layout = next(iter(candidates.values()))
        return layout, f"{number} joints a hand, taken to be in the order of {layout.name}"
    bones = {layout.name: _bone(_take(points, places)) for places, layout in candidates.items()}
    seen = np.isfinite(points.reshape(-1, number, 3)).all(axis=-1).reshape(-1, number)
    if not seen[:, 1:].any():  # a wrist at most
        layout = next(iter(candidates.values()))
        return layout, f"no finger is seen; taken to be in the order of {layout.name}"
    (best, short), (next_best, longer) = sorted(bones.items(), key=lambda pair: pair[1])[:2]
    if not longer > _CLEARLY * short:
        raise InputError(
            f"{number} joints may be in the order of {' or '.join(bones)}, and their bones do not "
            "tell; name the layout",
            layouts=tuple(bones),
        )
    said = f"bones {longer / short:.1f} times shorter than as {next_best}"
    return LAYOUTS[best], f"{number} joints a hand, taken to be in the order of {best}: {said}"


def _bone(points: FloatArray) -> float:
    """Mean length of a finger's bones, nan of missing ones left out; infinite of none."""
    fingers = points[..., 1:, :].reshape(*points.shape[:-2], len(FINGERS), 4, 3)
    with np.errstate(over="ignore", invalid="ignore"):
        bones = lengths(np.diff(fingers, axis=-2))
    known = bones[np.isfinite(bones)]
    return float(known.mean()) if known.size else float("inf")


def _take(points: FloatArray, places: tuple[int, ...]) -> FloatArray:
    index = np.array(places)
    taken = points[..., index, :]
    taken[..., index == ABSENT, :] = np.nan
    return taken


def _points(keypoints: ArrayLike) -> FloatArray:
    points = real_array(keypoints, "keypoints")
    if points.ndim < 2 or points.shape[-1] != 3:
        raise InputError(f"keypoints must have shape (..., J, 3), got {points.shape}")
    return points


def _those_of(joints: int | None) -> str:
    if joints is None:
        return "there are " + ", ".join(LAYOUTS)
    names = [layout.name for layout in layouts_of(joints)]
    if not names:
        return f"none has {joints}; there are " + ", ".join(
            f"{name} ({len(layout.joints)})" for name, layout in LAYOUTS.items()
        )
    return f"{joints} joints have {', '.join(names)}"
