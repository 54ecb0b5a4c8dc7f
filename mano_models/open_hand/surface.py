"""The skin: fingers as tubes with measured-like profiles, the palm as a smooth union of solids.

All lengths here are millimetres from the wrist joint. Breadths and depths are estimates of this
project for an adult half-way between men and women; they put the hand's breadth, its thickness at
the knuckles and the wrist's size within the ranges of Gordon et al. (1989), see `anthropometry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from .anthropometry import FINGERS, WRIST, Array, Skeleton, bone_lengths, unit

BLEND = 4.0  # [mm] over which the solids of the palm flow into one another
FINGER_BLEND = 1.3  # [mm] the same between neighbouring fingers: it makes the webs
JOINT_BREADTH = {  # [mm] breadth at the second and third joint of each finger
    "index": (19.0, 16.6),
    "middle": (19.4, 17.0),
    "ring": (18.4, 16.2),
    "pinky": (16.4, 14.4),
}
# Per station of a finger (first joint, mid, second joint, mid, third joint, pad): half breadth, and
# depths above and below the bone, in parts of the breadth at the nearest joint. The bone lies
# nearer the back; the pads between the creases are fuller than the joints.
FINGER_PROFILE = np.array(
    [
        [0.54, 0.53, 0.50, 0.49, 0.50, 0.49],
        [0.50, 0.45, 0.43, 0.40, 0.40, 0.33],
        [0.66, 0.56, 0.47, 0.52, 0.45, 0.52],
    ]
)
# The thumb's stations (first joint, mid metacarpal, MCP, mid, IP, pad) [mm].
THUMB_PROFILE = np.array(
    [
        [14.0, 13.5, 11.8, 10.2, 10.7, 10.6],
        [12.0, 11.0, 10.0, 8.6, 8.6, 6.6],
        [13.0, 13.5, 11.5, 10.2, 9.6, 10.4],
    ]
)
DOME_START = 0.45  # part of the last segment where the fingertip begins to close


@dataclass(frozen=True)
class Tube:
    """A straight finger: its frame and its profile along the bone [mm]."""

    origin: Array  # (3,) first joint
    frame: Array  # (3, 3) rows: along the finger, towards the thumb side, back
    stations: Array  # (4,) distance of the three joints and the tip from the origin
    half_breadth: Callable[[Array], Array]
    above: Callable[[Array], Array]
    below: Callable[[Array], Array]

    def local(self, points: Array) -> Array:
        """Return points (n, 3) in the finger's frame (along, across, back)."""
        return (points - self.origin) @ self.frame.T

    def closing(self, t: Array) -> Array:
        """Return the part (0 to 1) of its full section that the fingertip has left at t."""
        start = self.stations[2] + DOME_START * (self.stations[3] - self.stations[2])
        q = np.clip((t - start) / (self.stations[3] - start), 0.0, 1.0)
        return np.sqrt(1.0 - q**2.2)

    def ring(self, t: float, angles: Array) -> Array:
        """Return the section's points (n, 3) at t; angle 0 is the thumb side, 90 deg the back."""
        cos, sin = np.cos(angles), np.sin(angles)
        depth = np.where(sin > 0, self.above(t), self.below(t))
        section = np.stack([np.full_like(cos, t), self.half_breadth(t) * cos, depth * sin], axis=1)
        section[:, 1:] *= self.closing(np.array(t))
        return self.origin + section @ self.frame

    def distance(self, points: Array) -> Array:
        """Return about the distance (n,) [mm] of points to the tube, negative inside."""
        t, across, back = self.local(points).T
        inside = np.clip(t, 0.0, self.stations[3])
        breadth = self.half_breadth(inside)
        depth = np.where(back > 0, self.above(inside), self.below(inside))
        ends = (t - inside) / breadth
        radius = np.sqrt((across / breadth) ** 2 + (back / depth) ** 2 + ends**2)
        return (radius - self.closing(inside)) * np.minimum(breadth, depth)


