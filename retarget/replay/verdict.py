"""Whether a demonstration is valid and agrees with itself, and why not, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retarget.core.text import angle_text, length_text
from retarget.core.types import SIDES, Status
from retarget.replay.tolerances import Tolerances

if TYPE_CHECKING:
    from retarget.data.demo.check import DemoCheck
    from retarget.data.demo.findings import Finding
    from retarget.replay.record import ReplayRecord, SideRecord

_FAR = 5e-3  # [m] what of a file's disagreement with itself is worth a word


@dataclass(frozen=True)
class Reason:
    """Why a demonstration is not valid.

    Attributes:
        text: a sentence.
        severity: how bad, 1 or more: how many times the tolerance, or how many frames.
    """

    text: str
    severity: float


def reasons(
    record: ReplayRecord, findings: Sequence[Finding] = (), *, one_hand: bool = False
) -> list[Reason]:
    """Every rule of docs/replay.md that is broken; none if the demonstration is valid.

    What is wrong with the recording's time comes first, then the round trip's rules, left side
    first.

    Args:
        record: what was measured.
        findings: in the recording.
        one_hand: one of the hands may be missing from the first frame to the last.
    """
    absent = [side.hand_status[Status.MISSING_INPUT] == record.done for side in record.sides]
    excused = one_hand and not all(absent)
    found = [Reason(finding.text, finding.severity) for finding in findings if not finding.note]
    for name, side, gone in zip(SIDES, record.sides, absent, strict=True):
        if not (gone and excused):
            found += _missing(side, name, record.done, record.tolerances)
        found += _wrists(side, name, record.tolerances)
        found += _fingertips(side, name, record.tolerances)
        found += _flags(side, name)
    return found


def self_check_text(check: DemoCheck) -> str:
    """How the file agrees with forward kinematics of its own joints."""
    if not check.ok:
        return f"it disagrees with itself: typically {check.describe()}"
    seen = [side for side in check.sides if side.frames]
    wrist = max(side.wrist_position.typical for side in seen)
    turned = max(side.wrist_rotation.typical for side in seen)
    tips = max(side.fingertip.typical for side in seen)
    worst = max((side.fingertip for side in seen), key=lambda fingertip: fingertip.max)
    far = f"; up to {length_text(worst.max)}, in frame {worst.worst_frame}"
    said = "agrees with" if check.exact else "is within tolerance of"
    turn = "" if check.exact else f" and {angle_text(turned)}"
    return (
        f"{said} its own joints (wrists {length_text(wrist)}{turn}, fingertips {length_text(tips)}"
        f"{far if worst.max > _FAR else ''})"
    )


def _missing(side: SideRecord, name: str, frames: int, tolerances: Tolerances) -> Iterator[Reason]:
    missing = int(side.hand_status[Status.MISSING_INPUT])
    if missing == frames:
        yield Reason(f"the {name} hand is missing in all {frames} frames", frames)
    elif missing > tolerances.missing * frames:
        share, most = 100.0 * missing / frames, 100.0 * tolerances.missing
        yield Reason(
            f"the {name} hand is missing in {missing} of {frames} frames ({share:.3g} %); "
            f"tolerated are {most:.3g} %",
            missing,
        )


def _wrists(side: SideRecord, name: str, tolerances: Tolerances) -> Iterator[Reason]:
    for misses, said in (
        (
            side.unreachable_missed,
            "cannot be reached by the arm; the nearest pose is off by up to",
        ),
        (side.missed, "is missed by up to"),
    ):
        if misses.frames:
            far, turned = misses.position_m, misses.rotation_rad
            ratio = max(_ratio(far, tolerances.wrist_m), _ratio(turned, tolerances.wrist_rad))
            yield Reason(
                f"the {name} wrist's pose {said} {length_text(far)} and {angle_text(turned)} "
                f"({misses.frames.text()})",
                ratio,
            )


def _fingertips(side: SideRecord, name: str, tolerances: Tolerances) -> Iterator[Reason]:
    errors = side.errors.get("fingertip_error_m")
    if errors is None:  # a person's fingertips do not come back
        return
    for value, most, said in (
        (errors.mean, tolerances.fingertip_m, "on average"),
        (errors.quantile(0.99), tolerances.fingertip_p99_m, "in 1 % of cases"),
    ):
        if value > most:  # not where it is NaN, nothing being known
            yield Reason(
                f"the {name} fingertips come back {length_text(value)} off {said}; "
                f"tolerated are {length_text(most)}",
                _ratio(value, most),
            )


def _flags(side: SideRecord, name: str) -> Iterator[Reason]:
    for what, lost in (("hand", side.hand_lost), ("arm", side.arm_lost)):
        if lost:
            yield Reason(f"the {name} {what} did not converge ({lost.text()})", len(lost))
    jumps = side.label_jumps
    if jumps:
        yield Reason(
            f"the {name} hand's labels jump: a tiny change of the joints is a large one of the "
            f"coefficients ({jumps.text()})",
            len(jumps),
        )
    jumps = side.arm_jumps
    if jumps:
        fastest = side.arm_jump
        times = (
            f"at up to {fastest.value:.3g} rad/s ({fastest.joint}), "
            f"{side.arm_jump_share:.3g} times its velocity limit"
        )
        yield Reason(
            f"the {name} arm jumps from one posture to another, {times}, where the recorded arm "
            f"moved smoothly ({jumps.text()})"
            if side.recorded_speed > 0.0
            else f"the {name} arm moves {times} ({jumps.text()})",
            len(jumps),
        )
    for what, extremes in (("arm", side.arm), ("hand", side.hand)):
        if extremes.violations:
            margin = extremes.margin
            yield Reason(
                f"the {name} {what} leaves its joint limits {extremes.violations} times, by up to "
                f"{angle_text(-margin.value)} ({margin.joint}, frame {margin.frame})",
                extremes.violations,
            )


def _ratio(value: float, tolerance: float) -> float:
    return float(value / tolerance) if tolerance > 0.0 else float("inf")
