"""What a recording of a person's hands is like, and what looks wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.text import frames_text
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.data.people.convert import seen_keypoints
from retarget.data.people.fit_mistakes import FitMistake, keypoint_mistake, pose_mistake
from retarget.data.people.readers import AUTO, read_as_recorded
from retarget.data.people.recording import COLLAPSED, IGNORED, PeopleRecording, hands_and_frames
from retarget.human.hand_model import HandModel
from retarget.human.keypoint_layouts import LAYOUTS
from retarget.human.native_keypoints import FEWEST
from retarget.human.user import User
from retarget.human.user_calibration import FEWEST_FRAMES, calibrate_user, palm_size
from retarget.human.user_shape import reach, rest_hand

MISTAKES = {
    "millimetres": "lengths are in millimetres, expected metres",
    "centimetres": "lengths are in centimetres, expected metres",
    "size": "hands are of another size than hands",
    "range": "a number is out of range",
    "duplicate_time": "two frames have the same time",
    "backward_time": "time goes backwards",
    "time": "a time is no number",
}
_RIGHT = SIDES.index("right")
_MOSTLY = 0.5  # of the frames in which a hand is seen
_NEAR_TIME = 0.1  # of the median time between frames
_RIGID = 1e-7  # [m] that fingers which never move change; files round to so much
_FEWEST_RIGID = 5  # frames, before fingers that do not move look wrong
_APART = 5.0  # [m] hands from each other, or from the camera at hand, that are not in metres
_NEAR = (0.02, 3.0)  # [m] that they are apart in the right unit
_ODD_SIZE = (0.6, 1.6)  # times the hand model's; grown-ups' and children's hands are within


@dataclass(frozen=True)
class PeopleFinding:
    """Something to know of a recording.

    Attributes:
        mistake: its name: one of `MISTAKES`, or "finger_order", "handedness", "swapped", "frozen",
            "zeros", "ignored", "near_time", "wrist_only", "all_missing".
        text: what was found, in words.
        wrong: it looks wrong; else it is worth saying of a recording that is right all the same.
    """

    mistake: str
    text: str
    wrong: bool = True


@dataclass(frozen=True)
class HandFigures:
    """One hand of a recording.

    Attributes:
        side: "left" or "right".
        seen: frames in which it is there.
        size: over the hand model's [-], NaN where that is not known.
        reach: from the wrist to the tips of the four fingers, stretched out, the mean [m].
        noise: standard deviation of a tracked coordinate [m], NaN where that is not known.
    """

    side: str
    seen: int
    size: float
    reach: float
    noise: float


@dataclass(frozen=True)
class Inspection:
    """A recording and what looks wrong in it.

    Attributes:
        path: the file or folder.
        format: see `PeopleRecording`; "" of a file that is refused for its mistake.
        layout: see `PeopleRecording`.
        frames: number of frames, 0 of a refused file.
        rate: frames per second [Hz], or None.
        frame: what the file has its hands in: "world", "camera" or "wrist"; "" of a refused file.
        gives: of "keypoints", "MANO", "camera", "head", "confidence", "text" what is there.
        text: what is being done, in words.
        hands: left and right; empty of a refused file.
        findings: what looks wrong first.
        notes: what was found and done on reading.
    """

    path: Path
    format: str = ""
    layout: str = ""
    frames: int = 0
    rate: float | None = None
    frame: str = ""
    gives: tuple[str, ...] = ()
    text: str = ""
    hands: tuple[HandFigures, ...] = ()
    findings: tuple[PeopleFinding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing looks wrong."""
        return not any(finding.wrong for finding in self.findings)


