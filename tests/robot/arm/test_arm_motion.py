"""Arms in motion: continuity, the nearest pose where there is no way, other arms, real poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from arm_poses import WEIGHT, errors, out_of_reach, smooth_path, uniform, wrist_steps
from scipy.optimize import least_squares

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_from_rotvec, transform
from retarget.core.geometry import transform_from_pose_wxyz as from_pose
from retarget.core.types import SIDES, Status
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

SIDE = pytest.mark.parametrize("side", SIDES)


class TestContinuity:
    @SIDE
    def test_small_steps_of_the_wrist_make_small_steps_of_the_joints(self, arms, side):
        arm = arms[side]
        T = smooth_path(arm, 800)
        solution = arm.solve_trajectory(T)
        assert np.all(solution.status <= Status.AT_LIMIT)
        assert np.sum(solution.status == Status.AT_LIMIT) > 100  # limits are met and left
        steps = np.linalg.norm(np.diff(solution.q, axis=1), axis=-1)
        assert np.all(steps <= 20.0 * wrist_steps(T))  # [rad/m]

    def test_sampling_does_not_matter(self, arm: ArmIK):
        T = smooth_path(arm, 801, count=10)
        fine, coarse = arm.solve_trajectory(T), arm.solve_trajectory(T[:, ::4])
        off = np.abs(fine.q[:, ::4] - coarse.q).max(axis=-1)
        assert off.max() < 0.01  # while the joints still lean after a fold
        assert np.mean(off < 1e-8) > 0.9

    def test_a_closed_path_brings_the_joints_back(self, arm: ArmIK):
        solution = arm.solve_trajectory(smooth_path(arm, 400, count=10))
        np.testing.assert_allclose(solution.q[:, -1], solution.q[:, 0], atol=1e-8)

    def test_a_standing_wrist_keeps_the_arm_still(self, arm: ArmIK):
        q0 = uniform(arm, 20)
        T = np.repeat(arm.forward(q0)[:, None], 5, axis=1)
        solution = arm.solve_trajectory(T, q0)
        np.testing.assert_allclose(solution.q, np.repeat(q0[:, None], 5, axis=1), atol=1e-9)

    def test_leaning_is_bounded_by_the_way_of_the_wrist(self, arm: ArmIK):
        half = 0.5 * (arm.upper - arm.lower)
        q0 = uniform(arm, 200, seed=7)
        T = arm.forward(q0)
        T[:, 0, 3] += 1e-4
        solution = arm.solve(T, q0)
        on = solution.status <= Status.AT_LIMIT
        way = np.linalg.norm((solution.q - q0) / half, axis=1)[on]
        assert np.mean(on) > 0.9
        assert np.median(way) > 9e-4  # 10 half ranges a metre
        assert np.quantile(way, 0.9) < 5e-3

    def test_the_edge_of_reach_is_no_edge_for_the_joints(self, arm: ArmIK):
        largest = []
        for frames in (41, 641):
            T = np.tile(arm.forward(arm.posture), (frames, 1, 1))
            T[:, 0, 3] += np.linspace(0.31, 0.35, frames)
            solution = arm.solve_trajectory(T)
            assert set(solution.status) == {Status.OK, Status.AT_LIMIT, Status.UNREACHABLE}
            assert np.all(np.diff(solution.position_error) > -1e-9)
            largest.append(np.abs(np.diff(solution.q, axis=0)).max())
        # joints go there as the square root of the distance: 16 times finer, 4 times smaller
        assert largest[1] < 0.35 * largest[0]


class TestUnreachable:
    def test_the_nearest_pose_is_that_of_an_independent_solver(self, arm: ArmIK):
        T = out_of_reach(arm, 24, seed=1)
        solution = arm.solve(T)
        assert np.mean(solution.status == Status.UNREACHABLE) > 0.3
        mine = np.hypot(solution.position_error, WEIGHT * solution.rotation_error)
        best = np.array([nearest(arm, target, 6) for target in T])
        assert np.all(mine <= best + 1e-6)
        # and what is called unreachable is so
        assert np.all(best[solution.status == Status.UNREACHABLE] > 1e-6)

    def test_errors_are_those_of_the_joints(self, arm: ArmIK):
        T = out_of_reach(arm, 50)
        solution = arm.solve(T)
        position, rotation = errors(arm, solution.q, T)
        np.testing.assert_allclose(solution.position_error, position, atol=1e-9)
        np.testing.assert_allclose(solution.rotation_error, rotation, atol=1e-7)
        assert np.all((solution.q >= arm.lower) & (solution.q <= arm.upper))

    def test_far_away_the_arm_stretches_towards_the_target(self, arm: ArmIK):
        T = arm.forward(arm.posture)
        T[:3, 3] += [30.0, 0.0, 0.0]
        solution = arm.solve(T)
        assert solution.status == Status.UNREACHABLE
        assert arm.forward(solution.q)[0, 3] > arm.forward(uniform(arm, 2000))[:, 0, 3].max() - 0.02

    def test_a_wrist_turned_by_180_degrees_is_not_taken_for_reached(self, arm: ArmIK):
        T = arm.forward(arm.posture) @ transform(rotation_from_rotvec([0, 0, np.pi]), np.zeros(3))
        solution = arm.solve(T)
        position, rotation = errors(arm, solution.q, T)
        assert (solution.status <= Status.AT_LIMIT) == (position < 1e-6 and rotation < 1e-5)
        assert solution.status == Status.UNREACHABLE

    def test_tolerances_decide_what_is_reached(self, robot: Robot, arm: ArmIK):
        T = out_of_reach(arm, 50)
        strict = arm.solve(T)
        loose = ArmIK(robot, "right", position_tolerance=10.0, rotation_tolerance=4.0).solve(T)
        assert np.any(strict.status == Status.UNREACHABLE)
        assert np.all(loose.status <= Status.AT_LIMIT)


def nearest(arm: ArmIK, T: np.ndarray, starts: int, seed: int = 0) -> float:
    """Smallest error of a pose that scipy finds within the limits [m]."""

    def residual(q: np.ndarray) -> np.ndarray:
        here = arm.forward(q)
        turn = pin.log3(here[:3, :3] @ T[:3, :3].T)
        return np.concatenate([here[:3, 3] - T[:3, 3], WEIGHT * turn])

    return min(
        float(
            np.sqrt(
                2.0
                * least_squares(
                    residual, q, bounds=(arm.lower, arm.upper), xtol=1e-9, ftol=1e-9, max_nfev=60
                ).cost
            )
        )
        for q in uniform(arm, starts, seed)
    )


class TestOtherArms:
    @pytest.mark.parametrize("joints", [1, 3, 6, 9, 12])
    def test_any_chain_of_revolute_joints(self, joints: int):
        model = snake(joints)
        arm = ArmIK.from_model(model, [f"j{k}" for k in range(joints)], "tip")
        T = arm.forward(uniform(arm, 100))
        solution = arm.solve(T)
        position, rotation = errors(arm, solution.q, T)
        assert np.all(solution.status <= Status.AT_LIMIT)
        assert position.max() < 1e-6
        assert rotation.max() < 1e-5
        np.testing.assert_allclose(arm.solve(T[7]).q, solution.q[7], atol=1e-9)

    def test_joints_without_limits_turn_freely(self):
        arm = ArmIK.from_model(snake(7, limited=False), [f"j{k}" for k in range(7)], "tip")
        assert np.all(np.isinf(arm.upper))
        solution = arm.solve(arm.forward(uniform(arm, 100)))
        assert np.all(solution.status == Status.OK)

    def test_joints_not_named_stay_at_neutral(self):
        model = snake(8)
        arm = ArmIK.from_model(model, [f"j{k}" for k in range(1, 8)], "tip")
        data, q = model.createData(), uniform(arm, 1)[0]
        pin.framesForwardKinematics(model, data, np.concatenate([[0.0], q]))
        tip = data.oMf[model.getFrameId("tip")].homogeneous
        np.testing.assert_allclose(arm.forward(q), tip, atol=1e-12)

    def test_base_and_posture(self):
        base = transform(rotation_from_rotvec([0.1, 0.2, 0.3]), [1.0, 2.0, 3.0])
        names = [f"j{k}" for k in range(7)]
        plain = ArmIK.from_model(snake(7), names, "tip")
        arm = ArmIK.from_model(snake(7), names, "tip", np.full(7, 0.1), base, posture_gain=5.0)
        q = np.full(7, 0.1)
        np.testing.assert_allclose(arm.forward(q), base @ plain.forward(q), atol=1e-12)
        np.testing.assert_allclose(arm.solve(arm.forward(q)).q, q, atol=1e-9)
        with pytest.raises(InputError, match=r"posture must have shape \(7,\), got \(3,\)"):
            ArmIK.from_model(snake(7), names, "tip", np.zeros(3))
        with pytest.raises(InputError, match="not within the joint limits"):
            ArmIK.from_model(snake(7), names, "tip", np.full(7, 9.0))

    def test_refuses_what_is_no_chain_of_the_model(self):
        for joints, frame, message in (
            ([f"j{k}" for k in range(13)], "tip", "1 to 12 joints, got 13"),
            (["j0", "elbow"], "tip", "no joint named 'elbow'; the model has j0, j1"),
            (["j0"], "palm", "no frame named 'palm'"),
        ):
            with pytest.raises(InputError, match=message):
                ArmIK.from_model(snake(13), joints, frame)

    @pytest.mark.parametrize(
        ("model", "waist"), [("h1_2/h1_2.urdf", ["torso"]), ("g1_inspire/g1_inspire.urdf", [])]
    )
    def test_unitrees_other_robots(self, shared: Path, model: str, waist: list[str]):
        stems = "shoulder_pitch shoulder_roll shoulder_yaw elbow wrist_roll wrist_pitch wrist_yaw"
        joints = [f"{name}_joint" for name in waist]
        joints += [f"left_{stem}_joint" for stem in stems.split()]
        urdf = pin.buildModelFromUrdf(str(shared / "robots" / model))
        arm = ArmIK.from_model(urdf, joints, "L_hand_base_link")
        solution = arm.solve(arm.forward(uniform(arm, 300)))
        assert np.all(solution.status <= Status.AT_LIMIT)


def snake(joints: int, limited: bool = True) -> pin.Model:
    """A chain of revolute joints about changing axes, 0.1 m apart, each with 1.5 rad both ways."""
    rng = np.random.default_rng(joints)
    model, parent = pin.Model(), 0
    kinds = (
        (pin.JointModelRX, pin.JointModelRY, pin.JointModelRZ)
        if limited
        else (pin.JointModelRUBX, pin.JointModelRUBY, pin.JointModelRUBZ)
    )
    for k in range(joints):
        turn = pin.exp3(rng.normal(0.0, 0.2, 3))
        placement = pin.SE3(turn, np.array([0.02, 0.0, 0.1]))
        kind, name = kinds[(k + 2) % 3](), f"j{k}"
        if limited:
            bound = np.array([1.5])
            parent = model.addJoint(
                parent, kind, placement, name, np.ones(1), np.ones(1), -bound, bound
            )
        else:
            parent = model.addJoint(parent, kind, placement, name)
    tool = pin.SE3(np.eye(3), np.array([0.0, 0.03, 0.1]))
    model.addFrame(pin.Frame("tip", parent, tool, pin.FrameType.OP_FRAME))
    return model


class TestRealPoses:
    def test_eight_wrist_poses_of_the_demonstrations_are_out_of_reach(self, arms, shared: Path):
        h5py = pytest.importorskip("h5py")
        lost, files = [], sorted((shared / "teleop" / "demos").glob("*.hdf5"))
        for path in files:
            with h5py.File(path) as file:
                for side, arm in arms.items():
                    T = from_pose(file[f"observations/{side}_ee_pose"][()])
                    solution = arm.solve_trajectory(T)
                    position, rotation = errors(arm, solution.q, T)
                    reached = solution.status <= Status.AT_LIMIT
                    assert position[reached].max() < 1e-9
                    assert rotation[reached].max() < 1e-8
                    for frame in np.flatnonzero(~reached):
                        assert solution.status[frame] == Status.UNREACHABLE
                        lost.append((path.stem, side, int(frame), position[frame]))
        assert len(files) == 40
        assert len(lost) == 8
        assert {(name, frame) for name, _, frame, _ in lost} == {
            ("Flip-Mug_episode_0", 0),
            ("Flip-Mug_episode_9", 0),
            ("Flip-Mug_episode_9", 1),
            ("Flip-Mug_episode_19", 0),
            ("Flip-Mug_episode_19", 1),
        }
        distances = np.array([distance for *_, distance in lost])
        assert 0.005 < distances.min() < 0.007
        assert 0.035 < distances.max() < 0.037

    @SIDE
    def test_all_teleoperation_frames(self, arms, shared: Path, side):
        arm = arms[side]
        with np.load(shared / "teleop" / "h1_inspire_teleop.npz") as data:
            T, task = from_pose(data[f"{side}_ee_pose"]), data["task"]
        by_itself = arm.solve(T)
        episodes = arm.solve_trajectory(T.reshape(-1, 21, 4, 4))
        lost = by_itself.status == Status.UNREACHABLE
        assert lost.sum() == {"left": 31, "right": 57}[side]
        assert set(task[lost]) == {"Flip-Mug"}
        for solution in (by_itself, episodes):
            status, q = solution.status.reshape(-1), solution.q.reshape(-1, 7)
            np.testing.assert_array_equal(status > Status.AT_LIMIT, lost)
            position, rotation = errors(arm, q, T)
            assert position[~lost].max() < 1e-9
            assert rotation[~lost].max() < 1e-8
            assert np.all((q >= arm.lower) & (q <= arm.upper))
        wrist_pitch = arm.joints.index(f"{side}_wrist_pitch_joint")
        q = by_itself.q[lost][:, wrist_pitch]
        ends = np.array([arm.lower[wrist_pitch], arm.upper[wrist_pitch]])
        assert np.abs(q[:, None] - ends).min(axis=1).max() < 1e-12
        for k in np.flatnonzero(lost)[::12]:
            mine = np.hypot(by_itself.position_error[k], WEIGHT * by_itself.rotation_error[k])
            assert mine <= nearest(arm, T[k], 5, seed=int(k)) + 1e-6
