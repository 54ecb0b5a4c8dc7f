"""The likely mistake behind a demonstration that is far from forward kinematics of its joints.

Every mistake is a transformation with a name (`record_mistakes`, `joint_mistakes`). Each is undone,
alone and after the simple ones, and what remains is measured for each hand's wrist position, wrist
rotation and fingertips apart. The explanation is the set of at most three mistakes that is cheapest
in all: what the mistakes cost, the unlikelier the more, and what they leave, by its logarithm. So
a mistake of one side, or of the wrists alone, is named as such, two may meet, and the simplest
explanation wins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import InputError
from retarget.core.geometry import lengths, rotation_angle
from retarget.core.types import SIDES, Demo, FloatArray
from retarget.data.demo import joint_mistakes, record_mistakes
from retarget.data.demo.evidence import (
    PARTS,
    POSITION,
    ROTATION,
    ROTATION_PER_METRE,
    TIPS,
    Evidence,
    Guess,
    Guessed,
    Mistake,
    Part,
    gaps,
)

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

NOTABLE = 1e-3  # [m] and, times 20, [rad]: a difference that is worth a word
_FLOOR = 2e-4  # [m]: what remains below it is nothing
_WEIGHT = 4.0  # what ten times as much left over costs, beside a mistake's 1 to 3
_FRAMES = 240  # consecutive frames looked at, those that move most
_MOST = 3  # mistakes at once
_KEPT = 10  # options of a part that are looked at together
_JOINT_GUESSES = 5  # mistakes of joints that are tried with those of the record
_CLOSE = 0.35  # an explanation that costs so little more is as good
_ALL_BUT = 0.2  # of a difference within tolerance may be left by what explains it
_EXPLAINED = 0.35  # of a part's difference may be left to call it explained, or a few mm


@dataclass(frozen=True)
class Cause:
    """A mistake that would make a file look as it does.

    Attributes:
        text: the mistake.
        left_over: what typically remains once it is undone [m], or None where none was found.
        fatal: certain damage if it were ignored: swapped hands, lengths that are not metres.
        mix_up: something stands in another's place, however little that changes.
    """

    text: str
    left_over: float | None = None
    fatal: bool = False
    mix_up: bool = False

    def __str__(self) -> str:
        if self.left_over is None:
            return self.text
        return f"{self.text} (undone, {max(self.left_over * 1000.0, 0.01):.2g} mm or less remain)"


@dataclass(frozen=True)
class DemoErrors:
    """Errors a frame and hand, NaN where the hand is not valid.

    Attributes:
        wrist_position: (T, 2) [m].
        wrist_rotation: (T, 2) [rad].
        fingertip: (T, 2) of the worst finger [m].
    """

    wrist_position: FloatArray
    wrist_rotation: FloatArray
    fingertip: FloatArray


def likely_cause(demo: Demo, robot: Robot) -> Cause:
    """What explains best why a demonstration disagrees with itself, or which parts disagree.

    Deterministic; looks at 240 frames at most and takes a fraction of a second.
    """
    evidence = Evidence.of(_busiest(demo), robot)
    search = _Search(evidence)
    search.try_records(record_mistakes.single(evidence))
    found = search.best()
    if not found.complete or found.cost > 1.4:
        search.try_pairs()
        search.try_joints(joint_mistakes.joints(evidence))
        found = search.best()
    return found.cause()


def slight_cause(demo: Demo, robot: Robot) -> Cause | None:
    """What explains a difference within tolerance all but whole: a constant turn, a lag; else None.

    The same as `likely_cause` with the mistakes that may cost so little.
    """
    evidence = Evidence.of(_busiest(demo), robot)
    search = _Search(evidence)
    search.try_records(record_mistakes.slight(evidence))
    search.try_joints(joint_mistakes.slight(evidence))
    found = search.best()
    whole = all(
        option.gap <= max(_FLOOR, _ALL_BUT * found.before[part])
        for part, option in found.options.items()
        if found.before[part] > NOTABLE
    )
    return found.cause() if found.mistakes and whole else None


def demo_errors(
    demo: Demo, robot: Robot, forward: tuple[FloatArray, FloatArray] | None = None
) -> DemoErrors:
    """Recorded wrist poses and fingertips against forward kinematics of the recorded joints.

    Args:
        demo: the demonstration.
        robot: the robot.
        forward: ``robot.forward(demo.qpos)``, where it is known.

    Raises:
        InputError: the demonstration's number of joints is not the robot's.
    """
    n = len(robot.joint_names)
    if demo.qpos.ndim != 2 or demo.qpos.shape[1] != n:
        raise InputError(
            f"qpos must have shape (T, {n}) for {robot.name}, got {demo.qpos.shape}",
            value=demo.qpos.shape,
        )
    T_world_wrist, fingertips = forward or robot.forward(demo.qpos)
    recorded = demo.T_world_wrist
    position = lengths(recorded[..., :3, 3] - T_world_wrist[..., :3, 3])
    rotation = rotation_angle(recorded[..., :3, :3], T_world_wrist[..., :3, :3])
    # of the fingers that are known
    tips = np.fmax.reduce(lengths(demo.fingertips - fingertips), axis=-1)
    lost = ~demo.valid
    return DemoErrors(*(np.where(lost, np.nan, values) for values in (position, rotation, tips)))


def _busiest(demo: Demo) -> Demo:
    """The consecutive frames, `_FRAMES` at most, in which joints and record move most."""
    start = 0
    if demo.frames > _FRAMES:
        moved = np.abs(np.diff(demo.qpos, axis=0)).sum(axis=-1)
        wrists = lengths(np.diff(demo.T_world_wrist[..., :3, 3], axis=0))
        moved = moved + np.minimum(np.nan_to_num(wrists), 0.05).sum(axis=-1)
        total = np.concatenate([[0.0], np.cumsum(moved)])
        start = int(np.argmax(total[_FRAMES - 1 :] - total[: len(total) - _FRAMES + 1]))
    rows = slice(start, start + _FRAMES)
    return dataclasses.replace(
        demo,
        qpos=demo.qpos[rows],
        T_world_wrist=demo.T_world_wrist[rows],
        fingertips=demo.fingertips[rows],
        valid=demo.valid[rows],
        action=None if demo.action is None else demo.action[rows],
    )


@dataclass(frozen=True)
class _Option:
    """Mistakes that leave a part as far off as this."""

    mistakes: tuple[Mistake, ...]
    gap: float

    @property
    def cost(self) -> float:
        return _left_cost(self.gap) + sum(mistake.cost for mistake in self.mistakes)


def _left_cost(gap: float) -> float:
    return _WEIGHT * float(np.log10(max(gap, _FLOOR) / _FLOOR))


class _Search:
    """What every guess leaves of every part, and the cheapest explanation of all parts."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._before = _gaps_of(evidence)
        self._options: dict[Part, list[_Option]] = {
            part: [_Option((), gap)] for part, gap in self._before.items()
        }

    def try_records(
        self,
        guesses: Iterable[Guess],
        evidence: Evidence | None = None,
        first: tuple[Mistake, ...] = (),
    ) -> None:
        """Mistakes of the record, in ``evidence`` if other mistakes come first."""
        expected = (self._evidence if evidence is None else evidence).expected
        for mistake, hands in guesses:
            self._note((*first, mistake), hands, Evidence.gaps_between(hands, expected))

    def try_pairs(self) -> None:
        """All mistakes of the record after each of the simple ones."""
        for mistake, hands in list(record_mistakes.simple(self._evidence)):
            if all(hand is None for hand in hands):
                continue
            mended = self._evidence.recorded(hands)
            self.try_records(record_mistakes.single(mended), mended, (mistake,))

    def try_joints(self, guesses: Iterable[Guess]) -> None:
        """Mistakes of the joints, and the likeliest of them with mistakes of the record."""
        ranked = []
        for rank, (mistake, hands) in enumerate(guesses):
            computed = self._evidence.computed(hands)
            after = _gaps_of(computed)
            changed = {
                part: gap
                for part, gap in after.items()
                if hands[part[0]] is not None and gap != self._before[part]
            }
            for part, gap in changed.items():
                self._options[part].append(_Option((mistake,), gap))
            gain = sum(
                _left_cost(self._before[part]) - _left_cost(gap)
                for part, gap in changed.items()
                if gap < self._before[part]
            )
            ranked.append((mistake.cost - gain, rank, mistake, computed))
        ranked.sort(key=lambda entry: entry[:2])
        for score, _, mistake, computed in ranked[:_JOINT_GUESSES]:
            if score < 0.0:
                self.try_records(record_mistakes.single(computed), computed, (mistake,))

    def _note(
        self, mistakes: tuple[Mistake, ...], hands: Guessed, found: dict[Part, float]
    ) -> None:
        for part, gap in found.items():
            if gap < self._before[part]:
                self._options[part].append(_Option(mistakes, gap))

    def best(self) -> _Explanation:
        """The set of mistakes that costs least."""
        parts = list(self._options)
        kept = {}
        for part in parts:
            options = self._options[part]
            kept[part] = [options[0], *sorted(options, key=lambda option: option.cost)[:_KEPT]]
        mistakes = {m.key: m for options in kept.values() for o in options for m in o.mistakes}
        keys = list(mistakes)[:60]
        bit = {key: 1 << k for k, key in enumerate(keys)}
        sets = [
            chosen for size in range(_MOST + 1) for chosen in combinations(range(len(keys)), size)
        ]
        masks = np.array([sum(1 << k for k in chosen) for chosen in sets], dtype=np.int64)
        price = np.array([mistakes[key].cost for key in keys])
        total = np.array([price[list(chosen)].sum() for chosen in sets])
        picked = {}
        for part, options in kept.items():
            usable = [o for o in options if all(m.key in bit for m in o.mistakes)]
            needs = np.array([sum(bit[m.key] for m in o.mistakes) for o in usable], dtype=np.int64)
            left = np.array([_left_cost(o.gap) for o in usable])
            allowed = (needs[:, None] & ~masks) == 0
            cost = np.where(allowed, left[:, None], np.inf)
            picked[part] = (usable, cost.argmin(axis=0))
            total += cost.min(axis=0)
        order = np.argsort(total, kind="stable")
        chosen = [
            {part: usable[rows[k]] for part, (usable, rows) in picked.items()} for k in order[:40]
        ]
        close = total[order[:40]] <= total[order[0]] + _CLOSE
        first = _Explanation(self._before, chosen[0], float(price[list(sets[order[0]])].sum()))
        others = [
            _Explanation(self._before, options, 0.0)
            for options, near in zip(chosen[1:], close[1:], strict=True)
            if near
        ]
        keys_of = set(first.mistakes)
        other = next((o for o in others if o.mistakes and not keys_of & set(o.mistakes)), None)
        return dataclasses.replace(first, other=other)


