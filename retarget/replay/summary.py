"""What tables say of replays beside their errors: the motion of one; many, the worst first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from retarget.core.statistics import Extreme
from retarget.core.status import statuses_text
from retarget.core.text import angle_text, length_text, number_text
from retarget.core.types import Status

if TYPE_CHECKING:
    from retarget.replay.record import MissedPoses
    from retarget.replay.replay import Judged

JudgedT = TypeVar("JudgedT", bound="Judged")


class Cell(NamedTuple):
    """A figure in words, and whether it speaks against the demonstration."""

    text: str
    bad: bool = False


def _count(count: int) -> Cell:
    """A number of frames that should be 0."""
    return Cell(str(count), count > 0)


def _statuses(status: dict[str, int]) -> Cell:
    return Cell(statuses_text(status), status[Status.NOT_CONVERGED.label] > 0)


def _missed(missed: MissedPoses) -> Cell:
    if not missed.frames:
        return Cell("0")
    far = f"{length_text(missed.position_m)} and {angle_text(missed.rotation_rad)}"
    return Cell(f"{len(missed.frames)}, by up to {far}", bad=True)


def _margin(margin: Extreme) -> Cell:
    return Cell(f"{angle_text(margin.value)}, {_short(margin.joint)}")


def _peak(unit: str, *, joint: bool) -> Callable[[Extreme], Cell]:
    def cell(peak: Extreme) -> Cell:
        if not peak.joint:
            return Cell("-")
        name = f", {_short(peak.joint)}" if joint else ""
        return Cell(f"{number_text(peak.value)} {unit}{name}")

    return cell


def _short(joint: str) -> str:
    return joint.removesuffix("_joint")


# title, attribute of `SideReplay`, cell
MOTION: tuple[tuple[str, str, Callable[[Any], Cell]], ...] = (
    ("hand frames", "hand_status", _statuses),
    ("arm frames", "arm_status", _statuses),
    ("out of reach", "unreachable", _missed),
    ("label jumps", "label_jumps", _count),
    ("arm jumps", "arm_jumps", _count),
    ("joints beyond limits", "limit_violations", _count),
    ("limit margin, arm", "arm_limit_margin_rad", _margin),
    ("limit margin, hand", "hand_limit_margin_rad", _margin),
    ("peak hand velocity", "hand_peak_velocity_rad_s", _peak("rad/s", joint=True)),
    ("peak arm velocity", "peak_velocity_rad_s", _peak("rad/s", joint=True)),
    ("  as recorded", "recorded_peak_velocity_rad_s", _peak("rad/s", joint=False)),
    ("peak arm jerk", "peak_jerk_rad_s3", _peak("rad/s3", joint=True)),
    ("  as recorded", "recorded_peak_jerk_rad_s3", _peak("rad/s3", joint=False)),
)


def figure_known(value: Any) -> bool:
    """Whether a figure of `MOTION` is there; what was not recorded has no peaks."""
    return value is not None and (not isinstance(value, Extreme) or bool(value.joint))


def worst_first(replays: Sequence[JudgedT]) -> list[JudgedT]:
    """Not valid ones before valid ones, by severity, then by mean fingertip error, then by path."""

    def badness(replay: Judged) -> tuple[float, float, str]:
        tips = [side.errors.get("fingertip_error_m") for side in replay.sides]
        mean = larger(*(stats.mean for stats in tips if stats is not None))
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


def larger(*values: float) -> float:
    """The largest of some numbers, leaving out NaN."""
    return max((x for x in values if x == x), default=float("nan"))


def _largest(key: str, figure: str) -> Callable[[Judged], Cell]:
    def cell(replay: Judged) -> Cell:
        known = [side.errors[key] for side in replay.sides if key in side.errors]
        return Cell(length_text(larger(*(getattr(stats, figure) for stats in known))))

    return cell


# head, cell
COLUMNS: tuple[tuple[str, Callable[[Judged], Cell]], ...] = (
    ("frames", lambda replay: Cell(str(replay.frames))),
    ("fingertip mean", _largest("fingertip_error_m", "mean")),
    ("fingertip max", _largest("fingertip_error_m", "max")),
    ("wrist max", _largest("wrist_position_error_m", "max")),
    ("out of reach", lambda r: _count(sum(len(side.unreachable.frames) for side in r.sides))),
    ("label jumps", lambda r: _count(sum(side.label_jumps or 0 for side in r.sides))),
    ("arm jumps", lambda r: _count(sum(side.arm_jumps for side in r.sides))),
)
