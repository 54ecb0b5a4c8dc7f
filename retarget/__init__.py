"""Carry motion between a human hand (MANO) and a robot.

The public names are loaded when first used: importing the package loads neither torch nor
pinocchio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retarget.action_file import read_actions, write_actions
    from retarget.actions import Action, Normalization
    from retarget.arm_ik import ArmIK
    from retarget.command import Command
    from retarget.controller import Controller
    from retarget.demo import load_demo, save_demo
    from retarget.ensembler import ChunkEnsembler
    from retarget.errors import RetargetError
    from retarget.fitter import MANOFitter
    from retarget.hand_mlp import HandMLP
    from retarget.native import build_info
    from retarget.retargeter import Retargeter
    from retarget.robot import Robot
    from retarget.types import Demo, HumanMotion, RobotMotion, Status
    from retarget.viewer.live import Viewer

__version__ = "0.1.0"

_HOME = {
    "Action": "actions",
    "ArmIK": "arm_ik",
    "ChunkEnsembler": "ensembler",
    "Command": "command",
    "Controller": "controller",
    "Demo": "types",
    "HandMLP": "hand_mlp",
    "HumanMotion": "types",
    "MANOFitter": "fitter",
    "Normalization": "actions",
    "RetargetError": "errors",
    "Retargeter": "retargeter",
    "Robot": "robot",
    "RobotMotion": "types",
    "Status": "types",
    "Viewer": "viewer.live",
    "build_info": "native",
    "load_demo": "demo",
    "read_actions": "action_file",
    "save_demo": "demo",
    "write_actions": "action_file",
}

__all__ = [
    "Action",
    "ArmIK",
    "ChunkEnsembler",
    "Command",
    "Controller",
    "Demo",
    "HandMLP",
    "HumanMotion",
    "MANOFitter",
    "Normalization",
    "RetargetError",
    "Retargeter",
    "Robot",
    "RobotMotion",
    "Status",
    "Viewer",
    "build_info",
    "load_demo",
    "read_actions",
    "save_demo",
    "write_actions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'retarget' has no attribute {name!r}")
    return getattr(import_module(f"retarget.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