def _gaps_of(evidence: Evidence) -> dict[Part, float]:
    return {
        (h, part): np.nan_to_num(gap)
        for h, (pose, moved) in enumerate(zip(evidence.record, evidence.expected, strict=True))
        for part, gap in zip(PARTS, gaps(pose.hand(*PARTS), moved), strict=True)
    }


@dataclass(frozen=True)
class _Explanation:
    """The mistakes of each part, and what they leave."""

    before: dict[Part, float]
    options: dict[Part, _Option]
    cost: float
    other: _Explanation | None = None

    @property
    def mistakes(self) -> dict[str, tuple[Mistake, list[Part]]]:
        """By key: each mistake and the parts it explains."""
        found: dict[str, tuple[Mistake, list[Part]]] = {}
        for part, option in self.options.items():
            for mistake in option.mistakes:
                known, parts = found.setdefault(mistake.key, (mistake, []))
                parts.append(part)
                if mistake.details.keys() - known.details.keys():
                    details = {**known.details, **mistake.details}
                    found[mistake.key] = (dataclasses.replace(known, details=details), parts)
        return found

    @property
    def unexplained(self) -> list[Part]:
        """Parts that stay far off."""
        return [
            part
            for part, option in self.options.items()
            if option.gap > max(NOTABLE, min(_EXPLAINED * self.before[part], 8e-3))
        ]

    @property
    def complete(self) -> bool:
        return bool(self.mistakes) and not self.unexplained

    def cause(self) -> Cause:
        """In words."""
        found = self.mistakes
        rest = self.unexplained
        said = [mistake.say(parts) for mistake, parts in found.values()]
        explained = {part for _, parts in found.values() for part in parts} - set(rest)
        off = [part for part in self.before if self.before[part] > NOTABLE]
        if not said or not explained or 2 * len(rest) > len(off):  # guesswork
            return Cause(self._general(sorted(self.before, key=lambda p: p)))
        text = "; ".join(said)
        if self.other is not None and not rest:
            more = "; ".join(m.say(parts) for m, parts in self.other.mistakes.values())
            text = f"{text}; or, as likely, {more}"
        left: float | None = max(self.options[part].gap for part in self.options)
        if rest:
            text = f"{text}; unexplained: {_parts_text(rest, self.options)}"
            left = None
        mistakes = [mistake for mistake, _ in found.values()]
        # what leaves a part unexplained is no certainty
        fatal = not rest and any(m.fatal for m in mistakes)
        mix_up = any(m.mix_up for m in mistakes)
        return Cause(text, left, fatal, mix_up)

    def _general(self, parts: list[Part]) -> str:
        """Which parts disagree, and which agree."""
        off = [part for part in parts if self.before[part] > NOTABLE]
        fine = [part for part in parts if part not in off]
        kinds = {part for _, part in off}
        if kinds == {TIPS}:
            guess = "another hand, or another order of the hands' joints; the arms agree"
        elif kinds == {ROTATION}:
            guess = "another convention of rotations or frame of the hand"
        else:
            guess = "another joint order, robot or frame"
        agree = f", {_names(fine)} agree" if fine else ""
        return f"no usual mistake explains that {_names(off)} disagree{agree}: {guess}"


def _names(parts: Iterable[Part]) -> str:
    """Parts in words: ``"left wrist rotations and fingertips"``."""
    words = {POSITION: "wrist positions", ROTATION: "wrist rotations", TIPS: "fingertips"}
    by_kind: dict[int, list[int]] = {}
    for h, kind in sorted(parts):
        by_kind.setdefault(kind, []).append(h)
    said = []
    for kind, hands in sorted(by_kind.items()):
        side = "" if len(hands) == len(SIDES) else f"{SIDES[hands[0]]} "
        said.append(f"{side}{words[kind]}")
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _parts_text(parts: Iterable[Part], options: dict[Part, _Option]) -> str:
    said = []
    for part in sorted(parts):
        gap = options[part].gap
        size = (
            f"{np.degrees(gap * ROTATION_PER_METRE):.3g} degrees"
            if part[1] == ROTATION
            else f"{gap * 1000.0:.3g} mm"
        )
        said.append(f"{_names([part])} {size} off")
    return ", ".join(said)
