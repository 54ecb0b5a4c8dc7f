"""Gaps stay gaps unless they are filled and marked; smoothing keeps what hands do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget.core.errors import InputError
from retarget.core.geometry import rotation_angle, rotation_from_rotvec, transform
from retarget.core.types import HumanMotion, Status
from retarget.human.motion_gaps import fill_gaps, smooth_motion

RATE = 30.0
seeds = st.integers(0, 2**32 - 1)


def motion(frames: int = 60, hertz: float = 0.5) -> HumanMotion:
    """Hands that swing."""
    time = np.arange(frames) / RATE
    swing = np.sin(2.0 * np.pi * hertz * time)[:, None, None]
    turns = swing * np.array([[0.3, 2.9, 0.1], [0.2, -0.4, 1.0]])
    return HumanMotion(
        pca=swing * np.linspace(0.5, 2.0, 30).reshape(2, 15),
        T_world_mano=transform(rotation_from_rotvec(turns), swing * np.array([0.3, 0.2, 0.1])),
        residual=np.full((frames, 2, 21), 1e-3),
        iterations=np.full((frames, 2), 9),
        status=np.zeros((frames, 2), dtype=np.int64),
        hand="0" * 16,
        hand_pose=swing[..., None] * np.full((2, 15, 3), 0.3),
    )


def lost(whole: HumanMotion, side: int, rows: slice) -> HumanMotion:
    arrays = {}
    for name in ("pca", "T_world_mano", "residual", "hand_pose"):
        values = getattr(whole, name).copy()
        values[rows, side] = np.nan
        arrays[name] = values
    status = whole.status.copy()
    status[rows, side] = int(Status.MISSING_INPUT)
    return dataclasses.replace(whole, status=status, **arrays)


class TestFill:
    @pytest.mark.parametrize("how", ["hold", "linear"])
    def test_short_gaps_are_filled_and_marked(self, how: str) -> None:
        given = lost(motion(), 1, slice(20, 26))
        found = fill_gaps(given, how, 6)
        assert np.isfinite(found.pca).all()
        assert (found.status[20:26, 1] == Status.HELD).all()
        assert (found.status == Status.HELD).sum() == 6
        assert np.isnan(found.residual[20:26, 1]).all()
        if how == "hold":
            for row in range(20, 26):
                np.testing.assert_array_equal(found.pca[row, 1], found.pca[19, 1])
                np.testing.assert_allclose(
                    found.T_world_mano[row, 1], found.T_world_mano[19, 1], atol=1e-12
                )
            return
        middle = 0.5 * (found.pca[22, 1] + found.pca[23, 1])
        np.testing.assert_allclose(middle, 0.5 * (found.pca[19, 1] + found.pca[26, 1]), atol=1e-12)
        steps = rotation_angle(
            found.T_world_mano[19:26, 1, :3, :3], found.T_world_mano[20:27, 1, :3, :3]
        )
        np.testing.assert_allclose(steps, steps[0], atol=1e-9)

    def test_what_is_not_filled(self) -> None:
        given = lost(lost(motion(), 0, slice(0, 4)), 0, slice(55, 60))
        given = lost(given, 1, slice(20, 30))
        assert fill_gaps(given, "none") == given
        assert fill_gaps(given, "linear", 9) == given
        held = fill_gaps(given, "hold", 9)
        assert np.isnan(held.pca[:4, 0]).all()
        assert np.isfinite(held.pca[55:, 0]).all()
        assert np.isnan(held.pca[20:30, 1]).all()

    def test_the_given_motion_stays(self) -> None:
        given = lost(motion(), 1, slice(20, 26))
        fill_gaps(given, "hold")
        smooth_motion(given, RATE)
        assert given == lost(motion(), 1, slice(20, 26))

    def test_mistakes(self) -> None:
        with pytest.raises(InputError, match="fill must be one of none, hold, linear"):
            fill_gaps(motion(), "spline")
        with pytest.raises(InputError, match="longest"):
            fill_gaps(motion(), "hold", -1)


class TestSmoothing:
    @given(seed=seeds)
    def test_noise_goes_and_motion_stays(self, seed: int) -> None:
        rng, whole = np.random.default_rng(seed), motion(120)
        noisy = dataclasses.replace(
            whole, pca=whole.pca + rng.normal(scale=0.1, size=whole.pca.shape)
        )
        found = smooth_motion(noisy, RATE)
        inner = slice(5, -5)
        before = np.abs(noisy.pca - whole.pca)[inner].mean()
        assert np.abs(found.pca - whole.pca)[inner].mean() <= 0.75 * before
        clean = smooth_motion(whole, RATE)
        np.testing.assert_allclose(clean.pca[inner], whole.pca[inner], atol=2e-3)
        off = rotation_angle(clean.T_world_mano[..., :3, :3], whole.T_world_mano[..., :3, :3])
        assert off[inner].max() <= 5e-3

    def test_half_is_left_at_the_cutoff(self) -> None:
        whole = motion(300, hertz=3.0)
        found = smooth_motion(whole, RATE, cutoff=3.0)
        inner = slice(60, -60)
        share = np.abs(found.pca[inner]).max() / np.abs(whole.pca[inner]).max()
        assert share == pytest.approx(0.5, abs=0.03)

    def test_gaps_are_not_bridged(self) -> None:
        given = lost(motion(), 1, slice(20, 26))
        found = smooth_motion(given, RATE)
        assert np.isnan(found.pca[20:26, 1]).all()
        # each side of the gap as if there were nothing beyond
        parts = [
            dataclasses.replace(
                given,
                **{
                    f.name: getattr(given, f.name)[rows]
                    for f in dataclasses.fields(given)
                    if f.name != "hand"
                },
            )
            for rows in (slice(0, 20), slice(26, 60))
        ]
        for rows, part in zip((slice(0, 20), slice(26, 60)), parts, strict=True):
            np.testing.assert_allclose(
                found.pca[rows, 1], smooth_motion(part, RATE).pca[:, 1], atol=1e-12
            )

    def test_few_frames_stay(self) -> None:
        given = motion(2)
        assert smooth_motion(given, RATE) == given

    @pytest.mark.parametrize(("rate", "cutoff"), [(0.0, 6.0), (30.0, -1.0), (np.inf, 6.0)])
    def test_mistakes(self, rate: float, cutoff: float) -> None:
        with pytest.raises(InputError, match="must be positive"):
            smooth_motion(motion(), rate, cutoff)
