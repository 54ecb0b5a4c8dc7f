"""The mesh: rings of vertices along forearm, palm and fingers, relaxed on the skin.

Counts. Fingers have ten points a ring, ten rings, a cap of seven and the tip. The four finger
bases share the end of the palm: 28 points around, and one in each of the three webs. The palm goes
on with 22 points a ring, has a hole of 3 x 3 cells for the thumb, and ends in an open rim of 16
points on the forearm, as MANO does: 778 vertices, 1538 faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .anthropometry import FINGERS, TIP_VERTEX, WRIST, Array, Skeleton, unit
from .surface import Skin, Tube

VERTICES = 778
FINGER_RING, PALM_END, PALM_RING, RIM = 10, 28, 22, 16
PALM_FINGERS = ("index", "middle", "ring", "pinky")
WEB = 0.50  # part of the proximal phalanx where the web lies
THUMB_BASE = 0.5  # part of the thumb's metacarpal where its tube leaves the palm
CAP = {"index": 7, "middle": 7, "ring": 7, "pinky": 7, "thumb": 8}  # points about the tip
CAP_START = 0.45
RELAXATIONS = 60
SAME_LENGTH = 1e-6  # [mm] quads' diagonals differ by rounding, 1e-14, or by more than 1e-3
# Of quads whose diagonals are of one length, in their order: 1 where the cut is along the second;
# rounding chose once, and the committed files, which networks are trained for, have its choice.
CUTS = f"{0xEA4AD030060BD7FE882:076b}"
# Rings of the palm from the webs to the forearm: x of the ring's middle [mm], rows of the thumb.
PALM_X = np.array([-84.0, -72.0, -60.0, -48.0, -36.0, -24.0, -11.0, 3.0])
RIM_X = 17.0
THUMB_ROWS, THUMB_COLUMNS = (1, 4), (-2, 1)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """The rest mesh of a right hand.

    Attributes:
        vertices : (778, 3) [m].
        faces : (1538, 3), counter-clockwise seen from outside.
        finger : (778,) number of the finger (order of `FINGERS`) whose tube a vertex is on, or -1.
        speaks_for : (16, 778) true where a vertex may be used to find a joint's centre.
    """

    vertices: Array
    faces: Ints
    finger: Ints
    speaks_for: NDArray[np.bool_]


class _Builder:
    """Vertices and polygons as they are added."""

    def __init__(self) -> None:
        self.points: list[Array] = []
        self.free: list[bool] = []
        self.finger: list[int] = []
        self.polygons: list[tuple[int, ...]] = []

    def add(self, points: Array, finger: int = -1, free: bool = False) -> Ints:
        first = len(self.points)
        for point in np.atleast_2d(points):
            self.points.append(point)
            self.free.append(free)
            self.finger.append(finger)
        return np.arange(first, len(self.points))

    def at(self, ids: Ints) -> Array:
        return np.array([self.points[i] for i in ids])

    def strip(self, lower: Ints, upper: Ints) -> None:
        """Join two closed rings, both counter-clockwise seen from the upper end."""
        m, n = len(lower), len(upper)
        if m == n:
            for i in range(m):
                k = (i + 1) % m
                self.polygons.append((lower[i], lower[k], upper[k], upper[i]))
            return
        i = j = 0
        while i < m or j < n:  # step on the ring that is behind
            if j == n or (i < m and (i + 0.5) * n <= (j + 0.5) * m):
                self.polygons.append((lower[i % m], lower[(i + 1) % m], upper[j % n]))
                i += 1
            else:
                self.polygons.append((lower[i % m], upper[(j + 1) % n], upper[j % n]))
                j += 1

    def fan(self, ring: Ints, tip: int) -> None:
        """Close a ring with a tip."""
        for a, b in zip(ring, np.roll(ring, -1), strict=True):
            self.polygons.append((a, b, tip))


def _nearest_start(points: Array, ring: Array) -> int:
    """Return the roll of `points` (m, 3) that is nearest to the ring (n, 3), centres aside."""
    m, n = len(points), len(ring)
    points, ring = points - points.mean(axis=0), ring - ring.mean(axis=0)
    match = ring[np.round(np.arange(m) * n / m).astype(int) % n]
    return int(np.argmin([((np.roll(points, -s, axis=0) - match) ** 2).sum() for s in range(m)]))


def _finger_stations(tube: Tube, finger: str) -> tuple[Array, Array]:
    """Return the t [mm] of a tube's full rings and of its cap."""
    first, second, third, tip = tube.stations
    middle, last = third - second, tip - third
    near, nearer = 0.24 * middle, min(0.24 * middle, 5.0)
    if finger == "thumb":
        near = 6.5
        head = [second - near, second, second + near, (second + third) / 2]
        head += [third - near, third, third + 5.5]
    else:
        web = first + WEB * (second - first)
        head = [web + 0.36 * (second - web), second - near, second, second + near]
        head += [(second + third) / 2, third - nearer, third, third + nearer]
    dome = CAP_START * last
    full = [*head, third + dome + 0.05 * last, third + dome + 0.62 * (last - dome)]
    return np.array(full), np.array([third + dome + 0.90 * (last - dome)])


