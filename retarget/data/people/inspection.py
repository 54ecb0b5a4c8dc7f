"""`inspect_people`: what a recording of a person's hands is, and what looks wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.statistics import FrameRuns
from retarget.core.text import frames_text
from retarget.core.types import SIDES, BoolArray, FloatArray
from retarget.data.demo.findings import Finding
from retarget.data.people.convert import seen_keypoints
from retarget.data.people.fit_mistakes import fit_mistakes
from retarget.data.people.readers import AUTO, read_people
from retarget.data.people.recording import FLAGGED, IN_ONE_POINT, PeopleRecording
from retarget.human.hand_model import HandModel
from retarget.human.user import User
from retarget.human.user_calibration import FEWEST_FRAMES, calibrate_user
from retarget.human.user_shape import reach, rest_hand

FROZEN = 5  # frames in which a hand is the same to the bit that are no chance
MOSTLY = 0.5  # share of a hand's frames that stand still from which nothing was tracked
UNEVEN = 1.5  # times the median step of time that a step is longer than where frames are missing
CLOSE = 0.2  # times the median step that a step is shorter than where two are of one frame
FASTEST = 15.0  # [m/s] no wrist goes faster from one frame to the next


@dataclass(frozen=True)
class Inspection:
    """What a recording is.

    Attributes:
        path: the file.
        recording: what was read; None where a mistake keeps it from being read.
        user: the person, where enough of a hand is seen; None else.
        reach_m: from the wrist to the tips of the four stretched fingers, NaN where unknown [m].
        findings: what looks wrong, and, as notes, what is worth saying.
    """

    path: Path
    recording: PeopleRecording | None
    user: User | None
    reach_m: float
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Nothing looks wrong."""
        return all(finding.note for finding in self.findings)


def inspect_people(
    path: str | Path,
    hands: tuple[HandModel, HandModel],
    *,
    layout: str = AUTO,
    side: str | None = None,
) -> Inspection:
    """Look at a recording.

    A mistake that keeps the file from being read, such as millimetres or time that goes back, is a
    finding; any other fault is an error.

    Args:
        path: a recording of any format of docs/people.md.
        hands: models of the left and the right hand.
        layout: of the keypoints, "auto" tells it.
        side: the hand that a file of one hand is of, None where the file tells.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        recording = read_people(path, layout, side=side)
    except FileError as error:
        kind = error.evidence.get("mistake")
        if kind is None:
            raise
        said = str(error).removeprefix(f"{path}: ")
        frame = error.evidence.get("frame")
        frames = FrameRuns(() if frame is None else (int(frame),))
        found = Finding(str(kind), said, frames=frames, severity=1.0)
        return Inspection(Path(path), None, None, float("nan"), (found,))
    keypoints, _ = seen_keypoints(recording, hands)
    user, size = None, float("nan")
    if int(recording.valid.sum()) >= FEWEST_FRAMES:
        try:
            user = calibrate_user(keypoints, recording.valid, hands=hands)
        except InputError:  # what is wrong with them the findings say
            user = None
    if user is not None:
        size = reach(rest_hand(hands[1], user))
    findings = (
        *_missing(recording),
        *(fit_mistakes(keypoints, hands) if recording.keypoints is not None else ()),
        *_still(keypoints, recording.valid),
        *_zeros(recording),
        *_jumps(recording, keypoints),
        *_time(recording),
    )
    return Inspection(Path(path), recording, user, size, findings)


def _missing(recording: PeopleRecording) -> Iterator[Finding]:
    """Hands that are never there, and numbers where no hand is."""
    if not recording.valid.any():
        yield Finding("no_hand", "no hand is there in any frame", severity=1.0)
    for note in recording.notes:
        if FLAGGED in note:
            yield Finding("flagged_numbers", note)
        elif IN_ONE_POINT in note:
            yield Finding("one_point", note)


def _still(keypoints: FloatArray, valid: BoolArray) -> Iterator[Finding]:
    """Stretches in which a hand is the same to the bit, as a tracker repeats one that it lost."""
    for h, name in enumerate(SIDES):
        seen = keypoints[:, h].reshape(len(keypoints), -1)
        with np.errstate(invalid="ignore"):
            same = ((seen[1:] == seen[:-1]) | np.isnan(seen[1:])).all(axis=1)
        same &= valid[1:, h] & valid[:-1, h]
        frames: list[int] = []
        edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start + 1 >= FROZEN:
                frames += range(start, stop + 1)
        if frames:
            known = int(valid[:, h].sum())
            yield Finding(
                "frozen",
                f"the {name} hand stands still to the bit in {len(frames)} of {known} frames "
                f"({frames_text(frames)})",
                side=name,
                frames=FrameRuns(np.array(frames)),
                severity=len(frames) / known if len(frames) > MOSTLY * known else 0.0,
            )


def _zeros(recording: PeopleRecording) -> Iterator[Finding]:
    """Keypoints other than the wrist that are zero to the bit."""
    if recording.keypoints is None:
        return
    for h, name in enumerate(SIDES):
        zero = (recording.keypoints[:, h, 1:] == 0.0).all(axis=-1)
        frames = np.flatnonzero(zero.any(axis=1))
        if frames.size:
            yield Finding(
                "zeros",
                f"the {name} hand has keypoints that are zero in {frames.size} of "
                f"{recording.frames} frames ({frames_text(frames)})",
                side=name,
                frames=FrameRuns(frames),
                severity=1.0,
            )


def _jumps(recording: PeopleRecording, keypoints: FloatArray) -> Iterator[Finding]:
    """Wrists that go faster than any does."""
    if recording.rate is None:
        return
    for h, name in enumerate(SIDES):
        wrist = keypoints[:, h, 0]
        with np.errstate(invalid="ignore"):
            speed = recording.rate * np.linalg.norm(np.diff(wrist, axis=0), axis=-1)
            frames = 1 + np.flatnonzero(speed > FASTEST)
        if frames.size:
            yield Finding(
                "jump",
                f"the {name} wrist goes at more than {FASTEST:g} m/s into {frames.size} of "
                f"{recording.frames} frames ({frames_text(frames)})",
                side=name,
                frames=FrameRuns(frames),
                severity=1.0,
            )


def _time(recording: PeopleRecording) -> Iterator[Finding]:
    """Steps of time that are far shorter or longer than others."""
    if recording.time is None or recording.frames < 3:
        return
    steps = np.diff(recording.time)
    usual = float(np.median(steps))
    for frames, kind, said in (
        (1 + np.flatnonzero(steps < CLOSE * usual), "close_times", "right after the one before"),
        (1 + np.flatnonzero(steps > UNEVEN * usual), "late_times", "late: frames are missing"),
    ):
        if frames.size:
            yield Finding(
                kind,
                f"{frames.size} of {recording.frames} frames come {said} "
                f"({frames_text(frames)}; the usual step is {1e3 * usual:.3g} ms)",
                frames=FrameRuns(frames),
                severity=frames.size / recording.frames if kind == "close_times" else 0.0,
            )
