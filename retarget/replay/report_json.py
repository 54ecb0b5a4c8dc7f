"""Reports of replays for programs: the JSON of docs/replay.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retarget.core.files import write_text
from retarget.core.statistics import Extreme
from retarget.core.types import SIDES
from retarget.core.version import VERSION
from retarget.human.hand_model import hands_hash
from retarget.replay.people_to_demo import PeopleReplay
from retarget.replay.replay import Judged, Replay
from retarget.replay.summary import worst_first

if TYPE_CHECKING:
    from retarget.data.demo.check import DemoCheck
    from retarget.data.demo.findings import Finding
    from retarget.mapping.retargeter import Retargeter
    from retarget.replay.people_to_demo import PeopleMapping
    from retarget.replay.record import SideReplay
    from retarget.replay.tolerances import Tolerances


def replay_json(
    results: Sequence[tuple[str, Judged | str]],
    settings: Mapping[str, Any],
    tolerances: Tolerances,
    exit_code: int,
) -> dict[str, Any]:
    """All that ``retarget replay`` or ``to-robot`` found, in numbers, text and None alone.

    Args:
        results: per input, in the order given, its path and its replay, or the error's message.
        settings: how, by `retargeter_settings` or `mapping_settings`.
        tolerances: of the verdicts.
        exit_code: that of the command.
    """
    replays = [result for _, result in results if not isinstance(result, str)]
    return {
        "demos": [
            _refused(path, result) if isinstance(result, str) else _demo(path, result)
            for path, result in results
        ],
        "summary": {
            "demos": len(results),
            "valid": sum(replay.passed for replay in replays),
            "not_valid": sum(not replay.passed for replay in replays),
            "bad_input": len(results) - len(replays),
            "frames": sum(replay.frames for replay in replays),
            "seconds": sum(replay.seconds for replay in replays),
            "worst_first": [str(replay.path) for replay in worst_first(replays)],
            "exit_code": exit_code,
            "settings": {"version": VERSION, **settings, "tolerances": asdict(tolerances)},
        },
    }


def write_json(path: str | Path, report: Mapping[str, Any]) -> None:
    """Write a report, whole or not at all; numbers that are not finite become null.

    Raises:
        FileError: the file cannot be written there.
    """
    write_text(path, json.dumps(_strict(report), indent=2, allow_nan=False) + "\n")


def _demo(path: str, replay: Judged) -> dict[str, Any]:
    return {
        "path": path,
        "frames": replay.frames,
        "seconds": replay.seconds,
        "rate_hz": replay.rate,
        "passed": replay.passed,
        "reasons": [reason.text for reason in replay.reasons],
        "notes": list(replay.notes),
        "findings": [_finding(finding) for finding in replay.findings],
        "error": None,
        "self_check": _self_check(replay.check) if isinstance(replay, Replay) else None,
        "sides": {
            side: {**_side(replay.sides[h]), **_people_hand(replay, h)}
            for h, side in enumerate(SIDES)
        },
    }


def _people_hand(replay: Judged, h: int) -> dict[str, Any]:
    """What is said of a person's hand alone."""
    if not isinstance(replay, PeopleReplay):
        return {}
    hand = replay.hands[h]
    return {
        "pinches": {pinch.finger: asdict(pinch) for pinch in hand.pinches},
        "false_pinch_frames": len(hand.false_pinches),
        "hand_jitter_rad": hand.jitter_rad,
        "hand_speed_over_limit": hand.speed_share,
    }


def _refused(path: str, message: str) -> dict[str, Any]:
    return {
        "path": path,
        "frames": None,
        "seconds": None,
        "rate_hz": None,
        "passed": False,
        "reasons": [],
        "notes": [],
        "findings": [],
        "error": message,
        "self_check": None,
        "sides": {},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "side": finding.side or None,
        "note": finding.note,
        "text": finding.text,
        "runs": [list(run) for run in finding.frames.runs],
    }


def _side(side: SideReplay) -> dict[str, Any]:
    extremes = {name: value for name, value in vars(side).items() if isinstance(value, Extreme)}
    missed = side.unreachable
    return {
        **{key: _with_frame(asdict(stats), "worst_frame") for key, stats in side.errors.items()},
        "hand_status": dict(side.hand_status),
        "arm_status": dict(side.arm_status),
        "label_jumps": side.label_jumps,
        "arm_jumps": side.arm_jumps,
        "unreachable": {
            "frames": list(missed.frames),
            "position_m": missed.position_m,
            "rotation_rad": missed.rotation_rad,
        },
        "limit_violations": side.limit_violations,
        "limit_margin_rad": side.limit_margin_rad,
        **{name: _with_frame(asdict(value), "frame") for name, value in extremes.items()},
    }


def _with_frame(values: dict[str, Any], key: str) -> dict[str, Any]:
    """A frame that was not found is null, not -1."""
    return {**values, key: None if values[key] < 0 else values[key]}


def _self_check(check: DemoCheck) -> dict[str, Any]:
    return {
        "ok": check.ok,
        "cause": None if check.cause is None else check.cause.text,
        "sides": {
            side: {
                "frames": found.frames,
                "ok": found.ok,
                "wrist_position_m": _with_frame(asdict(found.wrist_position), "worst_frame"),
                "wrist_rotation_rad": _with_frame(asdict(found.wrist_rotation), "worst_frame"),
                "fingertip_m": _with_frame(asdict(found.fingertip), "worst_frame"),
            }
            for side, found in zip(SIDES, check.sides, strict=True)
        },
    }


def retargeter_settings(retargeter: Retargeter) -> dict[str, Any]:
    """What took demonstrations there and back."""
    return {
        "robot": retargeter.robot.name,
        "robot_hash": retargeter.robot.hash,
        "hand": retargeter.fitter.hand_hash,
        "components": retargeter.fitter.components,
        "refine": retargeter.refine,
    }


def mapping_settings(mapping: PeopleMapping) -> dict[str, Any]:
    """What took people's motion to a robot."""
    return {
        "robot": mapping.robot.name,
        "robot_hash": mapping.robot.hash,
        "hand": hands_hash(mapping.hands),
        "align": mapping.align,
        "scale": mapping.scale,
        "map": asdict(mapping.robot.map_settings),
    }


def _strict(value: Any) -> Any:
    """Plain JSON values: keys and nesting kept, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
