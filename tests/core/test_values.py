"""Values that hold arrays are compared, not refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retarget.actions import action
from retarget.core.types import Calibration, Demo, HumanMotion, RobotMotion

T = np.tile(np.eye(4), (3, 2, 1, 1))
S = np.zeros((3, 2), dtype=np.int64)
VALUES = {
    "demo": (Demo(np.zeros((3, 4)), T, np.full((3, 2, 5, 3), np.nan), S == 0), "qpos"),
    "human": (HumanMotion(np.zeros((3, 2, 15)), T, np.zeros((3, 2, 5)), S, S, "a"), "pca"),
    "robot": (
        RobotMotion(np.zeros((3, 1)), ("a",), np.zeros((3, 2)), np.zeros((3, 2)), S, S),
        "qpos",
    ),
    "action": (action(T[..., :3, 3], np.zeros((3, 2, 15)), T[..., :3, :3]), "pca"),
    "calibration": (Calibration(1.2), "rotation"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_equal_where_their_numbers_are(name: str) -> None:
    value, field = VALUES[name]
    array = getattr(value, field)
    assert value == replace(value, **{field: array.copy()})
    assert value != replace(value, **{field: array + 1.0})
    assert value != replace(value, **{field: array[:1]})
    assert value != "something else"
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
