"""Carry motion between a human hand (MANO) and a robot.

The public names are loaded when first used: importing the package loads neither torch nor
pinocchio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retarget.core.version import VERSION

if TYPE_CHECKING:
    from retarget.actions import Action, Normalization
    from retarget.actions.ensembler import ChunkEnsembler
    from retarget.control.command import Command
    from retarget.control.controller import Controller
    from retarget.core.errors import RetargetError
    from retarget.core.types import Demo, HumanMotion, RobotMotion, Status
    from retarget.core.version import build_info
    from retarget.data.action_file import load_actions, save_actions
    from retarget.data.demo.reader import load_demo
    from retarget.data.demo.writer import save_demo
    from retarget.data.generate.make_demo import make_demo
    from retarget.data.people.readers import read_people
    from retarget.human.keypoint_fitter import KeypointFitter
    from retarget.human.user import User
    from retarget.human.user_calibration import calibrate_user
    from retarget.mapping.fitter import MANOFitter
    from retarget.mapping.hand_map import HandMap
    from retarget.mapping.hand_mlp import HandMLP
    from retarget.mapping.people_retargeter import PeopleRetargeter
    from retarget.mapping.retargeter import Retargeter
    from retarget.robot.arm.ik import ArmIK
    from retarget.robot.robot import Robot
    from retarget.viewer.live import Viewer

__version__ = VERSION

_HOME = {
    "Action": "actions",
    "ArmIK": "robot.arm.ik",
    "ChunkEnsembler": "actions.ensembler",
    "Command": "control.command",
    "Controller": "control.controller",
    "Demo": "core.types",
    "HandMap": "mapping.hand_map",
    "HandMLP": "mapping.hand_mlp",
    "HumanMotion": "core.types",
    "KeypointFitter": "human.keypoint_fitter",
    "MANOFitter": "mapping.fitter",
    "Normalization": "actions",
    "PeopleRetargeter": "mapping.people_retargeter",
    "RetargetError": "core.errors",
    "Retargeter": "mapping.retargeter",
    "Robot": "robot.robot",
    "RobotMotion": "core.types",
    "Status": "core.types",
    "User": "human.user",
    "Viewer": "viewer.live",
    "build_info": "core.version",
    "calibrate_user": "human.user_calibration",
    "load_actions": "data.action_file",
    "load_demo": "data.demo.reader",
    "make_demo": "data.generate.make_demo",
    "read_people": "data.people.readers",
    "save_actions": "data.action_file",
    "save_demo": "data.demo.writer",
}
_ALIASES = {"read_actions": "load_actions", "write_actions": "save_actions"}  # names of before

__all__ = [
    "Action",
    "ArmIK",
    "ChunkEnsembler",
    "Command",
    "Controller",
    "Demo",
    "HandMLP",
    "HandMap",
    "HumanMotion",
    "KeypointFitter",
    "MANOFitter",
    "Normalization",
    "PeopleRetargeter",
    "RetargetError",
    "Retargeter",
    "Robot",
    "RobotMotion",
    "Status",
    "User",
    "Viewer",
    "build_info",
    "calibrate_user",
    "load_actions",
    "load_demo",
    "make_demo",
    "read_people",
    "save_actions",
    "save_demo",
]


def __getattr__(name: str) -> Any:
    name = _ALIASES.get(name, name)
    if name not in _HOME:
        raise AttributeError(f"module 'retarget' has no attribute {name!r}")
    return getattr(import_module(f"retarget.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