def _fit_hole(build: _Builder, hole: Ints, tube: Tube) -> Ints:
    """Put the hole's ring about the thumb's metacarpal; return it counter-clockwise."""
    points = build.at(hole)
    if np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0) @ tube.frame[0] < 0:
        hole, points = hole[::-1], points[::-1]
    ring = tube.ring(THUMB_BASE * tube.stations[1], np.arange(len(hole)) * 2 * np.pi / len(hole))
    hole = np.roll(hole, -_nearest_start(points, ring))
    for i, point in zip(hole, ring, strict=True):
        build.points[i] = point
    return hole


def _add_finger(build: _Builder, base: Ints, skin: Skin, finger: str) -> int:
    """Add a finger's tube on its base ring; return the tip's number."""
    number, tube = FINGERS.index(finger), skin.tubes[finger]
    angles = np.arange(FINGER_RING) * 2 * np.pi / FINGER_RING
    full, (last,) = _finger_stations(tube, finger)
    blended = full[2 if finger == "thumb" else 1]  # up to here the skin flows into the palm's
    ring = base
    for t in full:
        above = build.add(tube.ring(t, angles), number, free=t < blended)
        if ring is base and len(base) != FINGER_RING:
            ring = np.roll(base, -_nearest_start(build.at(base), build.at(above)))
        build.strip(ring, above)
        ring = above
    above = build.add(tube.ring(last, np.arange(CAP[finger]) * 2 * np.pi / CAP[finger]), number)
    build.strip(ring, above)
    tip = build.add(tube.origin + tube.stations[3] * tube.frame[0], number)[0]
    build.fan(above, tip)
    return int(tip)


def _palm_end(build: _Builder, skin: Skin) -> tuple[Ints, list[Ints]]:
    """Add the palm's end at the webs; return its ring and the four fingers' base rings."""
    back, front = np.zeros((13, 3)), np.zeros((13, 3))
    web = np.zeros((5, 3))
    share = np.zeros(13)
    for k, finger in enumerate(PALM_FINGERS):
        tube = skin.tubes[finger]
        section = tube.ring(WEB * tube.stations[1], np.arange(FINGER_RING) * np.pi / 5)
        back[3 * k : 3 * k + 4] += section[1:5]
        front[3 * k : 3 * k + 4] += section[[9, 8, 7, 6]]
        share[3 * k : 3 * k + 4] += 1
        web[k] += section[0] / (1 if k == 0 else 2)
        web[k + 1] += section[5] / (1 if k == 3 else 2)
    back, front = back / share[:, None], front / share[:, None]
    ring = build.add(np.vstack([web[:1], back, web[4:], front[::-1]]), free=True)
    # The middle of each web is held where the skin between two fingers ends: in the narrow gap the
    # nearest skin might be either finger's flank.
    for k, (one, other) in enumerate(pairwise(PALM_FINGERS)):
        one, other = skin.tubes[one], skin.tubes[other]
        middle = (one.origin + other.origin) / 2
        web[k + 1] = skin.leave(middle, unit(one.frame[0] + other.frame[0]))
    webs = build.add(web[1:4])
    sides = [ring[0], *webs, ring[14]]
    back_ids, front_ids = ring[1:14], ring[15:][::-1]
    bases = []
    for k in range(4):
        over, under = back_ids[3 * k : 3 * k + 4], front_ids[3 * k : 3 * k + 4]
        bases.append(np.array([sides[k], *over, sides[k + 1], *under[::-1]]))
    return ring, bases


def _palm_section(x: float, count: int) -> Array:
    """Return a first guess of the palm's section at x [mm]; relaxation puts it on the skin."""
    angle = np.arange(count) * 2 * np.pi / count
    reach = np.clip(-x / 90.0, 0.0, 1.0)  # 0 at the wrist, 1 at the knuckles
    across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7
    depth = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.8
    z = (27 + 11 * reach) * across - 5 * reach
    y = (17 - 4 * reach) * depth - 3 * reach
    bow = reach * (0.004 * z**2 - 0.12 * z - 2)  # the knuckles' arc
    return np.stack([x + np.maximum(bow, -6), y, z], axis=1)


