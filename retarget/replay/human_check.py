"""What is odd about human motion itself: frames that jump out and back, poses no hand takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.statistics import ErrorSketch, FrameRuns
from retarget.core.text import number_text
from retarget.core.types import SIDES, FloatArray, HumanMotion, Status
from retarget.data.peak_speeds import PeakSpeeds, SpeedWatch
from retarget.replay.verdict import Reason

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter
    from retarget.mapping.retargeter import Returned

LARGEST = 6.0  # a coefficient beyond is no hand's [standard deviations]
FASTEST_FINGER = 20.0  # no finger's joint is faster [rad/s]
AS_RECORDED = 1.5  # times as fast as recorded: the rate or the frames are others
_SLACK = np.array([0.5, 0.05])  # of hand joints [rad/s] and wrists [m/s], for those that rest
# Of a step out and back in one frame: what counts at least, and how many times the motion's median
# step. Of 40 real recordings none has such a step in coefficients, the largest of a wrist has 3 mm;
# of white noise the largest are three times the median.
_LEAST = {"hand's coefficients jump": 0.75, "wrist jumps": 0.02, "wrist turns": 0.2}
_MEDIANS = 5.0
_KEPT = 1000  # candidates kept of each kind


class HumanCheck:
    """Watches human motion that comes in blocks, and the joints that come of it.

    Args:
        fitter: gives the robot, and the coefficients' standard deviations.
        rate: frames per second [Hz].
        recorded: largest speeds of the recording, where they are known.
    """

    def __init__(
        self,
        fitter: MANOFitter,
        rate: float,
        recorded: tuple[PeakSpeeds, PeakSpeeds] | None = None,
    ) -> None:
        self._sigma = np.stack([hand.sigma[: fitter.components] for hand in fitter.hands])
        self._recorded = recorded
        self._speeds = SpeedWatch(fitter.robot, rate)
        self._outliers = [{name: _Outliers(least) for name, least in _LEAST.items()} for _ in SIDES]
        self._largest = [(0.0, -1) for _ in SIDES]
        self._done = 0

    def add(self, returned: Returned) -> None:
        """Take in the next frames."""
        human = returned.human
        known = returned.hand_status != int(Status.MISSING_INPUT)
        self._speeds.add(returned.robot.qpos, human.T_world_mano[..., :3, 3], known)
        z = human.pca / self._sigma
        for h in range(len(SIDES)):
            size = np.nan_to_num(np.abs(z[:, h]).max(axis=-1))
            frame = int(np.argmax(size))
            if size[frame] > self._largest[h][0]:
                self._largest[h] = float(size[frame]), self._done + frame
            for outliers, values in zip(
                self._outliers[h].values(), _channels(human, z, h), strict=True
            ):
                outliers.add(values, self._done)
        self._done += len(z)

    def reasons(self) -> list[Reason]:
        """What speaks against the motion, left side first."""
        return [reason for h, name in enumerate(SIDES) for reason in self._side(h, name)]

    def _side(self, h: int, name: str) -> Iterator[Reason]:
        largest, frame = self._largest[h]
        if largest > LARGEST:
            yield Reason(
                f"the {name} hand's coefficients reach {largest:.3g} standard deviations (frame "
                f"{frame}); a hand's stay within {LARGEST:.3g}",
                largest / LARGEST,
            )
        for what, outliers in self._outliers[h].items():
            frames = outliers.frames()
            if frames:
                yield Reason(
                    f"the {name} {what} away and back within a frame ({frames.text()})",
                    len(frames),
                )
        now = self._speeds.result()[h]
        found = np.array([now.hand_rad_s, now.wrist_m_s])
        if self._recorded is None:
            if now.hand_rad_s > FASTEST_FINGER:
                yield Reason(
                    f"the {name} hand's joints move at up to {number_text(now.hand_rad_s)} rad/s; "
                    f"no finger is faster than {FASTEST_FINGER:.3g}",
                    now.hand_rad_s / FASTEST_FINGER,
                )
            return
        said = self._recorded[h]
        before = np.array([said.hand_rad_s, said.wrist_m_s])
        allowed = AS_RECORDED * before + _SLACK
        worst = int(np.argmax(found / allowed))
        if found[worst] > allowed[worst]:
            what, unit = (("hand's joints", "rad/s"), ("wrist", "m/s"))[worst]
            yield Reason(
                f"the {name} {what} move{'' if worst == 0 else 's'} at up to "
                f"{number_text(float(found[worst]))} {unit}, in the recording at "
                f"{number_text(float(before[worst]))}: the rate or the frames are not the "
                "recording's",
                float(found[worst] / allowed[worst]),
            )


def _channels(human: HumanMotion, z: FloatArray, h: int) -> tuple[FloatArray, ...]:
    """What is watched for outliers of one side, (T, n) each, in the order of `_LEAST`."""
    T = human.T_world_mano[:, h]
    return z[:, h], T[:, :3, 3], T[:, :3, :3].reshape(len(T), 9)


class _Outliers:
    """Frames of a series (T, n) that lie far from both neighbours, which are near each other."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._steps = ErrorSketch()
        self._found: list[tuple[float, int]] = []
        self._before: FloatArray | None = None

    def add(self, values: FloatArray, start: int) -> None:
        """Take in the next frames, the first of them the file's frame ``start``."""
        if self._before is not None:
            values, start = np.concatenate([self._before, values]), start - len(self._before)
        new = 0 if self._before is None else len(self._before) - 1
        self._before = values[-2:]
        step = np.linalg.norm(np.diff(values, axis=0), axis=-1)
        self._steps.add(step[new:], start)
        across = np.linalg.norm(values[2:] - values[:-2], axis=-1)
        away = np.minimum(step[:-1], step[1:])
        rows = np.flatnonzero((away > self._least) & (across < 0.5 * away))
        self._found += [(float(away[row]), start + 1 + int(row)) for row in rows]
        if len(self._found) > 2 * _KEPT:
            self._found = sorted(self._found, reverse=True)[:_KEPT]

    def frames(self) -> FrameRuns:
        """The frames, ascending."""
        least = _MEDIANS * self._steps.quantile(0.5)
        return FrameRuns(sorted(frame for away, frame in self._found if away > least))
