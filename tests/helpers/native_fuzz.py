"""Call the native core with 10,000 malformed argument lists; run as a script in its own process.

Every call either returns finite results or raises InputError; anything else ends the script.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
from native_cases import TIPS, arm, blended_hand, hand_targets

from retarget.core import _native
from retarget.core.errors import InputError
from retarget.human.native import NativeHand, NativePoints
from retarget.mapping.network import Network
from retarget.robot.arm.ik import ArmIK

NUMBERS: list[Any] = [
    0,
    -1,
    1,
    2**31,
    -(2**31),
    2**70,
    1e300,
    1e-300,
    -0.0,
    np.nan,
    np.inf,
    -np.inf,
]
THINGS: list[Any] = [
    *NUMBERS,
    None,
    "",
    "float16",
    True,
    [],
    {},
    b"x",
    object(),
    1j,
    np.float32(2),
    print,
]


def spoil(value: Any, rng: np.random.Generator) -> Any:
    """Something else in place of an argument: another shape, dtype, layout or thing."""
    if not isinstance(value, np.ndarray) or rng.random() < 0.2:
        return THINGS[rng.integers(len(THINGS))]
    kind = rng.integers(9)
    if kind == 0:
        return value[tuple(slice(0, int(rng.integers(0, 4))) for _ in value.shape)]
    if kind == 1:
        return value.reshape(-1)
    if kind == 2:
        return value[None]
    if kind == 3 and value.dtype.kind == "f":
        other = ["f4", "i8", "c16", "U5", "O", "?", "u1", "f2"][rng.integers(8)]
        return value.astype(other)
    if kind == 4 and value.size and value.dtype.kind == "f":
        value = value.copy()
        value.flat[rng.integers(value.size)] = NUMBERS[5 + rng.integers(7)]
        return value
    if kind == 5:
        return value.T
    if kind == 6:
        return np.asfortranarray(value)
    if kind == 7:
        return value[::-1]
    return np.lib.stride_tricks.as_strided(value, strides=(0,) * value.ndim)


def solve_with(
    model: Any, joints: list[str], poses: np.ndarray, start: np.ndarray, **settings: Any
) -> None:
    """Solve with an arm of these settings."""
    ArmIK.from_model(model, joints, "wrist", **settings).solve(poses, start)


def main(calls: int) -> None:
    rng = np.random.default_rng(0)
    hand, chain = blended_hand(), arm(7)
    targets, poses = hand_targets(hand, 3), chain.forward(chain.draw(3))
    fitter = NativeHand(hand, TIPS, components=4)
    joints = list(chain.chain.names)
    solver = ArmIK.from_model(chain.model, joints, "wrist", lean=False, threads=1)
    zeros, yes = np.zeros((3, 4)), np.ones(3, dtype=bool)
    start = np.tile(chain.posture, (3, 1))
    how: dict[str, Any] = {"max_iterations": 5, "threads": 1}
    layers = [np.ones((2, 5, 9)), np.ones((2, 9, 3))], [np.ones((2, 9)), np.ones((2, 3))]
    scaling = [np.zeros((2, 5)), np.ones((2, 5)), -np.ones((2, 3)), np.ones((2, 3))]
    mlp, place = Network(*layers, *scaling), NativePoints((hand, hand), TIPS, components=4)
    raw = fitter._solver, solver.native.solver, mlp.native
    cases: list[tuple[Any, list[Any], dict[str, Any]]] = [
        (
            fitter.fit,
            [targets, np.ones((3, 5)), zeros],
            {
                **how,
                "restarts": zeros,
                "dtype": "float64",
                "beta": 1.0,
                "prior": 1e-6,
                "soft_limits": (zeros[0], zeros[0]),
                "retry_above": 1e-3,
                "tolerance": 1e-9,
                "damping": 1e-3,
                "isa": "",
                "soft_weight": 1.0,
            },
        ),
        (solver.solve, [poses], {"q0": start}),
        (solver.solve_trajectory, [poses[None]], {"q0": start[:1]}),
        (solver.forward, [start], {}),
        (
            partial(solve_with, chain.model, joints, poses, start),
            [],
            {
                **how,
                "accuracy": 1e-9,
                "posture_gain": 1.0,
                "rotation_weight": 1.0,
                "starts": 2,
                "lean": True,
                "dtype": "float32",
                "position_tolerance": 1e-6,
                "rotation_tolerance": 1e-6,
                "T_world_base": np.eye(4),
                "posture": chain.posture,
            },
        ),
        (
            NativeHand,
            [hand, np.array(TIPS), np.array([0, 1])],
            {"components": 3, "betas": np.zeros(10), "wrist_scale": (0.1, 0.01)},
        ),
        (
            raw[0].fit,
            [
                targets,
                None,
                zeros,
                None,
                1.0,
                1.0,
                1e-6,
                None,
                None,
                0.0,
                1e-3,
                1e-9,
                5,
                False,
                1,
                "",
                zeros.copy(),
                np.ones((3, 5)),
                np.ones(3),
                np.ones(3, dtype=np.int32),
                yes,
            ],
            {},
        ),
        (
            raw[0].evaluate,
            [
                zeros,
                targets,
                None,
                1.0,
                0.0,
                None,
                None,
                0.0,
                "",
                targets.copy(),
                np.ones(3),
                zeros.copy(),
                np.ones((3, 4, 4)),
            ],
            {},
        ),
        (
            raw[1].solve,
            [
                poses,
                start,
                yes,
                1e-6,
                1e-6,
                1.0,
                1e-9,
                2,
                5,
                True,
                False,
                1,
                np.ones(27),
                np.ones((3, 3), dtype=bool),
                np.ones(3, dtype=np.int32),
            ],
            {},
        ),
        (
            raw[1].evaluate,
            [
                poses,
                start,
                poses.copy(),
                np.ones((3, 6, 7)),
                np.ones(3),
                start.copy(),
                np.ones((3, 7, 7)),
            ],
            {},
        ),
        (mlp, [np.ones((4, 2, 5))], {"clamp": True, "threads": 1}),
        (place, [np.ones((4, 2, 4))], {"threads": 1, "isa": ""}),
        (Network, [*layers, *scaling], {"isa": ""}),
        (Network, [layers[0][:1], layers[1][:1], *scaling], {}),
        (raw[2].run, [np.ones((4, 2, 5)), True, 1, np.ones((4, 2, 3))], {}),
        (_native.Mlp, [*layers, *scaling[2:], ""], {}),
        (
            _native.hand_points,
            [place.solvers, np.ones((4, 2, 4)), 1, "", np.ones((4, 2, 5, 3))],
            {},
        ),
        (_native.HandSolver, [start, 3], {}),
        (_native.ArmSolver, [poses], {}),
        (_native.lanes, [""], {}),
    ]
    bare = (
        _native.HandSolver,
        _native.ArmSolver,
        _native.Mlp,
        _native.hand_points,
        _native.lanes,
    )
    refused = 0
    for _ in range(calls):
        function, args, kwargs = cases[rng.integers(len(cases))]
        args, kwargs = list(args), dict(kwargs)
        for _ in range(rng.integers(1, 4)):
            if kwargs and rng.random() < 0.5:
                name = list(kwargs)[rng.integers(len(kwargs))]
                kwargs[name] = spoil(kwargs[name], rng)
            elif args:
                k = int(rng.integers(len(args)))
                args[k] = spoil(args[k], rng)
        if rng.random() < 0.03 and args:
            args.pop()
        plain = function in bare or getattr(function, "__self__", None) in raw
        try:
            function(*args, **kwargs)
        except InputError:
            refused += 1
        except (TypeError, ValueError, OverflowError) as error:
            # a missing argument is Python's own to refuse
            if not plain and "positional argument" not in str(error):
                raise
            refused += 1
    print(f"{calls} calls, {refused} refused")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
