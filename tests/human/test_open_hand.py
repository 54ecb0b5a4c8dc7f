"""The open hand: MANO's format, the published measurements, a sound mesh, an exact mirror."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import trimesh
from places import ROOT
from scipy.spatial.transform import Rotation

FOLDER = ROOT / "mano_models"
sys.path.insert(0, str(FOLDER))

from open_hand import anthropometry, poses  # noqa: E402
from open_hand.model import build_right, mirror, write_npz, write_pkl  # noqa: E402

FINGERS, PARENTS, TIPS = anthropometry.FINGERS, anthropometry.PARENTS, anthropometry.TIP_VERTEX
SIDES = ("RIGHT", "LEFT")
SHAPES = {
    "v_template": (778, 3),
    "shapedirs": (778, 3, 10),
    "posedirs": (778, 3, 135),
    "J_regressor": (16, 778),
    "weights": (778, 16),
    "f": (1538, 3),
    "hands_components": (45, 45),
    "hands_mean": (45,),
    "hands_coeffs": (200, 45),
    "hands_variance": (45,),
    "kintree_table": (2, 16),
}


@pytest.fixture(scope="module")
def hands():
    return {side: dict(np.load(FOLDER / f"OPEN_HAND_{side}.npz")) for side in SIDES}


@pytest.fixture(scope="module")
def right(hands):
    return hands["RIGHT"]


@pytest.fixture(scope="module")
def skeleton():
    return anthropometry.build_skeleton()


@pytest.fixture(scope="module")
def built():
    return build_right()


def mesh_of(hand):
    return trimesh.Trimesh(hand["v_template"], hand["f"], process=False)


def posed(hand, rotvecs, betas=None):
    """Linear blend skinning, written from the definition: (778, 3) [m] for (15, 3) [rad]."""
    v = hand["v_template"] + (0 if betas is None else hand["shapedirs"] @ betas)
    joints = hand["J_regressor"] @ v
    turns = Rotation.from_rotvec(rotvecs).as_matrix()
    v = v + hand["posedirs"] @ (turns - np.eye(3)).ravel()
    world = np.tile(np.eye(4), (16, 1, 1))
    for j in range(1, 16):
        local = np.eye(4)
        local[:3, :3] = turns[j - 1]
        local[:3, 3] = joints[j] - turns[j - 1] @ joints[j]
        world[j] = world[PARENTS[j]] @ local
    blend = np.einsum("vj,jab->vab", hand["weights"], world)
    return np.einsum("vab,vb->va", blend[:, :3, :3], v) + blend[:, :3, 3]


def bend(skeleton, angles_deg):
    """Rotation vectors (15, 3) from {(finger joint, axis): degrees}."""
    angles = np.zeros((15, 3))
    for key, value in angles_deg.items():
        angles[key] = np.radians(value)
    return np.einsum("ja,jac->jc", angles, skeleton.axes)


FIST = {(3 * k + j, 0): deg for k in range(4) for j, deg in enumerate((85, 95, 64))}


@pytest.mark.parametrize("side", SIDES)
class TestFormat:
    def test_arrays(self, hands, side):
        hand = hands[side]
        assert {name: hand[name].shape for name in SHAPES} == SHAPES
        for name in set(SHAPES) - {"f", "kintree_table"}:
            assert hand[name].dtype == np.float64
            assert np.isfinite(hand[name]).all()
        assert str(hand["bs_style"]) == "lbs"
        assert str(hand["bs_type"]) == "lrotmin"

    def test_tree(self, hands, side):
        parents, joints = hands[side]["kintree_table"]
        assert parents[0] == 4294967295
        assert tuple(parents[1:]) == PARENTS[1:]
        np.testing.assert_array_equal(joints, np.arange(16))

    def test_regressor_and_weights_are_averages(self, hands, side):
        for name in ("J_regressor", "weights"):
            rows = hands[side][name]
            assert (rows >= 0).all()
            np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-12)
        assert ((hands[side]["weights"] > 0).sum(axis=1) <= 4).all()
        assert ((hands[side]["J_regressor"] > 0).sum(axis=1) <= 24).all()

    def test_components_are_orthonormal_and_sorted(self, hands, side):
        rows, variance = hands[side]["hands_components"], hands[side]["hands_variance"]
        np.testing.assert_allclose(rows @ rows.T, np.eye(45), atol=1e-12)
        assert (np.diff(variance) < 0).all()
        assert (variance > 0).all()


@pytest.mark.parametrize("side", SIDES)
class TestMesh:
    def test_is_a_manifold_disc_open_at_the_wrist(self, hands, side):
        mesh = mesh_of(hands[side])
        assert mesh.is_winding_consistent
        assert mesh.euler_number == 1
        edges, faces_of = np.unique(np.sort(mesh.edges, axis=1), axis=0, return_counts=True)
        assert set(faces_of) == {1, 2}
        rim = np.unique(edges[faces_of == 1])
        assert len(rim) == (faces_of == 1).sum() == 16
        wrist_x = abs(mesh.vertices[:, 0]).max()
        np.testing.assert_allclose(abs(mesh.vertices[rim, 0]), wrist_x, atol=1e-12)

    def test_faces_look_outward(self, hands, side):
        assert mesh_of(hands[side]).volume > 2e-4  # [m^3], signed: negative if inside out

    def test_has_no_bad_faces(self, hands, side):
        mesh = mesh_of(hands[side])
        assert mesh.area_faces.min() > 1e-6  # [m^2]
        assert np.degrees(mesh.face_angles.min()) > 8
        assert np.degrees(mesh.face_adjacency_angles).max() < 150

    def test_does_not_intersect_itself_at_rest(self, hands, side):
        assert self_intersections(hands[side]["v_template"], hands[side]["f"].astype(int)) == 0


def self_intersections(v, faces):
    """Count edges that pierce a face they do not touch (Moeller-Trumbore)."""
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    a, e1, e2 = v[faces[:, 0]], v[faces[:, 1]] - v[faces[:, 0]], v[faces[:, 2]] - v[faces[:, 0]]
    count = 0
    for i, j in edges:
        ray = v[j] - v[i]
        h = np.cross(ray, e2)
        det = np.einsum("fi,fi->f", e1, h)
        inverse = 1 / np.where(abs(det) > 1e-18, det, np.inf)
        s = v[i] - a
        q = np.cross(s, e1)
        u, w = np.einsum("fi,fi->f", s, h) * inverse, q @ ray * inverse
        t = np.einsum("fi,fi->f", e2, q) * inverse
        inside = (u > 0) & (w > 0) & (u + w < 1) & (t > 0) & (t < 1)
        count += (inside & ~np.isin(faces, (i, j)).any(axis=1)).sum()
    return count


class TestAnatomy:
    def test_joints_are_the_skeletons(self, right, skeleton):
        np.testing.assert_allclose(
            right["J_regressor"] @ right["v_template"], skeleton.joints, atol=1e-12
        )

    @pytest.mark.parametrize("finger", FINGERS)
    def test_bone_lengths_are_the_published_ones(self, right, finger):
        joints = right["J_regressor"] @ right["v_template"]
        first = 1 + 3 * FINGERS.index(finger)
        chain = np.vstack([joints[first : first + 3], right["v_template"][TIPS[finger]]])
        lengths = np.linalg.norm(np.diff(chain, axis=0), axis=1) * 1e3
        proximal, distal = anthropometry.PROXIMAL[finger][0], anthropometry.DISTAL[finger][0]
        tip = distal + anthropometry.SOFT_TISSUE_TIP[finger]
        if finger == "thumb":
            expected = [anthropometry.METACARPAL[finger][0], proximal, tip]
        else:
            expected = [proximal, anthropometry.MIDDLE[finger][0], tip]
            base = np.array(anthropometry.CARPOMETACARPAL[finger]) + anthropometry.WRIST
            metacarpal = np.linalg.norm(joints[first] * 1e3 - base)
            assert metacarpal == pytest.approx(anthropometry.METACARPAL[finger][0], abs=1e-9)
        np.testing.assert_allclose(lengths, expected, atol=1e-9)

    def test_hand_size_is_within_two_deviations_of_women_and_men(self, right):
        # Gordon et al. (1989): women's mean - 2 sd to men's mean + 2 sd
        v = (right["v_template"] - right["J_regressor"][0] @ right["v_template"]) * 1e3
        assert 180.5 - 2 * 9.7 < -v[TIPS["middle"], 0] < 193.8 + 2 * 9.8
        knuckles = v[(v[:, 0] < -65) & (v[:, 0] > -95) & (right["weights"][:, 13:].sum(1) < 0.05)]
        assert 79.4 - 2 * 3.8 < np.ptp(knuckles[:, 2]) < 90.4 + 2 * 4.2

    def test_tips_are_the_foremost_points_and_ride_on_the_last_bone(self, right, skeleton):
        for f, finger in enumerate(FINGERS):
            tip, along = TIPS[finger], skeleton.axes[3 * f + 2, 2]
            np.testing.assert_allclose(right["v_template"][tip], skeleton.tips[f], atol=1e-12)
            own = right["weights"][:, 3 * f + 3] > 0.5
            ahead = (right["v_template"] - skeleton.tips[f]) @ along
            assert ahead[own].max() <= 1e-12
            assert right["weights"][tip, 3 * f + 3] == 1
            assert abs(right["posedirs"][tip]).max() == 0

    @pytest.mark.parametrize("finger", FINGERS[:4])
    def test_flexion_curls_the_finger_towards_the_palm(self, right, skeleton, finger):
        first = 3 * FINGERS.index(finger)
        for j in range(3):
            moved = posed(right, bend(skeleton, {(first + j, 0): 40}))[TIPS[finger]]
            assert moved[1] < right["v_template"][TIPS[finger], 1] - 5e-3
        spread = posed(right, bend(skeleton, {(first, 1): 15}))[TIPS[finger]]
        assert spread[2] > right["v_template"][TIPS[finger], 2] + 5e-3

    def test_fist_brings_the_fingertips_to_the_palm(self, right, skeleton):
        v = posed(right, bend(skeleton, FIST))
        joints = right["J_regressor"] @ right["v_template"]
        for f, finger in enumerate(FINGERS[:4]):
            assert np.linalg.norm(v[TIPS[finger]] - joints[3 * f + 1]) < 0.045
            assert v[TIPS[finger], 1] < joints[3 * f + 1, 1] - 0.01

    def test_pose_blend_shapes_keep_a_bent_finger_full(self, right, skeleton):
        flat = {**right, "posedirs": np.zeros_like(right["posedirs"])}
        pose = bend(skeleton, {(4, 0): 90})  # middle finger's PIP joint
        knuckle = np.argsort(np.linalg.norm(right["v_template"] - skeleton.joints[5], axis=1))[:10]

        def girth(v):
            return np.linalg.norm(v[knuckle] - skeleton.joints[5], axis=1).mean()

        rest = girth(right["v_template"])
        assert abs(girth(posed(right, pose)) - rest) < 0.5 * abs(girth(posed(flat, pose)) - rest)

    def test_no_face_collapses_at_the_mean_pose(self, right):
        v = posed(right, right["hands_mean"].reshape(15, 3))
        moved = trimesh.Trimesh(v, right["f"], process=False)
        assert (moved.area_faces / mesh_of(right).area_faces).min() > 0.2

    def test_shapes_are_orthogonal_and_of_plausible_size(self, right):
        directions = right["shapedirs"].reshape(-1, 10)
        gram = directions.T @ directions
        scale = np.sqrt(np.diag(gram))
        np.testing.assert_allclose(gram / np.outer(scale, scale), np.eye(10), atol=1e-9)
        largest = np.linalg.norm(right["shapedirs"], axis=1).max(axis=0)
        assert (largest > 1e-3).all()  # [m]
        assert (largest < 1e-2).all()


class TestPoseSpace:
    def test_fifteen_components_hold_the_variance(self, right):
        variance = right["hands_variance"]
        assert variance[:15].sum() / variance.sum() > 0.99
        deviations = np.sqrt(variance[:15])
        assert deviations.min() > 0.05  # [rad]
        assert deviations.max() < 1.2

    def test_coefficients_are_poses(self, right, skeleton):
        drawn = poses.sample_poses(skeleton.axes)[: len(right["hands_coeffs"])]
        back = right["hands_mean"] + right["hands_coeffs"] @ right["hands_components"]
        np.testing.assert_allclose(back, drawn, atol=1e-9)

    @pytest.mark.parametrize(
        "angles",
        [
            {},
            FIST,
            {(0, 1): 12, (0, 2): 1.8, (6, 1): -12, (6, 2): -1.8},
            {(0, 0): 60, (1, 0): 30, (2, 0): 20},
        ],
        ids=["flat", "fist", "spread", "index"],
    )
    def test_fifteen_components_reach_a_pose(self, right, skeleton, angles):
        pose = bend(skeleton, angles).ravel()
        rows = right["hands_components"][:15]
        coefficients = rows @ (pose - right["hands_mean"])
        near = right["hands_mean"] + coefficients @ rows
        tips = list(TIPS.values())
        error = posed(right, pose.reshape(15, 3))[tips] - posed(right, near.reshape(15, 3))[tips]
        assert np.linalg.norm(error, axis=1).max() < 1e-3  # [m]
        assert (abs(coefficients) / np.sqrt(right["hands_variance"][:15])).max() < 4

    def test_fingertips_determine_fifteen_components(self, right):
        rows, step = right["hands_components"][:15], 1e-6
        tips = list(TIPS.values())

        def at(c):
            return posed(right, (right["hands_mean"] + c @ rows).reshape(15, 3))[tips].ravel()

        columns = [(at(step * e) - at(-step * e)) / (2 * step) for e in np.eye(15)]
        assert np.linalg.svd(np.array(columns), compute_uv=False).min() > 5e-3  # [m/rad]


class TestMirror:
    def test_rest_shape_and_blend_shapes(self, hands):
        right, left = hands["RIGHT"], hands["LEFT"]
        flip = np.array([-1.0, 1.0, 1.0])
        np.testing.assert_array_equal(left["v_template"], right["v_template"] * flip)
        np.testing.assert_array_equal(left["shapedirs"], right["shapedirs"] * flip[:, None])
        np.testing.assert_array_equal(left["hands_variance"], right["hands_variance"])
        np.testing.assert_array_equal(left["hands_coeffs"], right["hands_coeffs"])

    def test_the_same_coefficients_give_the_mirrored_hand(self, hands):
        rng = np.random.default_rng(0)
        for _ in range(5):
            c, betas = rng.normal(size=45) * 0.4, rng.normal(size=10)
            v = {
                side: posed(
                    hand, (hand["hands_mean"] + c @ hand["hands_components"]).reshape(15, 3), betas
                )
                for side, hand in hands.items()
            }
            np.testing.assert_allclose(v["LEFT"], v["RIGHT"] * [-1, 1, 1], atol=1e-12)


class TestGenerator:
    def test_gives_the_committed_arrays(self, hands, built):
        for side, model in (("RIGHT", built), ("LEFT", mirror(built))):
            assert set(model) == set(hands[side])
            for name in SHAPES:
                np.testing.assert_allclose(model[name], hands[side][name], rtol=0, atol=1e-9)

    def test_writes_the_same_bytes_twice(self, built, tmp_path):
        for name in ("one", "two"):
            write_npz(built, tmp_path / f"{name}.npz")
        assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
        assert (tmp_path / "one.npz").stat().st_size < 1.5e6

    @pytest.mark.parametrize("side", SIDES)
    def test_smplx_loads_the_pickle_and_agrees(self, built, hands, tmp_path, side):
        smplx = pytest.importorskip("smplx")
        torch = pytest.importorskip("torch")
        hand = hands[side]
        write_pkl(built if side == "RIGHT" else mirror(built), tmp_path / f"MANO_{side}.pkl")
        layer = smplx.MANO(
            str(tmp_path / f"MANO_{side}.pkl"),
            is_rhand=side == "RIGHT",
            use_pca=True,
            num_pca_comps=15,
            flat_hand_mean=False,
            dtype=torch.float64,
        )
        zero = torch.zeros(1, 3, dtype=torch.float64)
        rng = np.random.default_rng(1)
        for c, betas in ((np.zeros(15), np.zeros(10)), (rng.normal(size=15), rng.normal(size=10))):
            out = layer(
                betas=torch.from_numpy(betas)[None],
                global_orient=zero,
                hand_pose=torch.from_numpy(c)[None],
                transl=zero,
            )
            pose = (hand["hands_mean"] + c @ hand["hands_components"][:15]).reshape(15, 3)
            expected = posed(hand, pose, betas)
            np.testing.assert_allclose(out.vertices[0].detach(), expected, atol=1e-6)
        flat = smplx.MANO(
            str(tmp_path / f"MANO_{side}.pkl"),
            is_rhand=side == "RIGHT",
            use_pca=True,
            num_pca_comps=15,
            flat_hand_mean=True,
            dtype=torch.float64,
        )
        joints = flat(hand_pose=torch.zeros(1, 15, dtype=torch.float64)).joints[0].detach()
        np.testing.assert_allclose(joints[:16], hand["J_regressor"] @ hand["v_template"], atol=1e-7)
