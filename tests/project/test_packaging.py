"""The version stands in one place, and sdist and wheel are looked through before they leave."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from places import ROOT

from retarget.core.version import VERSION

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

sys.path.insert(0, str(ROOT / "tools"))
from check_dist import check

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = (
    "retarget/core/_native.cpython-311-x86_64-linux-gnu.so",
    "retarget/py.typed",
    "retarget/viewer/web/player.js",
    "retarget/replay/report_html/report.css",
    "retarget/assets/robots/h1_inspire/robot.toml",
    "retarget/assets/robots/h1_inspire/h1_inspire.urdf",
    "retarget/assets/robots/h1_inspire/hand_mlp_15add40b32729f34.safetensors",
    "retarget/assets/mano_models/OPEN_HAND_LEFT.npz",
    "retarget/assets/mano_models/OPEN_HAND_RIGHT.npz",
    "retarget-0.1.0.dist-info/licenses/LICENSE",
)
SDIST = (
    "CMakeLists.txt",
    "native/arm/solver.cpp",
    "native/simd/lm.hpp",
    "robots/h1_inspire/robot.toml",
    "mano_models/OPEN_HAND_RIGHT.npz",
    "mano_models/generate_open_hand.py",
    "retarget/__init__.py",
    "tests/conftest.py",
    "LICENSE",
)


def test_the_version_agrees() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert PROJECT["project"]["dynamic"] == ["version"]
    source = PROJECT["tool"]["scikit-build"]["metadata"]["version"]["input"]
    assert f'VERSION = "{VERSION}"' in (ROOT / source).read_text("utf-8")
    assert _citation()["version"] == VERSION
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## (Unreleased|{re.escape(VERSION)}\b)", changes, re.MULTILINE)


def _citation() -> dict[str, object]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def test_the_citation_is_that_of_the_package() -> None:
    citation, project = _citation(), PROJECT["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert str(citation["title"]).startswith(project["name"])


def faults(folder: Path, sdist: tuple[str, ...], wheel: tuple[str, ...]) -> list[str]:
    """What `make wheel` says of an sdist and a wheel with these files."""
    with tarfile.open(folder / "retarget-0.1.0.tar.gz", "w:gz") as archive:
        for name in sdist:
            archive.addfile(tarfile.TarInfo(f"retarget-0.1.0/{name}"), io.BytesIO())
    with zipfile.ZipFile(folder / "retarget-0.1.0-cp311-none-any.whl", "w") as archive:
        for name in wheel:
            archive.writestr(name, "")
    return check(folder)


def test_a_whole_sdist_and_wheel_pass(tmp_path: Path) -> None:
    assert faults(tmp_path, SDIST, WHEEL) == []


@pytest.mark.parametrize("lost", WHEEL)
def test_a_wheel_that_lacks_a_file_fails(lost: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, SDIST, tuple(name for name in WHEEL if name != lost))
    assert fault.startswith("the wheel lacks")


@pytest.mark.parametrize("lost", SDIST)
def test_an_sdist_that_lacks_a_file_fails(lost: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, tuple(name for name in SDIST if name != lost), WHEEL)
    assert fault.startswith("the sdist lacks")


@pytest.mark.parametrize(
    "extra",
    [
        "retarget/assets/mano_models/MANO_RIGHT.pkl",
        "retarget/assets/mano_models/generate_open_hand.py",
        "retarget/assets/mano_models/open_hand/mesh.py",
        "retarget/assets/robots/h1_inspire/links.csv",
        "tests/conftest.py",
    ],
)
def test_a_wheel_with_what_it_must_not_hold_fails(extra: str, tmp_path: Path) -> None:
    assert faults(tmp_path, SDIST, (*WHEEL, extra)) == [f"the wheel holds {extra}"]


@pytest.mark.parametrize("extra", ["mano_models/MANO_LEFT.npz", "retarget/core/_native.abi3.so"])
def test_an_sdist_with_what_it_must_not_hold_fails(extra: str, tmp_path: Path) -> None:
    assert faults(tmp_path, (*SDIST, extra), WHEEL) == [f"the sdist holds {extra}"]


def test_a_folder_of_more_or_less_fails(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "tools" / "check_dist.py"), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}: must hold one sdist and one wheel, holds 0 and 0\n"