def inspect_people(
    path: str | Path,
    hands: tuple[HandModel, HandModel],
    *,
    layout: str = AUTO,
    side: str | None = None,
) -> Inspection:
    """Look at a recording of any format of docs/people.md.

    A file that `read_people` refuses for a mistake that has a name is no error here: the mistake is
    its one finding.

    Args:
        path: the file or folder.
        hands: models of the left and the right hand.
        layout: see `read_people`.
        side: see `read_people`.

    Raises:
        FileError: the file cannot be read.
        InputError: there is no such layout or side.
    """
    try:
        found = read_as_recorded(path, layout, side=side)
    except FileError as error:
        mistake = error.evidence.get("mistake")
        if mistake is None:
            raise
        said = str(error).removeprefix(f"{error.evidence['path']}: ")
        finding = PeopleFinding(mistake, f"{MISTAKES[mistake]}: {said}")
        return Inspection(Path(path), findings=(finding,))
    return inspect_recording(found, hands)


def inspect_recording(recording: PeopleRecording, hands: tuple[HandModel, HandModel]) -> Inspection:
    """Look at a recording, in the frame that its file has: see `read_as_recorded`."""
    keypoints, said = seen_keypoints(recording, hands)
    findings = [
        *_missing(recording),
        *_times(recording),
        *_units(recording, keypoints),
        *_frozen(recording),
        *_zeros(recording),
        *_rigid(recording, keypoints),
        *_fitted(recording, hands),
    ]
    figures = tuple(_figures(recording, keypoints, side, hands) for side in range(len(SIDES)))
    if recording.keypoints is not None:
        findings += _sizes(figures)
    told = {finding.text for finding in findings}
    return Inspection(
        path=recording.path,
        format=recording.format,
        layout=recording.layout,
        frames=recording.frames,
        rate=recording.rate,
        frame=recording.frame,
        gives=_gives(recording),
        text=recording.text,
        hands=figures,
        findings=tuple(sorted(findings, key=lambda finding: not finding.wrong)),
        notes=tuple(note for note in (*recording.notes, *said) if note not in told),
    )


def _gives(recording: PeopleRecording) -> tuple[str, ...]:
    there = {
        "keypoints": recording.keypoints is not None,
        "MANO": recording.pose is not None,
        "camera": recording.T_world_camera is not None,
        "head": recording.T_world_head is not None,
        "confidence": recording.joint_confidence is not None,
        "text": bool(recording.text),
    }
    return tuple(name for name, given in there.items() if given)


def _figures(
    recording: PeopleRecording,
    keypoints: FloatArray,
    side: int,
    hands: tuple[HandModel, HandModel],
) -> HandFigures:
    """Size and noise: of the user that 20 frames tell, else the size of the palm."""
    seen = recording.valid[:, side]
    count, points = int(seen.sum()), keypoints[recording.valid[:, side], side]
    nothing, model = float("nan"), rest_hand(hands[side])
    try:
        if recording.keypoints is not None and count >= FEWEST_FRAMES:
            user = calibrate_user(points, side=side, hands=hands)
            long = reach(rest_hand(hands[side], user))
            return HandFigures(SIDES[side], count, user.size, long, user.noise)
        user = User(size=palm_size(hands[side], points))
    except InputError:  # no palm is whole
        return HandFigures(SIDES[side], count, nothing, nothing, nothing)
    return HandFigures(SIDES[side], count, user.size, user.size * reach(model), nothing)


def _sizes(figures: tuple[HandFigures, ...]) -> list[PeopleFinding]:
    least, most = _ODD_SIZE
    return [
        PeopleFinding(
            "size",
            f"the {hand.side} hand is {hand.size:.2f} times the hand model's size, expected "
            f"{least:g} to {most:g}: another unit, or another order of the keypoints",
        )
        for hand in figures
        if np.isfinite(hand.size) and not least <= hand.size <= most
    ]