def _add_palm(build: _Builder, skin: Skin) -> tuple[Ints, list[Ints]]:
    """Add palm and forearm; return the thumb's base ring and the fingers' base rings."""
    end, bases = _palm_end(build, skin)
    knuckles = build.add(build.at(end) + np.array([13.0, 0.0, 0.0]), free=True)
    build.strip(knuckles, end)
    rings = np.array([build.add(_palm_section(x, PALM_RING), free=True) for x in PALM_X])
    rim_guess = _palm_section(RIM_X, RIM)
    rim_points = skin.project(rim_guess)
    rim_points[:, 0] = RIM_X
    rim = build.add(rim_points)
    build.strip(rings[0], knuckles)
    build.strip(rim, rings[-1])
    (row0, row1), (column0, column1) = THUMB_ROWS, THUMB_COLUMNS
    for r in range(len(rings) - 1):
        for c in range(PALM_RING):
            wrapped = c - PALM_RING if c >= PALM_RING // 2 else c
            if row0 <= r < row1 and column0 <= wrapped < column1:
                continue
            d = (c + 1) % PALM_RING
            build.polygons.append((rings[r + 1, c], rings[r + 1, d], rings[r, d], rings[r, c]))
    columns = np.arange(column0, column1 + 1)
    hole = np.concatenate(
        [
            rings[row0, columns[:-1]],
            rings[row0:row1, columns[-1]],
            rings[row1, columns[:0:-1]],
            rings[row1:row0:-1, columns[0]],
        ]
    )
    return hole, bases


def _relax(points: Array, free: NDArray[np.bool_], edges: Ints, skin: Skin) -> Array:
    """Even out the free points on the skin: each to the mean of its neighbours, and back."""
    count = np.bincount(edges[:, 0], minlength=len(points))[:, None]
    for _ in range(RELAXATIONS):
        total = np.zeros_like(points)
        np.add.at(total, edges[:, 0], points[edges[:, 1]])
        points = points.copy()
        points[free] += 0.5 * (total / count - points)[free]
        points[free] = skin.project(points[free], steps=2)
    return points


def _edges(polygons: list[tuple[int, ...]]) -> Ints:
    """Return the unique directed edges (e, 2), both ways."""
    pairs = [(p[i - 1], p[i]) for p in polygons for i in range(len(p))]
    both = np.array(pairs + [(b, a) for a, b in pairs])
    return np.unique(both, axis=0)


def _triangulate(polygons: list[tuple[int, ...]], points: Array) -> Ints:
    """Cut each quad along its shorter diagonal, along that of `CUTS` where they are equal."""
    faces, cuts = [], iter(CUTS)
    for p in polygons:
        if len(p) == 3:
            faces.append(p)
            continue
        a, b, c, d = p
        longer = np.linalg.norm(points[a] - points[c]) - np.linalg.norm(points[b] - points[d])
        if next(cuts, "0") == "0" if abs(longer) < SAME_LENGTH else longer < 0:
            faces += [(a, b, c), (a, c, d)]
        else:
            faces += [(a, b, d), (b, c, d)]
    return np.array(faces)


def _final_numbers(tips: dict[str, int], count: int) -> Ints:
    """Return the final number of each vertex: the tips where MANO has them, the rest in order."""
    final = np.zeros(count, dtype=np.int64)
    others = np.setdiff1d(np.arange(count), list(tips.values()))
    final[others] = np.setdiff1d(np.arange(count), list(TIP_VERTEX.values()))
    for finger, old in tips.items():
        final[old] = TIP_VERTEX[finger]
    return final


def build_mesh(skeleton: Skeleton) -> Mesh:
    """Build the right hand's mesh about a skeleton."""
    skin = Skin(skeleton)
    build = _Builder()
    hole, bases = _add_palm(build, skin)
    tips = {"thumb": _add_finger(build, _fit_hole(build, hole, skin.tubes["thumb"]), skin, "thumb")}
    for finger, base in zip(PALM_FINGERS, bases, strict=True):
        tips[finger] = _add_finger(build, base, skin, finger)

    # the cells inside the thumb's hole left four points without a polygon
    used = np.zeros(len(build.points), dtype=bool)
    used[[i for p in build.polygons for i in p]] = True
    new = np.cumsum(used) - 1
    polygons = [tuple(int(new[i]) for i in p) for p in build.polygons]
    points = np.array(build.points)[used]
    if len(points) != VERTICES:
        raise ValueError(f"the mesh has {len(points)} vertices, expected {VERTICES}")
    points = _relax(points, np.array(build.free)[used], _edges(polygons), skin)

    final = _final_numbers({f: int(new[i]) for f, i in tips.items()}, VERTICES)
    vertices, finger_of = np.empty_like(points), np.empty(VERTICES, dtype=np.int64)
    vertices[final] = (points + WRIST) * 1e-3
    finger_of[final] = np.array(build.finger)[used]
    for f, finger in enumerate(FINGERS):
        vertices[TIP_VERTEX[finger]] = skeleton.tips[f]
    own = np.repeat(np.arange(5), 3)[:, None] == finger_of
    palm = np.repeat((finger_of == -1)[None], 16, axis=0)
    palm[1:] |= own
    return Mesh(vertices, final[_triangulate(polygons, points)], finger_of, palm)
