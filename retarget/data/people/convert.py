"""People's recordings -> human motion files: hands fitted, gaps treated, what was done said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from retarget.core.errors import FileError, InputError
from retarget.core.progress import Progress, no_progress
from retarget.core.text import angle_text, length_text
from retarget.core.types import SIDES, BoolArray, FloatArray, HumanMotion, IntArray, Status
from retarget.data.convert import Conversion, status_texts, unconverged
from retarget.data.file_attributes import software_versions
from retarget.data.human_file import HumanFileInfo, HumanWriter
from retarget.data.people.readers import AUTO, read_people
from retarget.data.people.recording import PeopleRecording
from retarget.human.hand_model import HandModel, hands_hash, load_hands
from retarget.human.keypoint_fitter import FEW, KeypointFitter
from retarget.human.keypoints import KEYPOINT_TIPS, tip_gaps
from retarget.human.motion_gaps import fill_gaps, smooth_motion, stretches
from retarget.human.user import User
from retarget.human.user_calibration import FEWEST_FRAMES, calibrate_user

_TOUCHING = 0.005  # [m] beyond the contact gap
_KEPT = 1e-7  # [rad] that rounding may take off a pose


@dataclass(frozen=True)
class PeopleOptions:
    """How recordings of people become human motion.

    Attributes:
        hands: models of the left and the right hand.
        user: whose hands; None finds the user of each recording.
        components: number of pose coefficients K.
        layout: of the keypoints, "auto" tells it.
        side: the hand that a file of one hand is of, None where the file tells.
        rate: frames per second [Hz]; None takes the file's own.
        fill: "none", "hold" or "linear": what becomes of gaps.
        longest: frames of a gap that is filled.
        smooth: hold second differences down, see `retarget.human.motion_gaps.smooth_motion`.
        unmended_left: the file's left betas are of MANO's left hand as it first came, see
            `retarget.data.people.foreign_mano.ForeignMano`.
    """

    hands: tuple[HandModel, HandModel]
    user: User | None = None
    components: int = FEW
    layout: str = AUTO
    side: str | None = None
    rate: float | None = None
    fill: str = "none"
    longest: int = 15
    smooth: bool = False
    unmended_left: bool = False


def of_file(hands: tuple[HandModel, HandModel]) -> bool:
    """Whether models can be those of a file's MANO parameters: the open hand never is."""
    return hands_hash(hands) != _open_hash()


@cache
def _open_hash() -> str:
    return hands_hash(load_hands("open"))


