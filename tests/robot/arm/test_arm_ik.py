"""Inverse kinematics of an arm: what it reaches, its posture, its laws, missing and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from arm_poses import assert_same, errors, out_of_reach, part, smooth_path, uniform
from scipy.optimize import minimize

from retarget.core.errors import InputError
from retarget.core.types import SIDES, Status
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

SIDE = pytest.mark.parametrize("side", SIDES)


class TestReaching:
    @SIDE
    def test_every_pose_of_random_joints_is_reached_within_the_limits(self, arms, side):
        arm = arms[side]
        T = arm.forward(uniform(arm, 2000))
        solution = arm.solve(T)
        assert np.all(solution.status <= Status.AT_LIMIT)
        position, rotation = errors(arm, solution.q, T)
        assert position.max() < 1e-9
        assert rotation.max() < 1e-8
        np.testing.assert_allclose(solution.position_error, position, atol=1e-12)
        assert np.all((solution.q >= arm.lower) & (solution.q <= arm.upper))

    def test_status_tells_joints_on_their_limits(self, arm: ArmIK):
        solution = arm.solve(arm.forward(uniform(arm, 500)))
        margin = np.minimum(solution.q - arm.lower, arm.upper - solution.q).min(axis=1)
        np.testing.assert_array_equal(solution.status == Status.AT_LIMIT, margin <= 1e-9)
        assert 0.05 < np.mean(margin <= 1e-9) < 0.95

    def test_forward_is_in_the_environment_frame(self, arm: ArmIK, robot: Robot):
        qpos = np.zeros(len(robot.joint_names))
        qpos[robot.indices(arm.joints)] = q = uniform(arm, 1)[0]
        np.testing.assert_allclose(arm.forward(q), robot.forward(qpos)[0][1], atol=1e-12)

    def test_single_precision_poses_are_good_enough(self, arm: ArmIK):
        T = arm.forward(uniform(arm, 100)).astype(np.float32)
        solution = arm.solve(T)
        position, rotation = errors(arm, solution.q, T.astype(np.float64))
        assert position.max() < 1e-6
        assert rotation.max() < 1e-5


class TestPosture:
    def test_the_posture_itself_is_kept(self, arm: ArmIK):
        solution = arm.solve(arm.forward(arm.posture))
        np.testing.assert_allclose(solution.q, arm.posture, atol=1e-10)

    def test_no_joints_nearby_hold_the_wrist_and_are_nearer_to_the_posture(self, arm: ArmIK):
        half = 0.5 * (arm.upper - arm.lower)
        T = arm.forward(uniform(arm, 20, seed=4))
        for q, target in zip(arm.solve(T).q, T, strict=True):

            def away(x: np.ndarray) -> float:
                return 0.5 * float(np.sum(((x - arm.posture) / half) ** 2))

            def off(x: np.ndarray, target: np.ndarray = target) -> np.ndarray:
                return (arm.forward(x)[:3] - target[:3]).ravel()[[3, 7, 11, 1, 2, 6]]

            start = arm.solve(target, q0=q + 1e-3).q
            better = minimize(
                away,
                start,
                bounds=list(zip(arm.lower, arm.upper, strict=True)),
                constraints={"type": "eq", "fun": off},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 200},
            )
            if np.abs(off(better.x)).max() < 1e-9:
                assert away(q) <= away(better.x) + 1e-8

    def test_leaning_changes_the_joints_and_not_the_wrist(self, arm: ArmIK, robot: Robot):
        q = uniform(arm, 200)
        T = arm.forward(q)
        leaning = arm.solve(T)
        still = ArmIK(robot, "right", posture_gain=0.0).solve(T, q0=q)
        np.testing.assert_allclose(still.q, q, atol=1e-9)
        assert np.abs(leaning.q - still.q).max() > 0.5
        assert leaning.position_error.max() < 1e-9


class TestLaws:
    def test_alone_in_a_batch_or_in_another_order(self, arm: ArmIK):
        T = np.concatenate(
            [arm.forward(uniform(arm, 60)), out_of_reach(arm, 20), np.full((1, 4, 4), np.nan)]
        )
        together = arm.solve(T)
        order = np.random.default_rng(0).permutation(len(T))
        assert set(together.status) == {0, 1, 2, 4}
        np.testing.assert_allclose(arm.solve(T[order]).q, together.q[order], atol=1e-9)
        for k, one in enumerate(T):
            alone = arm.solve(one)
            np.testing.assert_allclose(alone.q, together.q[k], atol=1e-9)
            assert alone.status == together.status[k]

    def test_leading_axes(self, arm: ArmIK):
        T = arm.forward(uniform(arm, 6)).reshape(2, 3, 4, 4)
        solution = arm.solve(T)
        assert solution.q.shape == (2, 3, 7)
        assert solution.status.shape == solution.position_error.shape == (2, 3)
        assert_same(solution, arm.solve(T, q0=None))
        assert arm.solve(T[0, 0]).q.shape == (7,)
        with pytest.raises(InputError, match=r"not empty, got \(0, 4, 4\)"):
            arm.solve(np.zeros((0, 4, 4)))
        with pytest.raises(InputError, match=r"not empty, got \(2, 0, 4, 4\)"):
            arm.solve_trajectory(np.zeros((2, 0, 4, 4)))

    @SIDE
    def test_mirrored_poses_give_mirrored_joints(self, arms, side):
        arm, other = arms[side], arms[SIDES[1 - SIDES.index(side)]]
        flip, mirror = np.array([1, -1, -1, 1, -1, 1, -1]), np.diag([1.0, -1.0, 1.0, 1.0])
        rng = np.random.default_rng(0)
        q = np.clip(arm.posture + rng.uniform(-0.5, 0.5, (500, 7)), arm.lower, arm.upper)
        axes = np.linalg.inv(mirror @ arm.forward(q[0])) @ other.forward(q[0] * flip)
        mirrored = other.solve(mirror @ arm.forward(q) @ axes)
        np.testing.assert_allclose(mirrored.q * flip, arm.solve(arm.forward(q)).q, atol=1e-9)

    def test_a_trajectory_is_its_frames_each_from_the_one_before(self, arm: ArmIK):
        T = smooth_path(arm, 40, count=1)[0]
        whole = arm.solve_trajectory(T)
        q = arm.solve(T[0]).q
        for k in range(40):
            np.testing.assert_allclose(whole.q[k], q, atol=1e-9)
            q = arm.solve(T[min(k + 1, 39)], q0=q).q
        assert_same(arm.solve_trajectory(T[20:], q0=whole.q[19]), part(whole, slice(20, None)))

    def test_trajectories_side_by_side_do_not_meet(self, arm: ArmIK):
        T = smooth_path(arm, 15, count=6).reshape(2, 3, 15, 4, 4)
        together = arm.solve_trajectory(T)
        for i, j in np.ndindex(2, 3):
            assert_same(arm.solve_trajectory(T[i, j]), part(together, (i, j)))

    def test_the_callers_arrays_are_left_alone(self, arm: ArmIK):
        T, q0 = arm.forward(uniform(arm, 5)), uniform(arm, 5) * 3.0
        T[2] = np.nan
        kept = T.copy(), q0.copy()
        arm.solve(T, q0)
        arm.solve_trajectory(T, q0[0])
        np.testing.assert_array_equal(T, kept[0])
        np.testing.assert_array_equal(q0, kept[1])


class TestMissing:
    def test_missing_frames_hold_the_joints(self, arm: ArmIK):
        T = smooth_path(arm, 12, count=1)[0]
        T[0], T[5, 1, 2], T[6] = np.nan, np.inf, np.nan
        solution = arm.solve_trajectory(T)
        missing = [0, 5, 6]
        assert np.flatnonzero(solution.status == Status.MISSING_INPUT).tolist() == missing
        np.testing.assert_array_equal(solution.q[0], arm.posture)
        np.testing.assert_array_equal(solution.q[5:7], solution.q[[4, 4]])
        assert np.all(np.isnan(solution.position_error[missing]))
        assert np.all(np.isnan(solution.rotation_error[missing]))
        np.testing.assert_array_equal(solution.iterations[missing], 0)
        # nothing came before the first pose that is there, so it is solved by itself
        np.testing.assert_allclose(solution.q[1], arm.solve(T[1]).q, atol=1e-9)

    def test_alone_they_hold_what_they_come_from(self, arm: ArmIK):
        T, q0 = np.full((3, 4, 4), np.nan), uniform(arm, 3)
        np.testing.assert_array_equal(arm.solve(T, q0).q, q0)
        assert arm.solve(T[0]).status == Status.MISSING_INPUT


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda T: T[:, :3], r"shape \(\.\.\., 4, 4\), not empty, got \(3, 3, 4\)"),
            (lambda T: T * np.array([[1.0], [1.01], [1.0], [1.0]]), "orthonormal .* at index"),
            (lambda T: T @ np.diag([1.0, 1.0, -1.0, 1.0]), r"reflection at index \(0,\)"),
            (lambda T: T * (1 + 1j), "T_world_wrist must hold real numbers, got dtype complex128"),
            (lambda T: T.astype(str), "T_world_wrist must hold real numbers, got dtype <U32"),
            (lambda T: [[1.0], [1.0, 2.0]], "T_world_wrist must be an array of numbers"),
            (lambda T: np.swapaxes(T, 1, 2), r"last row other than 0 0 0 1 at index \(0,\)"),
        ],
    )
    def test_poses(self, arm: ArmIK, change, message):
        T = arm.forward(uniform(arm, 3))
        for solve in (arm.solve, arm.solve_trajectory):
            with pytest.raises(InputError, match=message):
                solve(change(T))

    def test_the_bad_pose_is_named(self, arm: ArmIK):
        T = arm.forward(uniform(arm, 6)).reshape(2, 3, 4, 4)
        T[1, 2, :3, :3] *= 1.001
        with pytest.raises(InputError, match=r"index \(1, 2\)") as caught:
            arm.solve(T)
        assert caught.value.evidence["index"] == (1, 2)

    def test_a_trajectory_needs_frames(self, arm: ArmIK):
        with pytest.raises(InputError, match=r"shape \(\.\.\., N, 4, 4\), got \(4, 4\)"):
            arm.solve_trajectory(np.eye(4))

    def test_joints(self, arm: ArmIK):
        T = arm.forward(uniform(arm, 3))
        with pytest.raises(InputError, match=r"q0 must have shape \(\.\.\., 7\), got \(3, 6\)"):
            arm.solve(T, np.zeros((3, 6)))
        with pytest.raises(InputError, match=r"q0 must broadcast to shape \(3, 7\), got \(2, 7\)"):
            arm.solve(T, np.zeros((2, 7)))
        with pytest.raises(InputError, match=r"q0 is not finite at index \(1,\)"):
            arm.solve(T, np.array([[0.0] * 7, [np.nan] * 7, [0.0] * 7]))
        with pytest.raises(InputError, match="q must have shape"):
            arm.forward(np.zeros(6))

    def test_settings(self, robot: Robot):
        with pytest.raises(InputError, match="side must be 'left', 'right'"):
            ArmIK(robot, "middle")
        for name in ("position_tolerance", "rotation_tolerance", "rotation_weight"):
            with pytest.raises(InputError, match=f"{name} must be positive, got 0"):
                ArmIK(robot, "left", **{name: 0.0})
        with pytest.raises(InputError, match="posture_gain must not be negative"):
            ArmIK(robot, "left", posture_gain=-1.0)
