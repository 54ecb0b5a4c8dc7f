"""Laws of the rotations and transforms, and agreement with jaxlie, written by others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retarget.core import geometry as g
from retarget.core.errors import InputError

finite = st.floats(-3.0, 3.0, allow_nan=False, width=64)
vectors = arrays(np.float64, st.sampled_from([(3,), (4, 3), (2, 5, 3), (0, 3)]), elements=finite)


def random_rotations(seed: int, *lead: int) -> np.ndarray:
    w = np.random.default_rng(seed).normal(size=(*lead, 3))
    return g.rotation_from_rotvec(2.0 * w)


@given(vectors)
def test_rotations_are_rotations(rotvec: np.ndarray) -> None:
    R = g.rotation_from_rotvec(rotvec)
    eye = np.broadcast_to(np.eye(3), R.shape)
    np.testing.assert_allclose(R @ np.swapaxes(R, -1, -2), eye, atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(R), np.ones(R.shape[:-2]), atol=1e-14)


@given(vectors)
def test_every_representation_comes_back(rotvec: np.ndarray) -> None:
    R = g.rotation_from_rotvec(rotvec)
    for back in (
        g.rotation_from_rotvec(g.rotvec_from_rotation(R)),
        g.rotation_from_quat_wxyz(g.quat_wxyz_from_rotation(R)),
        g.rotation_from_quat_wxyz(-2.5 * g.quat_wxyz_from_rotation(R)),
        g.rotation_from_rot6d(g.rot6d_from_rotation(R))[0],
        g.rotation_from_rot6d(3.0 * g.rot6d_from_rotation(R))[0],
    ):
        np.testing.assert_allclose(back, R, atol=1e-13)


@given(vectors, vectors.map(lambda v: v.reshape(-1)[:3]))
def test_transforms_form_a_group(rotvec: np.ndarray, shift: np.ndarray) -> None:
    if shift.size < 3:
        shift = np.ones(3)
    T = g.transform(g.rotation_from_rotvec(rotvec), shift)
    eye = np.broadcast_to(np.eye(4), T.shape)
    np.testing.assert_allclose(T @ g.transform_inverse(T), eye, atol=1e-13)
    points = np.arange(6.0).reshape(2, 3)
    there = g.transform_points(T, np.broadcast_to(points, (*T.shape[:-2], 2, 3)))
    np.testing.assert_allclose(
        g.transform_points(g.transform_inverse(T), there),
        np.broadcast_to(points, there.shape),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        g.transform_from_pose_wxyz(g.pose_wxyz_from_transform(T)), T, atol=1e-13
    )


def test_near_zero_and_near_pi_keep_their_digits() -> None:
    axis = np.array([0.36, -0.48, 0.8])
    for angle in (0.0, 1e-12, 1e-8, 1e-5, 1e-4, 1e-3, np.pi - 1e-7, np.pi - 1e-3, np.pi):
        R = g.rotation_from_rotvec(angle * axis)
        assert np.linalg.norm(g.rotvec_from_rotation(R)) == pytest.approx(angle, abs=1e-14)
        # the chord loses half the digits at a half turn, where nothing is left to correct
        assert g.rotation_angle(R, np.eye(3)) == pytest.approx(angle, abs=3e-8)
    tiny = g.rotation_from_rotvec(1e-9 * axis)
    assert g.rotation_angle(tiny, np.eye(3)) == pytest.approx(1e-9, rel=1e-6)


def test_rot6d_is_two_columns_not_two_rows() -> None:
    R = random_rotations(0)
    np.testing.assert_array_equal(g.rot6d_from_rotation(R), [*R[:, 0], *R[:, 1]])


@pytest.mark.parametrize("bad", [np.zeros(6), [1, 0, 0, 2, 0, 0], [1, 0, 0, np.nan, 0, 0]])
def test_a_degenerate_rot6d_is_reported(bad: list[float]) -> None:
    R, sound = g.rotation_from_rot6d([bad, g.rot6d_from_rotation(random_rotations(0))])
    np.testing.assert_array_equal(sound, [False, True])
    np.testing.assert_array_equal(R[0], np.eye(3))


def test_agrees_with_jaxlie() -> None:
    jaxlie = pytest.importorskip("jaxlie")
    import jax

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(1)
    for w in 2.0 * rng.normal(size=(50, 3)):
        theirs = jaxlie.SO3.exp(w)
        R = g.rotation_from_rotvec(w)
        np.testing.assert_allclose(R, theirs.as_matrix(), atol=1e-12)
        q = np.asarray(theirs.wxyz)
        np.testing.assert_allclose(g.rotation_from_quat_wxyz(q), R, atol=1e-12)
        np.testing.assert_allclose(g.rotvec_from_rotation(R), theirs.log(), atol=1e-10)
        t = rng.normal(size=3)
        T = g.transform(R, t)
        theirs_T = jaxlie.SE3.from_rotation_and_translation(theirs, t)
        np.testing.assert_allclose(T, theirs_T.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(
            g.transform_inverse(T), theirs_T.inverse().as_matrix(), atol=1e-12
        )
        p = rng.normal(size=(4, 3))
        mapped = np.stack([np.asarray(theirs_T.apply(x)) for x in p])
        np.testing.assert_allclose(g.transform_points(T, p), mapped, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: g.rotation_from_rotvec(np.zeros(4)), r"rotvec must have shape \(\.\.\., 3\)"),
        (lambda: g.transform_inverse(np.eye(3)), r"\(\.\.\., 4, 4\), got \(3, 3\)"),
        (lambda: g.rotation_from_quat_wxyz(np.zeros(4)), "finite and non-zero"),
        (lambda: g.rotation_from_quat_wxyz([np.nan, 0, 0, 1]), "finite and non-zero"),
    ],
)
def test_refuses_what_is_no_rotation(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call()


@given(st.integers(0, 2**32 - 1), st.floats(1e-8, np.pi))
def test_angles_between_vectors_are_those_of_the_turn(seed: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    a, other = rng.normal(size=(2, 3))
    axis = np.cross(a, other)
    b = g.rotation_from_rotvec(angle * axis / np.linalg.norm(axis)) @ a * rng.uniform(0.1, 9.0)
    assert abs(g.angle_between(a, b) - angle) < 1e-9
    assert np.isnan(g.angle_between(a, np.zeros(3)))
