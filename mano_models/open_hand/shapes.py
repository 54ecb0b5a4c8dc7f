"""Ten ways in which hands differ, as displacements of the mesh for one standard deviation.

Every direction moves the bones or swells the skin: a vertex follows the bones it lies along, so a
longer phalanx stretches the skin about it and carries what is beyond. The directions are made
orthogonal in turn (Gram-Schmidt over all vertices), so that each is what the earlier ones leave:
the second is a broad hand of the same size. A direction for the length of the palm would be left
with almost nothing (size less finger length is one), so there is none.

Their amounts are standard deviations: of hand length and breadth from Gordon et al. (1989), 5.1 %
and 4.6 %; of single bones from Buryanov and Kotiuk (2010), 7 to 14 %, much of which is overall size
and the measuring of short bones, so about half is taken; of thicknesses and contrasts estimates of
this project.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .anthropometry import FINGERS, WRIST, Array, Skeleton
from .mesh import Mesh
from .skinning import finger_shares
from .surface import build_tubes

# Per direction: relative change for one standard deviation.
SIZE, BREADTH, FINGER_LENGTH, FINGER_GIRTH, WRIST_GIRTH = 0.05, 0.046, 0.05, 0.06, 0.07
THUMB_LENGTH, FULLNESS, RADIAL_ULNAR, PINKY_LENGTH, DISTAL_LENGTH = 0.06, 0.10, 0.03, 0.06, 0.06
NAMES = (
    "size",
    "breadth",
    "finger length",
    "finger girth",
    "wrist girth",
    "thumb length",
    "fullness of the palm",
    "index long, ring short",
    "little finger length",
    "outer phalanges long, first ones short",
)


class _Field:
    """Displacements [mm] of all vertices from simple changes of the hand."""

    def __init__(self, mesh: Mesh, skeleton: Skeleton) -> None:
        self.points = mesh.vertices * 1e3 - WRIST
        self.tubes = build_tubes(skeleton)
        self.local = {finger: self.tubes[finger].local(self.points) for finger in FINGERS}
        self.share = finger_shares(mesh, self.points, self.local)

    def stretch(self, finger: str, parts: tuple[float, float, float]) -> Array:
        """Lengthen a finger's three segments by these parts of their lengths."""
        tube, f = self.tubes[finger], FINGERS.index(finger)
        amount = np.concatenate([[0.0], np.cumsum(parts * np.diff(tube.stations))])
        along = np.interp(self.local[finger][:, 0], tube.stations, amount)
        return self.share[:, [f]] * along[:, None] * tube.frame[0]

    def girth(self, finger: str, part: float) -> Array:
        """Thicken a finger by this part, beyond its first joint; the tip stays on the bone."""
        tube, f = self.tubes[finger], FINGERS.index(finger)
        t, across, back = self.local[finger].T
        grown = part * np.clip(t / (0.5 * tube.stations[1]), 0.0, 1.0)
        outward = np.outer(across * grown, tube.frame[1]) + np.outer(back * grown, tube.frame[2])
        return self.share[:, [f]] * outward

    def palm(self, factors: Array) -> Array:
        """Move the palm by point * factors, (3,) or (n, 3), and carry the fingers by their base."""
        moved = self.points * factors
        for f, finger in enumerate(FINGERS):
            base = np.argmin(np.linalg.norm(self.points - self.tubes[finger].origin, axis=1))
            root = self.tubes[finger].origin * np.broadcast_to(factors, moved.shape)[base]
            t = self.local[finger][:, 0]
            carried = self.share[:, f] * np.interp(t, (-10.0, 15.0), (0.0, 1.0))  # [mm]
            moved += carried[:, None] * (root - moved)
        return moved

    def near_wrist(self) -> Array:
        """Return factors (n, 3): across and through, one at the wrist, none at the knuckles."""
        near = np.interp(-self.points[:, 0], (0.0, 70.0), (1.0, 0.0))
        return near[:, None] * np.array([0.0, 1.0, 1.0])

    def palmar(self) -> Array:
        """Return factors (n, 3): through the hand, on the palm's side, between wrist and webs."""
        x, y, _ = self.points.T
        on = np.interp(-x, (-5.0, 25.0, 75.0, 110.0), (0.0, 1.0, 1.0, 0.0)) * (y < 0)
        return on[:, None] * np.array([0.0, 1.0, 0.0])


def _directions(field: _Field) -> list[Array]:
    """Return the ten displacement fields (n, 3) [mm], before they are made orthogonal."""
    four = FINGERS[:4]

    def over(fingers: tuple[str, ...], change: Callable[[str], Array]) -> Array:
        return np.sum([change(finger) for finger in fingers], axis=0)

    def longer(finger: str, part: float) -> Array:
        return field.stretch(finger, (part, part, part))

    return [
        SIZE * field.points,
        field.palm(np.array([0.0, 0.0, BREADTH])),
        over(four, lambda f: longer(f, FINGER_LENGTH)),
        over(FINGERS, lambda f: field.girth(f, FINGER_GIRTH)),
        WRIST_GIRTH * field.palm(field.near_wrist()),
        longer("thumb", THUMB_LENGTH),
        FULLNESS * field.palm(field.palmar()),
        longer("index", RADIAL_ULNAR) - longer("ring", RADIAL_ULNAR),
        longer("pinky", PINKY_LENGTH),
        over(four, lambda f: field.stretch(f, (-DISTAL_LENGTH / 2, DISTAL_LENGTH, DISTAL_LENGTH))),
    ]


def build_shape_space(mesh: Mesh, skeleton: Skeleton) -> Array:
    """Return shape directions (n, 3, 10) [m per standard deviation], orthogonal to each other."""
    basis: list[Array] = []
    for raw in _directions(_Field(mesh, skeleton)):
        left = raw.ravel()
        for earlier in basis:
            left = left - (left @ earlier) / (earlier @ earlier) * earlier
        basis.append(left)
    return np.stack(basis, axis=1).reshape(len(mesh.vertices), 3, len(basis)) * 1e-3