@dataclass(frozen=True)
class Solid:
    """A rounded cone of elliptic section from `start` to `end` [mm].

    `start_half` and `end_half` are half breadth (across) and half depth (along `back`).
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    start_half: tuple[float, float]
    end_half: tuple[float, float]
    back: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def distance(self, points: Array) -> Array:
        """Return about the distance (n,) [mm] of points to the solid, negative inside."""
        start, end = np.array(self.start), np.array(self.end)
        length = float(np.linalg.norm(end - start))
        along = (end - start) / length
        back = unit(np.array(self.back) - (np.array(self.back) @ along) * along)
        relative = points - start
        t = relative @ along
        inside = np.clip(t, 0.0, length)
        part = inside[:, None] / length
        half = np.array(self.start_half) * (1 - part) + np.array(self.end_half) * part
        across = relative @ np.cross(along, back)
        radius = np.sqrt(
            (across / half[:, 0]) ** 2
            + ((relative @ back) / half[:, 1]) ** 2
            + ((t - inside) / half.min(axis=1)) ** 2
        )
        return (radius - 1.0) * half.min(axis=1)


def build_tubes(skeleton: Skeleton) -> dict[str, Tube]:
    """Build the five fingers' tubes."""
    tubes = {}
    for f, finger in enumerate(FINGERS):
        stations = np.concatenate([[0.0], np.cumsum(bone_lengths(finger))])
        flexion, back, along = skeleton.axes[3 * f]
        middle = (stations[:-1] + stations[1:]) / 2
        at = np.array([*np.stack([stations[:2], middle[:2]], 1).ravel(), stations[2], middle[2]])
        if finger == "thumb":
            profile = THUMB_PROFILE
        else:
            second, third = JOINT_BREADTH[finger]
            nearest = np.array([second, second, second, (second + third) / 2, third, third])
            profile = FINGER_PROFILE * nearest
        tubes[finger] = Tube(
            skeleton.joints[3 * f + 1] * 1e3 - WRIST,
            np.stack([along, flexion, back]),
            stations,
            *(PchipInterpolator([*at, stations[3]], [*row, row[-1]]) for row in profile),
        )
    return tubes


def build_palm_solids(tubes: dict[str, Tube]) -> list[Solid]:
    """Build the solids of forearm, metacarpals, thenar, hypothenar and first web."""
    solids = [
        Solid((45, 0, -1), (4, 0, -1), (24.0, 16.0), (22.5, 15.0)),  # forearm
        Solid((0, -1, 0), (-32, -1, 1), (20.0, 13.0), (25.0, 13.0)),  # carpus
    ]
    for finger, base in {
        "index": (-22, 1, 11),
        "middle": (-22, 2, 1),
        "ring": (-22, 1, -8),
        "pinky": (-20, 0, -14),
    }.items():
        x, y, z = tubes[finger].origin
        solids += [
            Solid(base, (x, y - 1, z), (9.0, 9.0), (8.5, 8.5)),  # metacarpal
            Solid((-26, -8, base[2] * 0.9), (x + 2, y - 8, z), (9.0, 6.5), (8.0, 6.5)),  # palm
        ]
    thumb, index = tubes["thumb"], tubes["index"]
    ray = thumb.frame[0]
    mcp = thumb.origin + thumb.stations[1] * ray
    web_thumb = tuple(thumb.origin + 0.62 * thumb.stations[1] * ray)
    web_index = tuple(index.origin + np.array([18.0, -5.0, -2.0]))
    solids += [
        # thenar: from the carpus below the first metacarpal
        Solid((-10, -9, 12), tuple(mcp - 20 * ray), (13.0, 10.0), (10.5, 9.5), (0.3, 0.8, 0.3)),
        Solid((-34, -11, 10), tuple(mcp - 25 * ray), (14.0, 9.0), (10.0, 9.0)),
        # hypothenar
        Solid((-8, -6, -15), (-60, -7, -30), (10.0, 11.0), (9.0, 10.5)),
        # first web: a sheet between thumb and index
        Solid(web_thumb, web_index, (11.0, 6.0), (12.0, 8.0)),
    ]
    return solids


def _union(distances: list[Array], blend: float) -> Array:
    """Return the distance (n,) [mm] to the smooth union of solids, each given by its own (n,)."""
    return -blend * np.logaddexp.reduce(-np.stack(distances) / blend, axis=0)


class Skin:
    """The whole skin as one smooth function, negative inside [mm]."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.tubes = build_tubes(skeleton)
        self._solids = build_palm_solids(self.tubes)

    def distance(self, points: Array) -> Array:
        """Return about the distance (n,) [mm] of points (n, 3) to the skin."""
        fingers = [tube.distance(points) for tube in self.tubes.values()]
        parts = [_union(fingers, FINGER_BLEND)]
        parts += [solid.distance(points) for solid in self._solids]
        return _union(parts, BLEND)

    def leave(self, start: Array, direction: Array) -> Array:
        """Return where the ray from `start` (3,), inside, along `direction` leaves the skin."""
        near, far = 0.0, 60.0
        steps = np.linspace(near, far, 121)
        outside = self.distance(start + steps[:, None] * direction) > 0
        far = steps[outside.argmax()]
        near = far - 0.5
        for _ in range(40):
            middle = (near + far) / 2
            if self.distance((start + middle * direction)[None])[0] > 0:
                far = middle
            else:
                near = middle
        return start + near * direction

    def project(self, points: Array, steps: int = 4) -> Array:
        """Return the points (n, 3) moved onto the skin along its gradient."""
        for _ in range(steps):
            value = self.distance(points)
            shifts = 0.01 * np.eye(3)
            gradient = np.stack(
                [(self.distance(points + s) - self.distance(points - s)) / 0.02 for s in shifts],
                axis=1,
            )
            slope = np.maximum((gradient**2).sum(axis=1), 0.05)
            points = points - (np.clip(value, -6.0, 6.0) / slope)[:, None] * gradient
        return points