def _missing(recording: PeopleRecording) -> Iterator[PeopleFinding]:
    """Hands that are not there, or hardly."""
    if not recording.valid.any():
        text = f"no hand is there in any of {recording.frames} frames"
        yield PeopleFinding("all_missing", text)
    for mask, why, name in (
        (recording.ignored, IGNORED, "ignored"),
        (recording.collapsed, COLLAPSED, "zeros"),
    ):
        if mask is not None:
            for hand in hands_and_frames(mask):
                yield PeopleFinding(name, f"{hand} {why}", wrong=False)
    if recording.keypoints is None:
        return
    known = np.asarray(np.isfinite(recording.keypoints).all(axis=-1))
    for side, name in enumerate(SIDES):
        seen = known[recording.valid[:, side], side]
        if len(seen) and not seen[:, 1:].any():
            text = f"the {name} hand has a wrist and no fingers: there is no hand to fit"
            yield PeopleFinding("wrist_only", text)
        elif len(seen) and (seen.sum(axis=-1) < FEWEST).all():
            text = (
                f"the {name} hand has at most {seen.sum(axis=-1).max()} of 21 keypoints, and "
                f"{FEWEST} are needed to fit a hand"
            )
            yield PeopleFinding("wrist_only", text, wrong=False)


def _times(recording: PeopleRecording) -> Iterator[PeopleFinding]:
    """Frames that come all but at once; what does not go on at all is refused on reading."""
    if recording.time is None or recording.frames < 3:
        return
    steps = np.diff(recording.time)
    close = np.flatnonzero(steps < _NEAR_TIME * np.median(steps)) + 1
    if close.size:
        yield PeopleFinding(
            "near_time",
            f"{frames_text(close)}: {steps.min() * 1e3:.3g} ms or less after the frame before, "
            f"where {np.median(steps) * 1e3:.3g} ms are usual: near-duplicates",
        )


def _units(recording: PeopleRecording, keypoints: FloatArray) -> Iterator[PeopleFinding]:
    """Wrists too far from each other, or from the camera that saw them, for metres."""
    if recording.pose is None or recording.frame == "wrist":
        return
    wrists = recording.pose.translation
    apart = [np.linalg.norm(wrists[:, 1] - wrists[:, 0], axis=-1)]
    watcher = recording.T_world_camera if recording.frame == "world" else None
    if recording.T_world_head is not None:
        watcher = recording.T_world_head
    if watcher is not None:
        apart = [*(np.linalg.norm(wrists[:, s] - watcher[:, :3, 3], axis=-1) for s in (0, 1))]
    elif recording.frame == "camera" and recording.format != "hamer":  # it guesses its distances
        apart += [np.linalg.norm(wrists[:, s], axis=-1) for s in (0, 1)]
    far = np.concatenate(apart)
    far = far[np.isfinite(far)]
    if recording.format == "hamer" or not far.size or np.median(far) <= _APART:
        return
    middle = float(np.median(far))
    for mistake, fold in (("centimetres", 100.0), ("millimetres", 1000.0)):
        if _NEAR[0] <= middle / fold <= _NEAR[1]:
            yield PeopleFinding(
                mistake,
                f"{MISTAKES[mistake]}: wrists are {middle:.3g} from each other or from the camera "
                "(median)",
            )
            return
    text = f"{MISTAKES['size']}: wrists are {middle:.3g} m from each other or from the camera"
    yield PeopleFinding("size", text)


def _frozen(recording: PeopleRecording) -> Iterator[PeopleFinding]:
    """Hands that stand still to the last bit; a glove at rest does so, too."""
    parts = [recording.keypoints]
    if recording.pose is not None:
        pose = recording.pose
        parts += [pose.rotation, pose.translation, pose.rotations, pose.pca]
    still: BoolArray = recording.valid[1:] & recording.valid[:-1]
    for part in parts:
        if part is not None:
            flat = np.nan_to_num(part.reshape(*part.shape[:2], -1), nan=np.inf)
            still = still & (flat[1:] == flat[:-1]).all(axis=-1)
    for side, name in enumerate(SIDES):
        frames = np.flatnonzero(still[:, side]) + 1
        seen = int(recording.valid[:, side].sum())
        if frames.size:
            wrong = frames.size > _MOSTLY * seen
            why = "lost tracking, or a rate that is too high" if wrong else "lost, or at rest"
            yield PeopleFinding(
                "frozen",
                f"the {name} hand stands still to the last bit in {frames.size} of {seen} frames "
                f"({frames_text(frames)}): {why}",
                wrong=wrong,
            )