def seen_keypoints(
    recording: PeopleRecording, hands: tuple[HandModel, HandModel]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Keypoints (T, 2, 21, 3) of a recording [m], and what is to be said of them.

    Of MANO parameters alone they are those of the hand models in that pose: exact with the model
    that the parameters are of.
    """
    if recording.keypoints is not None:
        return recording.keypoints, ()
    if recording.pose is None:
        raise InputError("a recording has keypoints or a pose")
    said = "keypoints are those of the given hand models in the file's pose and shape"
    if not of_file(hands):
        said = (
            "keypoints are those of the open hand in the file's pose: exact only with the model "
            "that made it (--hands mano)"
        )
    return recording.pose.keypoints(hands), (said,)


def find_user(
    path: str | Path,
    hands: tuple[HandModel, HandModel],
    *,
    layout: str = AUTO,
    side: str | None = None,
) -> tuple[User, PeopleRecording]:
    """The user of a recording, and the recording.

    Raises:
        FileError: the file cannot be read, or shows fewer than 20 hands.
    """
    recording = read_people(path, layout, side=side)
    return _user_of(recording, hands, layout), recording


def people_to_human(
    path: str | Path,
    out: str | Path,
    options: PeopleOptions,
    *,
    progress: Progress = no_progress,
) -> Conversion:
    """Write a recording of a person's hands as human motion (docs/formats.md).

    Args:
        path: the recording, of any format of docs/people.md.
        out: the human motion file.
        options: how.
        progress: called while it goes on.

    Raises:
        FileError: the recording cannot be read or tells no rate, or ``out`` cannot be written.
        InputError: an option is out of range.
    """
    recording = _read(path, options)
    rate = options.rate if options.rate is not None else recording.rate
    if rate is None:
        raise FileError(path, "does not tell its frames per second; give them: --rate")
    notes = [*recording.notes]
    user = options.user
    if user is None and int(recording.valid.sum()) < FEWEST_FRAMES:
        user = User()
        notes.append(
            f"shows a hand {int(recording.valid.sum())} times, too few to find the user "
            f"({FEWEST_FRAMES}): the hand model's size is taken"
        )
    elif user is None:
        user = _user_of(recording, options.hands, options.layout)
    fitter = KeypointFitter(user=user, components=options.components, hands=options.hands)
    keypoints, said = seen_keypoints(recording, options.hands)
    notes += said
    progress("fitting", 0, recording.frames)
    exact, how = parameters(recording, fitter, keypoints)
    notes += how
    motion = fitter.fit(keypoints, valid=recording.valid) if exact is None else exact
    status = motion.status
    motion = fill_gaps(motion, options.fill, options.longest)
    if options.smooth:
        motion = smooth_motion(motion, rate)
    camera, path_of = _camera(recording)
    info = HumanFileInfo(
        rate=rate,
        hand=fitter.hand_hash,
        components=fitter.components,
        camera=camera,
        frame=recording.frame,
        source=Path(path).name,
        sim=False,
        user=user,
        versions=software_versions(),
    )
    with HumanWriter(out, info) as writer:
        writer.append(
            motion,
            keypoints=fitter.keypoints(motion),
            T_world_camera=path_of,
            seen=None if options.smooth else keypoints,
        )
    progress("fitting", recording.frames, recording.frames)
    return Conversion(
        path=Path(path),
        out=Path(out),
        frames=recording.frames,
        rate=rate,
        rows=_rows(motion, status, keypoints, user),
        reasons=_reasons(status),
        notes=tuple(notes),
    )


def _read(path: str | Path, options: PeopleOptions) -> PeopleRecording:
    recording = read_people(path, options.layout, side=options.side)
    if not options.unmended_left:
        return recording
    if recording.pose is None or recording.pose.of_right:
        raise FileError(path, "has no MANO parameters of a left hand's model to be unmended")
    return replace(recording, pose=replace(recording.pose, unmended_left=True))


def parameters(
    recording: PeopleRecording, fitter: KeypointFitter, keypoints: FloatArray
) -> tuple[HumanMotion | None, tuple[str, ...]]:
    """A recording's MANO parameters as they are, where the model is theirs, and what was done.

    Args:
        recording: the recording.
        fitter: gives hand models, number of coefficients and user.
        keypoints: (T, 2, 21, 3) of the recording [m].

    Returns:
        The motion, its residuals those of the user's bones; None where it has to be fitted: of
        keypoints alone, with the open hand, with fewer coefficients than keep the pose.
    """
    if recording.pose is None:
        return None, ()
    if not of_file(fitter.hands):
        said = "the file's MANO parameters are of another model: hands are fitted to keypoints"
        return None, (said,)
    pca, lost = recording.pose.coefficients(fitter.hands, fitter.components)
    most = float(np.nanmax(lost, initial=0.0))
    if most > _KEPT:
        return None, (
            f"{fitter.components} coefficients lose up to {angle_text(most)} of a joint's turn: "
            "hands are fitted to keypoints; --components 45 keeps the file's pose exactly",
        )
    T = recording.pose.T_root(fitter.hands)
    lengths_off = np.linalg.norm(fitter.placed(pca, T) - keypoints, axis=-1)
    known = recording.valid & np.isfinite(pca).all(axis=-1)
    pose = np.where(known[..., None], recording.pose.pose(fitter.hands), np.nan)
    return HumanMotion(
        pca=np.where(known[..., None], pca, np.nan),
        T_world_mano=np.where(known[..., None, None], T, np.nan),
        residual=np.where(known[..., None], lengths_off, np.nan),
        iterations=np.zeros(known.shape, dtype=np.int64),
        status=np.where(known, int(Status.OK), int(Status.MISSING_INPUT)),
        hand=fitter.hand_hash,
        hand_pose=pose.reshape(*known.shape, -1, 3),
    ), ("pose and wrists are the file's own, exactly; shape is kept as the user's bones",)


def _camera(recording: PeopleRecording) -> tuple[str, FloatArray | None]:
    """Name and path (T, 4, 4) of what the person sees with, "" and None where that is not known."""
    if recording.frame != "world":
        return "", None
    if recording.T_world_camera is not None:
        return "camera", recording.T_world_camera
    if recording.T_world_head is not None:
        return "head", recording.T_world_head
    return "", None


def _user_of(recording: PeopleRecording, hands: tuple[HandModel, HandModel], layout: str) -> User:
    keypoints, _ = seen_keypoints(recording, hands)
    try:
        return calibrate_user(
            keypoints, recording.valid, hands=hands, layout="" if layout == AUTO else layout
        )
    except InputError as error:
        raise FileError(recording.path, str(error)) from error


def _rows(
    motion: HumanMotion, status: IntArray, keypoints: FloatArray, user: User
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A title and a text for each side."""
    residuals, gaps, pinches = [], [], []
    apart = tip_gaps(keypoints[..., list(KEYPOINT_TIPS), :])
    with np.errstate(invalid="ignore"):
        touching: BoolArray = np.asarray((apart <= user.contact_gap + _TOUCHING).any(axis=-1))
    for side in range(len(SIDES)):
        known = motion.residual[:, side][np.isfinite(motion.residual[:, side])]
        if known.size:
            middle, most = (length_text(float(np.percentile(known, p))) for p in (50, 99))
            residuals.append(f"median {middle}, p99 {most}")
        else:
            residuals.append("-")
        lost = stretches(status[:, side] == Status.MISSING_INPUT)
        lengths = [stop - start for start, stop in lost]
        gaps.append(f"{len(lengths)}, longest {max(lengths)} frames" if lengths else "none")
        pinches.append(f"{int(touching[:, side].sum())} frames")
    return (
        ("frames", status_texts(motion.status)),
        ("residual", tuple(residuals)),
        ("gaps", tuple(gaps)),
        ("thumb and a finger touch", tuple(pinches)),
        ("size over the hand model's", (f"{user.size:.3f}", f"{user.size:.3f}")),
    )


def _reasons(status: IntArray) -> tuple[str, ...]:
    """Why the result is not to be relied on; a hand that was never there is no reason."""
    found = [reason for side in range(len(SIDES)) for reason in unconverged(status, side)]
    if (status == Status.MISSING_INPUT).all():
        found.append(f"no hand is there in any of {len(status)} frames")
    return tuple(found)
