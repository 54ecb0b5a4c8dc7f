"""The loop of teleoperation: messages in, commands out, and the figures of how it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.control.command import Command, Phase
from retarget.core.errors import FileError
from retarget.core.statistics import ErrorSketch, ErrorStats
from retarget.core.types import SIDES, FloatArray, Status
from retarget.data.file_kind import FileKind, file_kind
from retarget.data.generate.people import RATE, make_people
from retarget.data.human_file import HumanReader
from retarget.data.people.readers import AUTO, read_people
from retarget.human.keypoint_fitter import KeypointFitter
from retarget.live.inbox import Inbox
from retarget.live.message import HandMessage

if TYPE_CHECKING:
    from retarget.live.teleop import Teleop

_ROUNDING = 1e-9  # [rad], and as a share of a velocity limit
Sides = tuple[Counter[str], Counter[str]]


def _counters() -> Sides:
    return Counter(), Counter()


@dataclass
class TeleopReport:
    """How a run went.

    Attributes:
        steps: commands given.
        rate: commands per second [Hz].
        phases: left, right: steps in each phase, by its label.
        holds: left, right: steps of holds by their reason.
        arm_status: left, right: steps by the status of the arm.
        beyond_limits: joint positions beyond a limit.
        speed_share: fastest joint as a share of its velocity limit [-].
        latency: of a step, from the message taken to the command [s].
        received: messages taken.
        dropped: messages dropped, by reason.
    """

    rate: float
    steps: int = 0
    phases: Sides = field(default_factory=_counters)
    holds: Sides = field(default_factory=_counters)
    arm_status: Sides = field(default_factory=_counters)
    beyond_limits: int = 0
    speed_share: float = 0.0
    latency: ErrorStats = field(default_factory=lambda: ErrorStats.of([]))
    received: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the run is not valid; none where it is."""
        found = []
        if self.beyond_limits:
            found.append(f"joints leave their limits {self.beyond_limits} times")
        if self.speed_share > 1.0 + _ROUNDING:
            found.append(f"a joint moves at {self.speed_share:.3g} times its velocity limit")
        for side, phases in zip(SIDES, self.phases, strict=True):
            if not phases.get(Phase.TRACKING.label) and not phases.get(Phase.STARTING.label):
                found.append(f"the {side} hand was never followed")
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Within all limits, and a hand was followed."""
        never = sum("never followed" in reason for reason in self.reasons)
        return len(self.reasons) == never < len(SIDES)


def teleoperate(
    teleop: Teleop,
    take: Callable[[], HandMessage | None],
    steps: int,
    *,
    wait: Callable[[int], None] = lambda step: None,
    on_command: Callable[[Command], None] = lambda command: None,
    inbox: Inbox | None = None,
) -> TeleopReport:
    """Run the loop: every period the newest message, a step, a command.

    The robot is taken to be where it was commanded. A message that did not come is a hand that is
    not seen: the sides hold.

    Args:
        teleop: makes the commands.
        take: the newest message, None where nothing new has come.
        steps: periods.
        wait: called with a step's number before it, to keep its time.
        on_command: takes every command.
        inbox: whose counts go into the report.
    """
    report = TeleopReport(teleop.settings.rate)
    limits, latency = teleop.limits, ErrorSketch()
    qpos: FloatArray = np.clip(np.zeros(len(teleop.names)), limits.lower, limits.upper)
    for step in range(steps):
        wait(step)
        began = time.perf_counter()
        message = take()
        command = (
            teleop.step(None, qpos)
            if message is None
            else teleop.step(
                message.keypoints,
                qpos,
                valid=message.valid,
                T_world_head=message.T_world_head,
            )
        )
        latency.add(np.array([time.perf_counter() - began]))
        _note(report, command, np.abs(command.qpos - qpos) if step else None, teleop)
        qpos = command.qpos
        on_command(command)
    report.latency = ErrorStats(
        latency.mean, latency.quantile(0.5), latency.quantile(0.99), latency.max
    )
    if inbox is not None:
        report.received, report.dropped = inbox.received, dict(inbox.dropped)
    return report


def recorded(
    path: Path | None, rate: float, *, layout: str = AUTO, side: str | None = None
) -> Iterator[HandMessage]:
    """The messages of a recording, one a period: of each the frame that is newest then.

    Args:
        path: a recording of people's hands or a human motion file; None for the one that is made
            here.
        rate: periods per second [Hz].
        layout: of its keypoints.
        side: the hand that a file of one hand is of.

    Raises:
        FileError: it cannot be read, or does not tell its rate.
    """
    if path is None:
        keypoints, head = make_people()
        own, heads = RATE, head
    elif _is_human_motion(path):
        with HumanReader(path) as reader:
            motion, own, heads = reader.read(), reader.rate, None
            fitter = KeypointFitter(user=reader.info.user, components=motion.pca.shape[-1])
            keypoints = fitter.keypoints(motion)
    else:
        recording = read_people(path, layout, side=side)
        if recording.keypoints is None:
            raise FileError(path, "holds poses and no keypoints; take what from-human makes of it")
        if recording.rate is None:
            raise FileError(path, "does not tell its frames per second")
        keypoints, own, heads = recording.keypoints, recording.rate, recording.T_world_head
        heads = recording.T_world_camera if heads is None else heads
    for step in range(int(len(keypoints) / own * rate)):
        frame = min(int(step / rate * own + 1e-9), len(keypoints) - 1)
        points = keypoints[frame]
        yield HandMessage(
            sequence=step,
            time=step / rate,
            keypoints=points,
            valid=np.asarray(np.isfinite(points).any(axis=(-2, -1))),
            T_world_head=None if heads is None else heads[frame],
        )


def _is_human_motion(path: Path) -> bool:
    """Whether a file is human motion, and no recording of a tracker or data set."""
    try:
        return file_kind(path) is FileKind.HUMAN
    except FileError:  # no HDF5: what it is, `read_people` says
        return False


def _note(report: TeleopReport, command: Command, moved: FloatArray | None, teleop: Teleop) -> None:
    """Count a step."""
    report.steps += 1
    for h in range(len(SIDES)):
        report.phases[h][command.phases[h].label] += 1
        report.arm_status[h][Status(command.arm_status[h]).label] += 1
        hold = command.holds[h]
        if hold is not None:
            report.holds[h][hold.reason] += 1
    limits, q = teleop.limits, command.qpos
    beyond = (q < limits.lower - _ROUNDING) | (q > limits.upper + _ROUNDING)
    report.beyond_limits += int(beyond.sum())
    if moved is not None:
        known = np.isfinite(limits.velocity)
        share = moved[known] * report.rate / limits.velocity[known]
        report.speed_share = max(report.speed_share, float(share.max(initial=0.0)))
