"""URDFs as CAD programs and people write them: odd but sound ones are read, others refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from retarget import Controller, Retargeter
from retarget.core.errors import InputError, ModelError
from retarget.core.resources import resource
from retarget.data.generate.make_demo import make_demo
from retarget.robot.joint_limits import JointLimits
from retarget.robot.robot import Robot
from retarget.robot.self_collision import SelfCollision

FOLDER = resource("robots", "h1_inspire")
ARM_JOINT = "left_elbow_pitch_joint"


@pytest.fixture
def urdf(tmp_path: Path) -> Path:
    """The robot's URDF, to change."""
    return Path(shutil.copy(FOLDER / "h1_inspire.urdf", tmp_path / "own.urdf"))


def rewrite(path: Path, pattern: str, new: str, count: int = 0) -> None:
    text, changed = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=count)
    assert changed, pattern
    path.write_text(text, encoding="utf-8")


def test_blanks_around_numbers_mean_nothing(
    robot: Robot, urdf: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rewrite(urdf, r' (lower|upper|velocity|effort|radius|length|xyz|rpy)="([^"]*)"', r' \1=" \2 "')
    other = Robot.load(urdf=urdf)
    np.testing.assert_array_equal(other.velocity_limits, robot.velocity_limits)
    assert other.hash == robot.hash
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", ["inf", "-Infinity", "1e999", "1e-310", "+5.", ".5e1"])
def test_efforts_are_not_needed(
    robot: Robot, urdf: Path, capfd: pytest.CaptureFixture[str], number: str
) -> None:
    rewrite(urdf, r' effort="[^"]*"', f' effort="{number}"')
    other = Robot.load(urdf=urdf)
    assert other.hash == robot.hash
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("key", ["lower", "upper"])
@pytest.mark.parametrize("number", ["inf", "-inf", "1e999"])
def test_joints_that_end_nowhere_are_refused(urdf: Path, key: str, number: str) -> None:
    rewrite(urdf, rf' {key}="[^"]*"', f' {key}="{number}"', count=1)
    with pytest.raises(ModelError, match=f"limit {key} {number!r}, expected a number"):
        Robot.load(urdf=urdf)


@pytest.mark.filterwarnings("error")
def test_limits_may_be_as_far_as_numbers_go(urdf: Path) -> None:
    rewrite(urdf, r' lower="[^"]*" upper="[^"]*"', ' lower="-1e308" upper="1e308"', count=1)
    other = Robot.load(urdf=urdf)
    assert (other.lower.min(), other.upper.max()) == (-1e308, 1e308)


@pytest.mark.parametrize("scale", ["a", "1 1", "nan 1 1", "inf 1 1"])
def test_a_mesh_scale_is_three_numbers(urdf: Path, scale: str) -> None:
    mesh = f'<mesh filename="a.stl" scale="{scale}"/>'
    rewrite(urdf, r"<cylinder [^>]*/>(?=\s*</geometry>\s*</collision>)", mesh, count=1)
    with pytest.raises(ModelError, match=f"a mesh has scale {scale!r}"):
        SelfCollision(Robot.load(urdf=urdf))


class TestVelocityLimits:
    @pytest.mark.parametrize(
        "new", [' velocity="0"', ' velocity="0.0"', ' velocity="inf"', ' velocity="1e999"', ""]
    )
    def test_none_is_unknown_and_said_once(
        self, robot: Robot, urdf: Path, tmp_path: Path, new: str
    ) -> None:
        rewrite(urdf, r' velocity="[^"]*"', new)
        other = Robot.load(urdf=urdf)
        assert np.isinf(other.velocity_limits).all()
        assert other.hash == robot.hash
        demo = tmp_path / "demo.hdf5"
        make_demo(demo, frames=20)
        ended = run("replay", demo, "--urdf", urdf)
        assert ended.exit_code == 0, ended
        note, *more = ended.stderr.splitlines()
        assert not more
        assert note.startswith(f"note: {urdf}: no velocity limit, or 0, of 50 joints (")
        assert make_demo(frames=20, robot=other) == make_demo(frames=20)

    def test_one_joint_is_named(self, robot: Robot, urdf: Path) -> None:
        assert robot.notes == ()
        start = rf'(<joint name="{ARM_JOINT}"(?:.|\n)*?velocity=)"[^"]*"'
        rewrite(urdf, start, r'\1"0"', 1)
        (note,) = Robot.load(urdf=urdf).notes
        assert f"of 1 joint ({ARM_JOINT})" in note

    def test_commands_need_one(self, robot: Robot, urdf: Path, tmp_path: Path) -> None:
        rewrite(urdf, r' velocity="[^"]*"', ' velocity="0"')
        other = Robot.load(urdf=urdf)
        with pytest.raises(InputError, match=r"joint '.*' has no velocity limit.*arm_velocity"):
            JointLimits.of(other)
        limits = JointLimits.of(other, arm_velocity=2.0, hand_velocity=3.0)
        driven = [robot.indices(side.arm_joints) for side in robot.sides]
        assert (limits.velocity[np.concatenate(driven)] == 2.0).all()
        with pytest.raises(InputError, match="no velocity limit"):
            Controller(Retargeter(other))
        demo = tmp_path / "demo.hdf5"
        make_demo(demo, frames=20)
        refused = run("run", demo, "--fast", "--urdf", urdf)
        assert refused.exit_code == 2
        assert "arm_velocity" in refused.stderr.splitlines()[-1]
        given = ("--arm-velocity", 10, "--hand-velocity", 10)
        assert run("run", demo, "--fast", "--urdf", urdf, *given).exit_code == 0

    def test_a_negative_one_is_a_mistake(self, urdf: Path) -> None:
        rewrite(urdf, r' velocity="[^"]*"', ' velocity="-1"', 1)
        with pytest.raises(ModelError, match=r"own\.urdf: joint '.*' has the velocity limit -1"):
            Robot.load(urdf=urdf)


def test_a_file_says_its_encoding(robot: Robot, urdf: Path) -> None:
    text = urdf.read_text(encoding="utf-8")
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n' + re.sub(r"<\?xml[^>]*\?>\s*", "", text)
    text = text.replace("<robot ", "<!-- gefräst in Köln -->\n<robot ", 1)
    urdf.write_bytes(text.encode("iso-8859-1"))
    assert Robot.load(urdf=urdf).hash == robot.hash
    urdf.write_bytes(text.replace("ISO-8859-1", "klingon").encode("iso-8859-1"))
    with pytest.raises(ModelError, match=r"own\.urdf: is not valid XML: .*klingon"):
        Robot.load(urdf=urdf)


def test_limits_of_fixed_joints_do_not_matter(
    robot: Robot, urdf: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    limit = '<limit effort="0 0 0" lower="x" upper="" velocity="y"/>'
    rewrite(urdf, r'(type="fixed">)', rf"\1{limit}")
    assert Robot.load(urdf=urdf).hash == robot.hash
    assert capfd.readouterr().err == ""  # of the parser below


def test_a_link_may_have_a_joints_name(robot: Robot, urdf: Path) -> None:
    rewrite(urdf, r'"left_elbow_pitch_link"', f'"{ARM_JOINT}"')
    other = Robot.load(urdf=urdf)
    assert other.hash == robot.hash
    qpos = np.random.default_rng(1).uniform(robot.lower, robot.upper, (4, 50))
    np.testing.assert_array_equal(other.forward(qpos)[0], robot.forward(qpos)[0])
    nearest, expected = (SelfCollision(r).nearest(qpos[0]).distance for r in (other, robot))
    assert nearest == expected
    # and where the frame that is asked for is the one of two
    rewrite(urdf, r'"L_thumb_tip"', '"L_thumb_tip_joint"')
    with pytest.raises(ModelError, match="has no link 'L_thumb_tip'"):
        Robot.load(urdf=urdf)


def chain(count: int) -> str:
    links = "".join(f'<link name="l{k}"/>' for k in range(count + 1))
    joints = "".join(
        f'<joint name="j{k}" type="revolute"><parent link="l{k}"/><child link="l{k + 1}"/>'
        '<axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint>'
        for k in range(count)
    )
    return f'<robot name="chain">{links}{joints}</robot>'


def test_what_is_no_robot_is_refused_in_one_line(tmp_path: Path, urdf: Path) -> None:
    demo = tmp_path / "demo.hdf5"
    make_demo(demo, frames=5)
    good = urdf.read_text(encoding="utf-8")
    first_child = re.search(r'<child link="([^"]*)"', good)
    assert first_child is not None
    for name, text, words in (
        ("many", chain(10_000), "has 10001 links"),
        ("long", chain(2_000), "a chain of 2000 joints"),
        ("deep", "<robot>" + "<a>" * 100_000 + "</a>" * 100_000 + "</robot>", "nested more than"),
        ("far", re.sub(r'(<joint(?:.|\n)*?xyz=")[^ ]*', r"\g<1>1e300", good, count=1), "xyz"),
        ("nan", re.sub(r'lower="[^"]*"', 'lower="nan"', good, count=1), "limit lower 'nan'"),
        ("circle", good.replace(first_child[0], '<child link="pelvis"', 1), ""),
        ("other", "<sdf/>", "its root is <sdf>"),
        ("empty", "", "XML"),
    ):
        urdf.write_text(text, encoding="utf-8")
        ended = run("replay", demo, "--urdf", urdf)
        lines = ended.stderr.splitlines()
        assert (ended.exit_code, len(lines)) == (2, 1), (name, ended.stderr)
        assert lines[0].startswith(f"error: {urdf}: "), (name, lines)
        assert words in lines[0], (name, lines)