def _zeros(recording: PeopleRecording) -> Iterator[PeopleFinding]:
    """Numbers that nobody wrote: keypoints of a hand in the origin, hands that are all zeros."""
    if recording.keypoints is not None:
        zero = (recording.keypoints == 0.0).all(axis=-1)
        if recording.frame == "wrist":
            zero[..., 0] = False
        for hand in hands_and_frames(zero.any(axis=-1)):
            text = f"{hand} has keypoints that are zero: not written, and taken as seen"
            yield PeopleFinding("zeros", text)
    elif recording.pose is not None:
        pose = recording.pose
        blank = (pose.translation == 0.0).all(axis=-1)
        blank &= (np.abs(pose.rotation - np.eye(3)) < 1e-12).all(axis=(-2, -1))
        for hand in hands_and_frames(blank & recording.valid):
            text = f"{hand} has zeros for wrist and orientation: not written, and taken as seen"
            yield PeopleFinding("zeros", text)


def _rigid(recording: PeopleRecording, keypoints: FloatArray) -> Iterator[PeopleFinding]:
    """Fingers that never move while the wrist does: only the wrist is tracked."""
    for side, name in enumerate(SIDES):
        points = keypoints[recording.valid[:, side], side]
        if len(points) < _FEWEST_RIGID or not np.isfinite(points[:, 1:]).all(axis=-1).any():
            continue
        shape = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
        known = np.isfinite(shape).all(axis=0)
        moved = float(np.ptp(points[:, 0], axis=0).max()) if np.isfinite(points[:, 0]).all() else 0
        rigid = known.any() and np.ptp(shape[:, known], axis=0).max() < _RIGID
        if rigid and moved > _RIGID:
            text = f"the {name} hand's fingers never move in {len(points)} frames: only its wrist"
            yield PeopleFinding("wrist_only", text)


def _fitted(
    recording: PeopleRecording, hands: tuple[HandModel, HandModel]
) -> Iterator[PeopleFinding]:
    """Order and handedness, by what fits best."""
    found: list[FitMistake | None]
    if recording.keypoints is not None:
        layout = recording.layout if recording.layout in LAYOUTS else "mano21"
        found = [
            keypoint_mistake(
                np.where(
                    recording.valid[:, side, None, None], recording.keypoints[:, side], np.nan
                ),
                side,
                hands[_RIGHT],
                layout,
            )
            for side in range(len(SIDES))
        ]
    elif recording.pose is not None:
        found = [*pose_mistake(recording.pose, recording.valid, hands)]
    else:
        return
    for side, mistake in enumerate(found):
        if mistake is not None and mistake.order:
            yield PeopleFinding(
                "finger_order",
                f"the {SIDES[side]} hand: {mistake.order} (undone, it fits {mistake.better:.1f} "
                f"times better{_other(side, mistake)})",
            )
    others = [s for s, mistake in enumerate(found) if mistake is not None and mistake.other_side]
    if len(others) == len(SIDES):
        better = min(mistake.better for mistake in found if mistake is not None)
        yield PeopleFinding(
            "swapped",
            f"left and right are swapped, or seen in a mirror: both hands fit {better:.1f} times "
            "better as the other one",
        )
    for side in others if len(others) == 1 else ():
        mistake = found[side]
        if mistake is not None:
            yield PeopleFinding(
                "handedness",
                f"the {SIDES[side]} hand looks like a {SIDES[1 - side]} one, or is seen in a "
                f"mirror: as such it fits {mistake.better:.1f} times better, over all frames",
            )


def _other(side: int, mistake: FitMistake) -> str:
    return f", as a {SIDES[1 - side]} hand" if mistake.other_side else ""
