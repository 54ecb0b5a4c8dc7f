"""Runs in a process of its own: a replay with its parts timed, what starts at least, or memory.

    python -m benchmarks.child replay DEMO RESULT
    python -m benchmarks.child least URDF FRAMES RESULT
    python -m benchmarks.child memory fit|arms FRAMES RESULT

The result, JSON, holds seconds by part, or bytes.
"""

from __future__ import annotations

import time

_BEGAN = time.perf_counter()

import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

# part of the time -> functions it is spent in, by module and name
PARTS = {
    "robot, hands, networks": ["retarget.cli.commands.options:RetargeterOptions.load_retargeter"],
    "read and check": ["retarget.data.demo.recording:Recording.check"],
    "fit": [
        "retarget.mapping.fitter:MANOFitter.fit_in_wrist",
        "retarget.mapping.retargeter:Retargeter._label_jumps",
    ],
    "network": ["retarget.mapping.hand_mlp:HandMLP.joints"],
    "arms": ["retarget.robot.arm.ik:ArmIK.solve_trajectory"],
    "statistics": [
        "retarget.replay.record:ReplayRecord.add",
        "retarget.replay.record:SideRecord.result",
    ],
    "report": ["retarget.cli.replay_report:print_replay"],
}


def main() -> None:
    """Do as the command line says."""
    kind, *arguments = sys.argv[1:]
    result = Path(arguments.pop())
    found = {"replay": _replay, "least": _least, "memory": _memory}[kind](*arguments)
    result.write_text(json.dumps(found), encoding="utf-8")


def _replay(demo: str) -> dict[str, float]:
    """Seconds by part of ``retarget replay DEMO``, and ``peak`` bytes of memory."""
    from retarget.cli.main import app

    places = [(part, place) for part, places in PARTS.items() for place in places]
    for _, place in places:
        importlib.import_module(place.split(":")[0])
    imported = time.perf_counter()
    spent = dict.fromkeys(PARTS, 0.0)
    for part, place in places:
        _time(place, part, spent)
    with suppress(SystemExit):
        app(["replay", demo])
    ended = time.perf_counter()
    rest = ended - imported - sum(spent.values())
    return {
        "imports": imported - _BEGAN,
        **spent,
        "the rest": rest,
        "peak": float(_status("VmHWM")),
    }


def find(place: str) -> tuple[list[Any], str, Callable[..., Any]]:
    """Who holds the function at ``module:name``, its name there, and the function itself.

    Modules of the library that have imported it hold it too.
    """
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    function = getattr(owner, name)
    modules = [m for key, m in list(sys.modules.items()) if key.startswith("retarget.")]
    others = [m for m in modules if m is not owner and vars(m).get(name) is function]
    return [owner, *others], name, function


_inside: list[str] = []


def _time(place: str, part: str, spent: dict[str, float]) -> None:
    """Replace a function by one that adds its time to a part, unless called within another part."""
    owners, name, original = find(place)

    def timed(*args: Any, **kwargs: Any) -> Any:
        if _inside:
            return original(*args, **kwargs)
        _inside.append(part)
        began = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent[part] += time.perf_counter() - began
            _inside.pop()

    for owner in owners:
        setattr(owner, name, timed)


def _least(urdf: str, frames: str) -> dict[str, float]:
    """Do the least that any replay must: import, read the robot, walk its frames; all seconds."""
    import h5py  # noqa: F401
    import numpy as np
    import pinocchio
    import rich.table  # noqa: F401
    import typer  # noqa: F401

    model = pinocchio.buildModelFromUrdf(urdf)
    data, q = model.createData(), np.zeros(model.nq)
    for _ in range(int(frames)):
        pinocchio.forwardKinematics(model, data, q)
        pinocchio.updateFramePlacements(model, data)
    return {"all": time.perf_counter() - _BEGAN}


def _memory(what: str, frames: str) -> dict[str, float]:
    """Peak bytes that one call on so many frames takes beyond its inputs."""
    import numpy as np

    from benchmarks.targets import load_targets
    from retarget import ArmIK, MANOFitter, Robot

    robot = Robot.load()
    targets, count = load_targets(robot), int(frames)
    if what == "fit":
        fitter = MANOFitter(robot)
        inputs = fitter.frames[1].human_from_robot(targets.tips(1))
        call: Callable[[Any], Any] = lambda x: fitter.fit_hand(1, x)  # noqa: E731
    else:
        call, inputs = ArmIK(robot, "right").solve, targets.T_world_wrist[:, :, 1]
        inputs = inputs.reshape(-1, 4, 4)
    inputs = np.resize(inputs, (count, *inputs.shape[1:]))
    call(inputs[:300])
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak := present
    before = _status("VmRSS")
    call(inputs)
    return {"bytes": float(_status("VmHWM") - before)}


def _status(key: str) -> int:
    """A figure of this process's memory in bytes; 0 where the system does not give it."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(key + ":"):
                return 1024 * int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
