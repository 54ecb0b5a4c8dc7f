"""Temporal ensembling: the published weights, rotations on SO(3), and every way chunks can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from action_values import SEEDS, random_action, random_rotations
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from retarget.actions import Action, Normalization, action, unpack
from retarget.actions.ensembler import ChunkEnsembler, Ensembled
from retarget.core.errors import InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec
from retarget.core.types import FloatArray, Status

MISSING = int(Status.MISSING_INPUT)


def near_rotations(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> FloatArray:
    return random_rotations(rng, ()) @ rotation_from_rotvec(spread * rng.normal(size=(*shape, 3)))


def chunk(seed: int, rows: int, spread: float = 0.3) -> Action:
    """A chunk whose rotations are near one another, of all chunks."""
    one, rng = random_action(seed, (rows,)), np.random.default_rng(7)
    middle = random_rotations(rng, ())
    turn = rotation_from_rotvec(spread * np.random.default_rng(seed).uniform(-1, 1, (rows, 2, 3)))
    return action(one.translation, one.pca, middle @ turn)


def published(chunks: dict[int, Action], step: int, decay: float, values: str) -> FloatArray:
    """The plain loop: newest chunk first, weights exp(-w i), normalised."""
    rows = [
        getattr(chunks[s], values)[step - s]
        for s in sorted(chunks, reverse=True)
        if 0 <= step - s < len(chunks[s])
    ]
    weights = np.array([np.exp(-decay * i) for i in range(len(rows))])
    weights /= weights.sum()
    return np.asarray(sum(w * row for w, row in zip(weights, rows, strict=True)))


def same(a: Ensembled, b: Ensembled, tolerance: float = 1e-12) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance)


# --- the published expression


@given(
    SEEDS,
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 8)), min_size=1, max_size=30),
)
def test_equals_the_published_loop(seed: int, horizon: int, pushes: list[tuple[int, int]]) -> None:
    """Chunks at any steps, of any length, some of them over earlier ones."""
    ensembler, chunks, step = ChunkEnsembler(horizon), {}, 0
    for k, (ahead, rows) in enumerate(pushes):
        step += ahead
        chunks[step] = chunk(seed + k, min(rows, horizon))
        ensembler.push(chunks[step], step)
        found = ensembler.at(step)
        assert (found.status == 0).all()
        for name, decay in (("translation", 0.2), ("pca", 0.8)):
            want = published(chunks, step, decay, name)
            np.testing.assert_allclose(getattr(found, name), want, rtol=0, atol=1e-12)
        summed = published(chunks, step, 0.2, "rotation")
        for hand in range(2):
            U, _, Vt = np.linalg.svd(summed[hand])
            want = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
            np.testing.assert_allclose(found.rotation[hand], want, rtol=0, atol=1e-9)


def test_weights_by_hand() -> None:
    """Three chunks, one number each: exp(0), exp(-w), exp(-2 w)."""
    ensembler = ChunkEnsembler(5)
    for k, value in enumerate((100.0, 10.0, 1.0)):
        one = random_action(k, (5,))
        ensembler.push(
            action(np.full((5, 2, 3), value), np.full((5, 2, 15), value), one.rotation), k
        )
    found = ensembler.at(2)
    for values, w in ((found.translation, 0.2), (found.pca, 0.8)):
        want = (1 + 10 * np.exp(-w) + 100 * np.exp(-2 * w)) / (1 + np.exp(-w) + np.exp(-2 * w))
        np.testing.assert_allclose(values, want, rtol=1e-14)
    assert found.chunks.tolist() == [3, 3]
    assert found.age.tolist() == [0, 0]


def test_decays_can_be_set() -> None:
    newest = ChunkEnsembler(4, wrist_decay=1e3, hand_decay=0.0)
    a, b = chunk(0, 4), chunk(1, 4)
    newest.push(a, 0)
    newest.push(b, 1)
    found = newest.at(1)
    np.testing.assert_allclose(found.translation, b.translation[0], atol=1e-14)
    np.testing.assert_allclose(found.rotation, b.rotation[0], atol=1e-14)
    np.testing.assert_allclose(found.pca, (a.pca[1] + b.pca[0]) / 2, atol=1e-14)


def test_agreeing_chunks_are_kept_as_they_are() -> None:
    motion = chunk(0, 40)
    ensembler = ChunkEnsembler(10)
    for t in range(30):
        ensembler.push(motion[t : t + 10], t)
        found = ensembler.at(t)
        np.testing.assert_allclose(found.translation, motion.translation[t], atol=1e-12)
        np.testing.assert_allclose(found.rotation, motion.rotation[t], atol=1e-12)
        np.testing.assert_allclose(found.pca, motion.pca[t], atol=1e-12)


# --- rotations


def mean_of(rotations: FloatArray, ensembler: ChunkEnsembler | None = None) -> FloatArray:
    """The ensembled rotation (2, 3, 3) of (n, 2, 3, 3), the last one newest."""
    ensembler = ensembler or ChunkEnsembler(30)
    count = len(rotations)
    for k, rotation in enumerate(rotations):
        rows = np.broadcast_to(rotation, (count, 2, 3, 3))
        ensembler.push(action(np.zeros((count, 2, 3)), np.zeros((count, 2, 15)), rows), k)
    return ensembler.at(count - 1).rotation


@given(SEEDS, st.integers(2, 6))
def test_quaternion_signs_do_not_matter(seed: int, count: int) -> None:
    """Around half a turn quaternions change sign; a mean of quaternions would then be anywhere."""
    rng = np.random.default_rng(seed)
    quat = Rotation.from_matrix(near_rotations(rng, (count, 2), 0.2).reshape(-1, 3, 3)).as_quat()
    signs = rng.choice([-1.0, 1.0], (len(quat), 1))
    a, b = (Rotation.from_quat(q).as_matrix().reshape(count, 2, 3, 3) for q in (quat, signs * quat))
    found, flipped = mean_of(a), mean_of(b)
    np.testing.assert_allclose(found, flipped, rtol=0, atol=1e-12)
    assert rotation_angle(a, found).max() < 2.0


@given(SEEDS, st.integers(2, 6))
def test_the_mean_turns_with_its_rotations(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rotations = near_rotations(rng, (count, 2), 0.4)
    a, b = random_rotations(rng, (2,))
    np.testing.assert_allclose(
        mean_of(a @ rotations @ b), a @ mean_of(rotations) @ b, rtol=0, atol=1e-9
    )


@given(SEEDS, st.integers(2, 6))
def test_equals_scipys_weighted_mean(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rotations = near_rotations(rng, (count, 2), 0.4)
    weights = np.exp(-0.2 * np.arange(count)[::-1])
    found = mean_of(rotations)
    for hand in range(2):
        want = Rotation.from_matrix(rotations[:, hand]).mean(weights).as_matrix()
        np.testing.assert_allclose(found[hand], want, rtol=0, atol=1e-9)


@given(SEEDS, st.integers(1, 8))
def test_the_mean_is_a_rotation_whatever_is_averaged(seed: int, count: int) -> None:
    found = mean_of(random_rotations(np.random.default_rng(seed), (count, 2)))
    np.testing.assert_allclose(found @ np.swapaxes(found, -1, -2), [np.eye(3)] * 2, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(found), 1.0, atol=1e-12)


def test_opposite_rotations_give_the_newest() -> None:
    """Half a turn apart with equal weights: no rotation is nearest, so the newest one is taken."""
    half_turn = rotation_from_rotvec(np.array([0.0, 0.0, np.pi]))
    rotations = np.stack([[np.eye(3)] * 2, [half_turn] * 2])
    found = mean_of(rotations, ChunkEnsembler(30, wrist_decay=0.0))
    np.testing.assert_allclose(found, rotations[1], atol=1e-12)


# --- chunks that fail


def test_nothing_pushed_is_missing() -> None:
    ensembler = ChunkEnsembler(5)
    found = ensembler.at(0)
    assert found.status.tolist() == [MISSING, MISSING]
    assert found.chunks.tolist() == [0, 0]
    assert found.age.tolist() == [-1, -1]
    np.testing.assert_array_equal(found.rotation, [np.eye(3)] * 2)
    assert not found.translation.any()
    assert ensembler.counts.missing == 2


def test_chunks_run_out() -> None:
    ensembler = ChunkEnsembler(5)
    ensembler.push(chunk(0, 5), 10)
    status = [ensembler.at(t).status[0] for t in (9, 10, 14, 15, 40)]
    assert status == [MISSING, 0, 0, MISSING, MISSING]
    assert ensembler.counts.missing == 6
    assert ensembler.counts.steps == 5
    assert ensembler.at(13).age.tolist() == [3, 3]


def test_a_late_chunk_counts_by_its_step() -> None:
    a, b, c = (chunk(k, 6) for k in range(3))
    in_order, late = ChunkEnsembler(6), ChunkEnsembler(6)
    reports = [in_order.push(one, k) for k, one in enumerate((a, b, c))]
    assert not any(report.late for report in reports)
    late.push(a, 0)
    assert late.push(c, 2).gap == 1
    report = late.push(b, 1)
    assert report.late
    assert not report.useless
    for t in (2, 3, 5):
        same(in_order.at(t), late.at(t))
    assert (late.counts.late, late.counts.skipped, late.counts.chunks) == (1, 1, 3)
    assert late.push(b, 1)[2:4] == (True, True)  # the newest is still the chunk for step 2
    assert late.push(a, 3).gap == 0


def test_a_repeated_chunk_replaces() -> None:
    a, b, c = (chunk(k, 6) for k in range(3))
    once, twice = ChunkEnsembler(6), ChunkEnsembler(6)
    once.push(a, 0)
    once.push(c[:3], 1)
    twice.push(a, 0)
    assert not twice.push(b, 1).repeated
    assert twice.push(c[:3], 1).repeated
    for t in range(1, 7):  # where the newer chunk is shorter, the replaced one must not show
        same(once.at(t), twice.at(t))
    assert twice.counts.repeated == 1


def test_useless_chunks_are_not_taken() -> None:
    ensembler = ChunkEnsembler(5)
    ensembler.push(chunk(0, 5), 20)
    before = ensembler.at(20)
    assert ensembler.push(chunk(1, 5), 15).useless  # its rows are for 15 to 19
    assert ensembler.push(chunk(2, 2), 18).useless
    assert not ensembler.push(chunk(3, 5), 16).useless
    assert ensembler.push(chunk(4, 5), -1000).useless
    after = ensembler.at(20)
    assert after.chunks.tolist() == [2, 2]
    assert before.chunks.tolist() == [1, 1]
    assert ensembler.counts.useless == 3


def test_short_chunks_end_where_they_end() -> None:
    ensembler = ChunkEnsembler(6)
    a, b = chunk(0, 6), chunk(1, 2)
    assert not ensembler.push(a, 0).short
    report = ensembler.push(b, 1)
    assert (report.short, report.rows) == (True, 2)
    assert ensembler.at(2).chunks.tolist() == [2, 2]
    found = ensembler.at(3)
    assert found.chunks.tolist() == [1, 1]
    np.testing.assert_allclose(found.pca, a.pca[3], atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_bad_rows_are_left_out_hand_by_hand(bad: float) -> None:
    a, b = chunk(0, 6), chunk(1, 6)
    pca, translation = b.pca.copy(), b.translation.copy()
    pca[2, 0, 4], translation[3, 1, 0] = bad, bad
    ensembler = ChunkEnsembler(6)
    ensembler.push(a, 0)
    # as a careless caller builds it, statuses all OK
    report = ensembler.push(Action(translation, pca, b.rotation, b.status), 1)
    assert report.unusable == (1, 1)
    assert ensembler.counts.unusable == 2
    found = ensembler.at(3)
    assert found.chunks.tolist() == [1, 2]
    assert found.age.tolist() == [3, 2]
    np.testing.assert_allclose(found.pca[0], a.pca[3, 0], atol=1e-14)
    assert ensembler.at(4).chunks.tolist() == [2, 1]
    assert all(np.isfinite(values).all() for values in found)


def test_a_hand_that_is_missing_everywhere_is_missing() -> None:
    vector = np.random.default_rng(0).normal(size=(6, 48))
    vector[:, 3] = np.nan  # the right wrist's x
    ensembler = ChunkEnsembler(6)
    assert ensembler.push(unpack(vector), 0).unusable == (0, 6)
    found = ensembler.at(0)
    assert found.status.tolist() == [0, MISSING]
    np.testing.assert_array_equal(found.rotation[1], np.eye(3))
    assert ensembler.counts.missing == 1


@pytest.mark.parametrize("wrong", [1e6, 0.0, 0.5, -1.0])
def test_what_is_no_rotation_is_left_out(wrong: float) -> None:
    b = chunk(1, 4)
    rotation = b.rotation.copy()
    rotation[0] *= wrong  # -1 makes a reflection of it
    ensembler = ChunkEnsembler(4)
    assert ensembler.push(Action(b.translation, b.pca, rotation, b.status), 0).unusable == (1, 1)


def test_long_runs_forget_nothing_they_need_and_keep_nothing_else() -> None:
    """Over many wraps of the buffers, with chunks dropped at random, as the plain loop."""
    rng = np.random.default_rng(0)
    horizon, chunks = 7, {}
    ensembler = ChunkEnsembler(horizon)
    for t in range(300):
        if rng.random() < 0.4:
            chunks[t] = chunk(t, int(rng.integers(1, horizon + 1)))
            ensembler.push(chunks[t], t)
        alive = {s: one for s, one in chunks.items() if 0 <= t - s < len(one)}
        found = ensembler.at(t)
        assert found.chunks[0] == len(alive)
        if alive:
            want = published(chunks, t, 0.2, "translation")
            np.testing.assert_allclose(found.translation, want, atol=1e-12)
            assert found.age[0] == t - max(alive)


@given(SEEDS, st.integers(1, 6), st.sampled_from([0.02, 0.15, 0.5]))
def test_any_mix_of_faults_equals_the_plain_model(seed: int, horizon: int, faults: float) -> None:
    """Chunks late, missing, repeated, short, with missing hands, between whole stretches."""
    rng = np.random.default_rng(seed)
    ensembler, model = ChunkEnsembler(horizon), {}
    for t in range(12 * horizon):
        steps = [t] * (rng.random() > faults)  # the chunk of this step, unless it is dropped
        steps += [t - int(rng.integers(0, horizon))] * (rng.random() < faults)  # late or again
        for s in steps:
            rows = int(rng.integers(1, horizon + 1)) if rng.random() < faults else horizon
            one = chunk(int(rng.integers(2**31)), rows)
            if rng.random() < faults:
                translation = one.translation.copy()
                translation[rng.integers(rows), rng.integers(2)] = np.nan
                one = action(translation, one.pca, one.rotation)
            if not ensembler.push(one, s).useless:
                model[s] = one
        found = ensembler.at(t)
        for hand in range(2):
            speaking = [
                (s, one[t - s])
                for s, one in sorted(model.items(), reverse=True)
                if 0 <= t - s < len(one) and one.status[t - s, hand] == 0
            ]
            assert found.chunks[hand] == len(speaking)
            assert found.status[hand] == (0 if speaking else MISSING)
            if not speaking:
                assert found.age[hand] == -1
                continue
            assert found.age[hand] == t - speaking[0][0]
            for name, decay in (("translation", 0.2), ("pca", 0.8)):
                weights = np.exp(-decay * np.arange(len(speaking)))
                values = np.stack([getattr(one, name)[hand] for _, one in speaking])
                want = weights @ values / weights.sum()
                np.testing.assert_allclose(getattr(found, name)[hand], want, atol=1e-12)
            mean = Rotation.from_matrix(np.stack([one.rotation[hand] for _, one in speaking])).mean(
                np.exp(-0.2 * np.arange(len(speaking)))
            )
            np.testing.assert_allclose(found.rotation[hand], mean.as_matrix(), atol=1e-9)


def test_reset_forgets() -> None:
    ensembler = ChunkEnsembler(5)
    ensembler.push(chunk(0, 5), 100)
    ensembler.at(100)
    ensembler.reset()
    assert ensembler.counts.chunks == 0
    assert ensembler.at(100).status.tolist() == [MISSING, MISSING]
    ensembler.reset()
    assert not ensembler.push(chunk(0, 5), 0).useless


def test_results_are_the_callers_own() -> None:
    ensembler = ChunkEnsembler(5)
    one = chunk(0, 5)
    before = [values.copy() for values in (one.translation, one.pca, one.rotation)]
    ensembler.push(one, 0)
    first = ensembler.at(0)
    kept = [np.array(values) for values in first]
    first.translation[:] = 9.0
    first.rotation[:] = 9.0
    for values, want in zip(ensembler.at(0), kept, strict=True):
        np.testing.assert_array_equal(values, want)
    for values, want in zip((one.translation, one.pca, one.rotation), before, strict=True):
        np.testing.assert_array_equal(values, want)
    assert first.action.shape == ()


def test_wrong_arguments_are_refused() -> None:
    ensembler = ChunkEnsembler(5)
    with pytest.raises(InputError, match=r"1 to 5 rows, got batch axes \(6,\)"):
        ensembler.push(chunk(0, 6), 0)
    with pytest.raises(InputError, match=r"got batch axes \(\)"):
        ensembler.push(random_action(0), 0)
    with pytest.raises(InputError, match="normalised"):
        ensembler.push(Normalization.egovla().apply(chunk(0, 5)), 0)
    with pytest.raises(InputError, match="torch"):
        ensembler.push(unpack(torch.zeros(5, 48)), 0)
    with pytest.raises(InputError, match=r"expected an Action, got ndarray; .*unpack"):
        ensembler.push(np.zeros((5, 48)), 0)  # type: ignore[arg-type]
    one = chunk(0, 5)
    with pytest.raises(InputError, match=r"translation \(5, 2, 3\)"):
        ensembler.push(Action(one.translation[:3], one.pca, one.rotation, one.status), 0)
    for horizon in (0, 100_000, 2.5, None):
        with pytest.raises(InputError, match="horizon must be 1 to 1000 rows, got"):
            ChunkEnsembler(horizon)  # type: ignore[arg-type]
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="hand_decay"):
            ChunkEnsembler(hand_decay=bad)
    ensembler.push(one, 100)
    with pytest.raises(InputError, match="step 95 is forgotten; the newest chunk is for 100"):
        ensembler.at(95)
