"""Published hand measurements in, joint centres, fingertips and joint axes of a right hand out.

Frame of the right hand (MANO's own): fingers along -x, back of the hand +y, thumb side +z. Lengths
are written in millimetres, as the sources print them, and leave this module in metres.

Sources
-------
[B] Buryanov, Kotiuk (2010), Proportions of hand segments, Int. J. Morphol. 28(3):755-758. Mean and
    standard deviation of bone lengths and of the soft tissue past the distal phalanx, X-rays of 66
    adults. https://doi.org/10.4067/S0717-95022010000300015
[G] Gordon et al. (1989), 1988 Anthropometric survey of U.S. Army personnel, Natick/TR-89/044: hand
    length 193.8 +- 9.8 mm (men), 180.5 +- 9.7 mm (women); hand breadth 90.4 +- 4.2 mm (men),
    79.4 +- 3.8 mm (women).
[Y] Youm et al. (1978), Kinematics of the wrist, J. Bone Joint Surg. Am. 60:423-431: carpal height
    is 0.54 of the third metacarpal; the wrist turns about the head of the capitate.
[E] An estimate of this project, chosen to agree with [B] and with the breadth and length of [G]
    half-way between men and women (hand length 187 mm, breadth 85 mm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# MANO's joint order: wrist, then three joints a finger in this finger order.
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
# The vertex numbers that users of MANO read as fingertips.
TIP_VERTEX = {"thumb": 744, "index": 320, "middle": 443, "ring": 554, "pinky": 671}

# [B] mean, standard deviation [mm]. The thumb has no middle phalanx.
METACARPAL = {
    "thumb": (46.22, 3.94),
    "index": (68.12, 6.27),
    "middle": (64.60, 5.38),
    "ring": (58.00, 5.06),
    "pinky": (53.69, 4.36),
}
PROXIMAL = {
    "thumb": (31.57, 3.13),
    "index": (39.78, 4.94),
    "middle": (44.63, 3.81),
    "ring": (41.37, 3.87),
    "pinky": (32.74, 2.77),
}
MIDDLE = {
    "index": (22.38, 2.51),
    "middle": (26.33, 3.00),
    "ring": (25.65, 3.29),
    "pinky": (18.11, 2.54),
}
DISTAL = {
    "thumb": (21.67, 1.60),
    "index": (15.82, 2.26),
    "middle": (17.40, 1.85),
    "ring": (17.30, 2.22),
    "pinky": (15.96, 2.45),
}
SOFT_TISSUE_TIP = {  # [mm], mean, past the end of the distal phalanx
    "thumb": 5.67,
    "index": 3.84,
    "middle": 3.95,
    "ring": 3.95,
    "pinky": 3.73,
}

WRIST = np.array([95.7, 6.4, 6.2])  # [mm], where MANO's frame has the wrist

# [E] centre of each carpometacarpal joint from the wrist [mm]. The middle finger's is 28.5 mm
# distal: carpal height [Y] 0.54 * 64.6 = 34.9 mm less the capitate's head, where the wrist turns.
CARPOMETACARPAL = {
    "index": (-25.5, 3.0, 9.0),
    "middle": (-28.5, 5.0, 1.0),
    "ring": (-28.5, 4.5, -7.5),
    "pinky": (-25.5, 2.0, -14.0),
    "thumb": (-23.0, -9.0, 23.0),
}
# [E] direction of each metacarpal of the spread flat hand: splay towards the thumb side [deg] and
# rise towards the back of the hand [deg]. The thumb is given as a vector below.
METACARPAL_DIRECTION = {
    "index": (12.8, 1.3),
    "middle": (1.4, 1.3),
    "ring": (-9.8, 0.3),
    "pinky": (-22.2, -2.5),
}
# [E] direction of each finger of the flat hand: splay towards the thumb side [deg]. All drop 1.7
# deg towards the palm, so that the flat hand is not hyperextended.
FINGER_SPLAY = {"index": 5.0, "middle": 0.0, "ring": -5.0, "pinky": -11.0}
FINGER_DROP = 1.7
# [E] roll of each finger's back towards the thumb side [deg]: the metacarpal arch. It makes the
# flexed fingers converge on the scaphoid, as they do (Kapandji, The Physiology of the Joints).
FINGER_ROLL = {"index": 3.0, "middle": 0.0, "ring": -4.0, "pinky": -8.0}
THUMB_DIRECTION = (-0.68, -0.33, 0.66)  # [E] first metacarpal of the spread flat hand
THUMB_NAIL = (0.35, 0.55, 0.75)  # [E] where the thumbnail faces: its flexion sweeps the palm


@dataclass(frozen=True)
class Skeleton:
    """A right hand's bones.

    Attributes:
        joints : (16, 3) joint centres [m], MANO's order.
        tips : (5, 3) fingertips [m], in the order of `FINGERS`.
        axes : (15, 3, 3) per finger joint the unit axes (rows) of flexion, abduction and twist.
            Flexion bends towards the palm, abduction towards the thumb side (for the thumb: away
            from the palm's plane, palmar), twist is about the bone.
    """

    joints: Array
    tips: Array
    axes: Array


def unit(v: Array) -> Array:
    """Return v scaled to length one."""
    v = np.asarray(v, dtype=np.float64)
    return v / np.linalg.norm(v)


def bone_lengths(finger: str) -> tuple[float, float, float]:
    """Return the lengths [mm] joint 1-2, joint 2-3 and joint 3-tip of a finger.

    The thumb's three joints are carpometacarpal, metacarpophalangeal and interphalangeal.
    """
    last = DISTAL[finger][0] + SOFT_TISSUE_TIP[finger]
    if finger == "thumb":
        return METACARPAL[finger][0], PROXIMAL[finger][0], last
    return PROXIMAL[finger][0], MIDDLE[finger][0], last


def _splayed(splay_deg: float, rise_deg: float) -> Array:
    splay, rise = np.radians([splay_deg, rise_deg])
    return np.array([-np.cos(splay) * np.cos(rise), np.sin(rise), np.sin(splay) * np.cos(rise)])


def _finger_frame(finger: str) -> tuple[Array, Array]:
    """Return the unit direction of a finger and the unit normal of its back."""
    if finger == "thumb":
        along, back = unit(np.array(THUMB_DIRECTION)), np.array(THUMB_NAIL)
    else:
        along = _splayed(FINGER_SPLAY[finger], -FINGER_DROP)
        roll = np.radians(FINGER_ROLL[finger])
        back = np.array([0.0, np.cos(roll), np.sin(roll)])
    return along, unit(back - (back @ along) * along)


def first_joint(finger: str) -> Array:
    """Return the (3,) centre [mm] of a finger's first moving joint, from the wrist."""
    base = np.array(CARPOMETACARPAL[finger])
    if finger == "thumb":
        return base
    return base + METACARPAL[finger][0] * _splayed(*METACARPAL_DIRECTION[finger])


def build_skeleton() -> Skeleton:
    """Build the right hand's skeleton from the tables above."""
    joints, tips, axes = [np.zeros(3)], [], []
    for finger in FINGERS:
        along, back = _finger_frame(finger)
        flexion = np.cross(back, along)
        point = first_joint(finger)
        for length in bone_lengths(finger):
            joints.append(point)
            axes.append(np.stack([flexion, np.cross(along, flexion), along]))
            point = point + length * along
        tips.append(point)
    return Skeleton(
        joints=(np.array(joints) + WRIST) * 1e-3,
        tips=(np.array(tips) + WRIST) * 1e-3,
        axes=np.array(axes),
    )
