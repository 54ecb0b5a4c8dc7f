"""What process pools and clusters send about: copies by pickle do the same, to the last bit."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from retarget import ArmIK, Demo, HandMLP, MANOFitter, Retargeter, Robot
from retarget.core.frozen import FrozenDict
from retarget.core.geometry import transform_inverse
from retarget.data.generate.make_demo import make_demo


def demo() -> Demo:
    return make_demo(frames=12)


def used_robot(robot: Robot) -> Any:
    return robot.forward(np.zeros(len(robot.joint_names)))


def fitted(fitter: MANOFitter) -> Any:
    return fitter.fit(demo().fingertips, demo().T_world_wrist)


def hand_joints(networks: HandMLP) -> Any:
    return networks.joints(np.full((3, 2, 15), 0.1))


def arm_joints(arm: ArmIK) -> Any:
    return arm.solve_trajectory(demo().T_world_wrist[:, 1])


def there_and_back(retargeter: Retargeter) -> Any:
    return retargeter.round_trip(demo()).robot


CASES: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
    (lambda: Robot.of("h1_inspire"), used_robot),
    (lambda: MANOFitter("h1_inspire"), fitted),
    (lambda: MANOFitter("h1_inspire", engine="numpy"), fitted),
    (lambda: HandMLP.load(robot="h1_inspire"), hand_joints),
    (lambda: ArmIK("h1_inspire", "right"), arm_joints),
    (lambda: Retargeter("h1_inspire", refine=1), there_and_back),
]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(map(same, a, b))
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)


@pytest.mark.parametrize(("make", "use"), CASES)
def test_a_copy_does_the_same(make: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    fresh = make()
    copy = pickle.loads(pickle.dumps(fresh))
    expected = use(fresh)
    assert same(use(copy), expected)
    assert same(use(pickle.loads(pickle.dumps(fresh))), expected)  # after it was used


def test_arm_of_a_model_of_ones_own() -> None:
    robot = Robot.of("h1_inspire")
    arm = ArmIK.from_model(robot.model, robot.sides[0].arm_joints, robot.sides[0].wrist_frame)
    copy = pickle.loads(pickle.dumps(arm))
    wrists = transform_inverse(robot.T_world_base) @ demo().T_world_wrist[:, 0]
    assert same(copy.solve(wrists), arm.solve(wrists))


def test_a_process_pool() -> None:
    retargeter = Retargeter("h1_inspire")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(there_and_back, retargeter).result() == there_and_back(retargeter)


def test_a_frozen_dict_stays() -> None:
    content = {"a": 1}
    frozen = FrozenDict(content)
    content["a"] = 2
    assert frozen == {"a": 1}
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    with pytest.raises(TypeError):
        frozen["a"] = 2  # type: ignore[index]
