"""The words and order of a replay's figures, shared by the console, the page and the JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from retarget.core.status import statuses_text
from retarget.core.text import angle_text, length_text, number_text

if TYPE_CHECKING:
    from retarget.core.statistics import Extreme, FrameStats
    from retarget.data.demo.check import DemoCheck
    from retarget.replay.replay import Replay, Unreachable

METRICS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("fit residual", "fit_residual_m", length_text),
    ("fingertips", "fingertip_error_m", length_text),
    ("hand joints", "hand_joint_error_rad", angle_text),
    ("wrist position", "reached_wrist_position_error_m", length_text),
    ("wrist rotation", "reached_wrist_rotation_error_rad", angle_text),
)
_FAR = 5e-3  # [m] what of a file's disagreement with itself is worth telling
_ROUNDING = 1e-10  # [m] or [rad] an error that says nothing about a frame


def self_check_text(check: DemoCheck) -> str:
    """How the file agrees with forward kinematics of its own joints."""
    if not check.ok:
        return f"it disagrees with itself: typically {check.describe()}"
    seen = [side for side in check.sides if side.frames]
    wrist = max(side.wrist_position.typical for side in seen)
    tips = max(side.fingertip.typical for side in seen)
    worst = max((side.fingertip for side in seen), key=lambda fingertip: fingertip.max)
    far = f"; up to {length_text(worst.max)}, in frame {worst.worst_frame}"
    return (
        f"agrees with its own joints (wrists {length_text(wrist)}, fingertips {length_text(tips)}"
        f"{far if worst.max > _FAR else ''})"
    )


def worst_first(replays: Sequence[Replay]) -> list[Replay]:
    """Not valid ones before valid ones, by severity, then by mean fingertip error, then by path."""

    def badness(replay: Replay) -> tuple[float, float, str]:
        mean = larger(*(side.fingertip_error_m.mean for side in replay.sides))
        severity = max((reason.severity for reason in replay.reasons), default=0.0)
        return -severity, 0.0 if mean != mean else -mean, str(replay.path)

    return sorted(replays, key=badness)


def common_folder(paths: Sequence[str]) -> str:
    """The folder that holds all of several paths, as they are written; "" where there is none."""
    if len(paths) < 2:
        return ""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # absolute and relative ones
        return ""


def worst_frame_text(stats: FrameStats) -> str:
    """The frame of the largest error, unless rounding alone decides which one that is."""
    return str(stats.worst_frame) if stats.worst_frame >= 0 and stats.max > _ROUNDING else "-"


def summary_cells(replay: Replay) -> tuple[str | Text, ...]:
    """One demonstration among many: frames, errors, poses out of reach, label jumps."""
    sides = replay.sides
    return (
        str(replay.frames),
        length_text(larger(*(side.fingertip_error_m.mean for side in sides))),
        length_text(larger(*(side.fingertip_error_m.max for side in sides))),
        length_text(larger(*(side.wrist_position_error_m.max for side in sides))),
        _count(sum(len(side.unreachable.frames) for side in sides)),
        _count(sum(side.label_jumps for side in sides)),
    )


def larger(*values: float) -> float:
    """The largest of some numbers, leaving out NaN."""
    return max((x for x in values if x == x), default=float("nan"))


def _unreachable(missed: Unreachable) -> str | Text:
    if not missed.frames:
        return "0"
    far = f"{length_text(missed.position_m)} and {angle_text(missed.rotation_rad)}"
    return Text(f"{len(missed.frames)}, by up to {far}", style="red")


def _count(count: int) -> str | Text:
    return Text(str(count), style="red") if count else "0"


def _margin(margin: Extreme) -> str:
    return f"{angle_text(margin.value)}, {_short(margin.joint)}"


def _peak(peak: Extreme, unit: str) -> str:
    return _rate(peak, unit) + (f", {_short(peak.joint)}" if peak.joint else "")


def _rate(peak: Extreme, unit: str) -> str:
    return f"{number_text(peak.value)} {unit}" if peak.joint else "-"


def _short(joint: str) -> str:
    return joint.removesuffix("_joint")


MOTION: tuple[tuple[str, str, Callable[[Any], str | Text]], ...] = (
    ("frames", "status", statuses_text),
    ("out of reach", "unreachable", _unreachable),
    ("label jumps", "label_jumps", _count),
    ("arm jumps", "arm_jumps", _count),
    ("joints beyond limits", "limit_violations", _count),
    ("limit margin, arm", "arm_limit_margin_rad", _margin),
    ("limit margin, hand", "hand_limit_margin_rad", _margin),
    ("peak arm velocity", "peak_velocity_rad_s", lambda peak: _peak(peak, "rad/s")),
    ("  as recorded", "recorded_peak_velocity_rad_s", lambda peak: _rate(peak, "rad/s")),
    ("peak arm jerk", "peak_jerk_rad_s3", lambda peak: _peak(peak, "rad/s3")),
    ("  as recorded", "recorded_peak_jerk_rad_s3", lambda peak: _rate(peak, "rad/s3")),
)
