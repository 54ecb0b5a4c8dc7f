"""How a report was made: robot, hands, calibration, networks, tolerances and versions, in words."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from retarget.core.text import angle_text, length_text
from retarget.core.types import SIDES
from retarget.human.hand_model import hands_hash

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter
    from retarget.replay.people_to_demo import PeopleMapping
    from retarget.replay.tolerances import Tolerances
    from retarget.robot.robot import Robot

_OWN = "the library's own"
_PACKAGES = ("retarget", "numpy", "pin", "plotly")


def settings(
    retargeter: Retargeter, tolerances: Tolerances, files: Mapping[str, str | Path | None]
) -> list[tuple[str, str]]:
    """Terms and what they were in a run.

    Args:
        retargeter: what took the demonstrations there and back.
        tolerances: of the verdicts.
        files: the "calibration" and "weights" given, where they are not the library's own.
    """
    fitter, robot = retargeter.fitter, retargeter.robot
    scales = ", ".join(
        f"{side} scale {found.scale:.4f}"
        for side, found in zip(SIDES, fitter.calibrations, strict=True)
    )
    hands = " and ".join(Path(hand.source).name for hand in fitter.hands)
    return [
        _robot(robot),
        (
            "Hand model",
            f"{hands}, hash {fitter.hand_hash}; fit of {fitter.components} components",
        ),
        ("Calibration", f"{files.get('calibration') or _OWN}: {scales}"),
        ("Weights", f"{files.get('weights') or _OWN}, {_networks(retargeter)}"),
        ("Refinement", f"{retargeter.refine} Gauss-Newton steps after the hand networks"),
        (
            "Tolerances",
            f"fingertips {length_text(tolerances.fingertip_m)} on average and "
            f"{length_text(tolerances.fingertip_p99_m)} in 1 % of cases; {_wrists(tolerances)}",
        ),
        _software(),
    ]


def mapping_terms(mapping: PeopleMapping) -> list[tuple[str, str]]:
    """Terms and what they were where people's motion was mapped."""
    robot, weights = mapping.robot, asdict(mapping.robot.map_settings)
    hands = " and ".join(Path(hand.source).name for hand in mapping.hands)
    return [
        _robot(robot),
        ("Hand model", f"{hands}, hash {hands_hash(mapping.hands)}"),
        ("Hand map", ", ".join(f"{name} {value}" for name, value in weights.items())),
        ("Workspace", f"wrists placed by {mapping.align!r}, ways scaled by {mapping.scale:g}"),
        ("Tolerances", _wrists(mapping.tolerances)),
        _software(),
    ]


def _robot(robot: Robot) -> tuple[str, str]:
    return (
        "Robot",
        f"{robot.name}, {len(robot.joint_names)} joints, {robot.urdf_path.name}, hash {robot.hash}",
    )


def _wrists(tolerances: Tolerances) -> str:
    return (
        f"wrists {length_text(tolerances.wrist_m)} and {angle_text(tolerances.wrist_rad)}; a hand "
        f"missing in {100.0 * tolerances.missing:.3g} % of the frames"
    )


def _software() -> tuple[str, str]:
    return "Versions", ", ".join([*_versions(), f"Python {platform.python_version()}"])


def _networks(retargeter: Retargeter) -> str:
    network, errors = retargeter.hand_mlp.network, retargeter.hand_mlp.errors
    digest = hashlib.sha256()
    for array in (*network.weights, *network.biases):
        digest.update(array.tobytes())
    means = [
        f"{side} {length_text(errors[f'{side}.plain.mean'])}"
        for side in SIDES
        if f"{side}.plain.mean" in errors
    ]
    trained = f"; mean fingertip error after training: {', '.join(means)}" if means else ""
    return f"hash {digest.hexdigest()[:16]}{trained}"


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
