"""A person beside the robot: where everything stands against plain numpy, gaps, files, errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.synthetic_people import person
from retarget import Robot
from retarget.cli.main import app
from retarget.core.types import SIDES, Status
from retarget.data.human_file import HumanReader
from retarget.data.people.convert import PeopleOptions, people_to_human
from retarget.human.hand_model import load_hands
from retarget.human.keypoints import KEYPOINT_NAMES
from retarget.human.user import User
from retarget.mapping.people_retargeter import PeopleRetargeter
from retarget.viewer.people_scene import BESIDE, PeopleView, people_states, view_people
from retarget.viewer.user_picture import user_picture

LOST = slice(10, 13)


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's motion in which the right hand is lost for some frames."""
    folder = tmp_path_factory.mktemp("view_people")
    points = person(40, 11, pinching=True).keypoints
    points[LOST, 1] = np.nan
    np.savez(folder / "keypoints.npz", keypoints=points, rate=30.0)
    people_to_human(
        folder / "keypoints.npz", folder / "human.hdf5", PeopleOptions(hands=load_hands("open"))
    )
    return folder / "human.hdf5"


@pytest.fixture(scope="module")
def view(human: Path) -> PeopleView:
    return view_people(human, Robot.load("h1_inspire"), load_hands("open"))


def rows(view: PeopleView, pattern: str) -> list[int]:
    return [i for i, path in enumerate(view.scene.objects) if re.fullmatch(pattern, path)]


def test_hands_stand_where_the_workspace_puts_them(view: PeopleView, human: Path) -> None:
    with HumanReader(human) as reader:
        motion, seen, user = reader.read(), reader.read_seen(), reader.info.user
    assert seen is not None
    people = PeopleRetargeter("h1_inspire", user)
    place = people.workspace(motion.T_world_mano[0])
    wrist = place.moved(motion.T_world_mano)
    state = people_states(view.scene, view.motion)
    for h, (side, out) in enumerate(zip(SIDES, (BESIDE, -BESIDE), strict=True)):
        known = np.isfinite(motion.pca[:, h]).all(axis=-1)
        (skin,) = rows(view, f"/human/{side}")
        np.testing.assert_array_equal(state.visible[:, skin], known)
        at = wrist[:, h, :3, 3] + [0.0, out, 0.0]
        np.testing.assert_allclose(state.poses[known, skin, :3], at[known], atol=1e-6)
        # a keypoint keeps its way from the wrist, turned with the workspace
        turn = wrist[known, h, :3, :3] @ motion.T_world_mano[known, h, :3, :3].swapaxes(1, 2)
        way = seen[known, h] - motion.T_world_mano[known, h, None, :3, 3]
        points = [rows(view, f"/keypoints/{side}/{name}")[0] for name in KEYPOINT_NAMES]
        np.testing.assert_allclose(
            state.poses[known][:, points, :3],
            at[known, None] + way @ turn.swapaxes(1, 2),
            atol=1e-6,
        )
        assert not state.visible[~known][:, points].any()
    assert (state.hand_status[LOST, 1] == Status.MISSING_INPUT).all()


def test_skin_reaches_the_fitted_tips(view: PeopleView) -> None:
    """The drawn hand's tips are off the seen ones by the fit's residual."""
    from retarget.human.keypoints import KEYPOINT_TIPS, TIP_VERTICES

    state = people_states(view.scene, view.motion, slice(0, 5))
    seen = view.motion.seen
    assert seen is not None
    human = view.motion.mapped.human
    for h in range(len(SIDES)):
        R, t = human.T_world_mano[:5, h, :3, :3], human.T_world_mano[:5, h, None, :3, 3]
        tips = state.vertices[:, h][:, list(TIP_VERTICES.values())] @ R.swapaxes(1, 2) + t
        off = np.linalg.norm(tips - seen[:5, h][:, list(KEYPOINT_TIPS)], axis=-1)
        np.testing.assert_allclose(off, state.error_m[:, h], atol=1e-6)


def test_bones_span_the_keypoints(view: PeopleView) -> None:
    state, seen = people_states(view.scene, view.motion), view.motion.seen
    assert seen is not None
    bones = list(view.scene.lines)
    at = bones.index("/bones/left/index_pip")
    names = list(KEYPOINT_NAMES)
    ends = seen[:, 0, [names.index("index_mcp"), names.index("index_pip")]]
    long = np.linalg.norm(np.diff(ends, axis=1)[:, 0], axis=-1)
    np.testing.assert_allclose(state.lengths[:, at], long, atol=1e-6)


def run(*args: Any) -> Any:
    return CliRunner().invoke(app, list(map(str, args)))


def test_the_command_writes_a_page(human: Path, tmp_path: Path) -> None:
    result = run("view", human, "--html", tmp_path / "a.html", "--align", "none", "--beside", 0)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "/keypoints/left/wrist" in text
    assert "Keypoint to fitted hand" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--refine", "1"), "--refine would do nothing: the file is of a person"),
        (("--align", "sideways"), "align must be one of start, shoulders, none"),
        (("--align", "shoulders"), "needs the pose of the head"),
        (("--beside", "nan"), "beside must be -10 to 10 m"),
    ],
)
def test_bad_options_are_refused(
    human: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    result = run("view", human, "--html", tmp_path / "a.html", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "a.html").exists()


def test_the_users_picture_shows_what_was_seen(tmp_path: Path) -> None:
    hands = load_hands("open")
    both = user_picture(User(size=1.1), hands)
    one = user_picture(User(size=1.1, sides=("right",)), hands)
    assert "left hand" in both
    assert "right hand" in both
    assert "left hand" not in one
    assert both == user_picture(User(size=1.1), hands)
    points = person(40, 11).keypoints
    np.savez(tmp_path / "keypoints.npz", keypoints=points, rate=30.0)
    result = run("calibrate-user", tmp_path / "keypoints.npz", "--svg", tmp_path / "user.svg")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "user.svg").read_text(encoding="utf-8").startswith("<svg")
