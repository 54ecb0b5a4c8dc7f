"""What the package promises as a whole: light imports, honest public names, a clean tree."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

import retarget


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_is_light() -> None:
    heavy = {"torch", "pinocchio", "scipy", "h5py", "numpy", "trimesh", "meshcat"}
    assert not heavy & loaded_after("import retarget")
    assert not heavy & loaded_after("import retarget.cli.main")


def test_a_round_trip_needs_no_torch() -> None:
    assert "torch" not in loaded_after("from retarget import Retargeter; Retargeter().hand_mlp")


def test_every_public_name_is_there() -> None:
    for name in retarget.__all__:
        assert getattr(retarget, name) is not None
        assert name in dir(retarget)


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(retarget, "no_such_name")


def test_there_are_few_packages_and_nothing_lies_loose() -> None:
    inside = ROOT / "retarget"
    loose = {path.name for path in inside.iterdir() if path.is_file()}
    assert loose == {"__init__.py", "py.typed"}
    folders = {path.parent.relative_to(inside) for path in inside.rglob("*.py")}
    assert len({folder.parts[0] for folder in folders if folder.parts}) <= 12
    assert max(len(folder.parts) for folder in folders) <= 2
    for folder in folders:
        assert (inside / folder / "__init__.py").is_file(), folder


def test_the_package_is_its_own_folders_alone() -> None:
    """An editable installation once had the folder above the repository among them."""
    places = importlib.util.find_spec("retarget").submodule_search_locations
    assert {Path(place).name for place in places} == {"retarget"}


def test_contributing_has_the_map_of_the_packages() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    contracts = {}
    for path in (ROOT / "retarget").glob("*/__init__.py"):
        first = path.read_text("utf-8").splitlines()[0].strip('"')
        contracts[path.parent.name] = re.sub(r" \(docs/\w+\.md\)", "", first)
    assert rows == contracts
    layers = text.split("```\ncli > ")[1].split("\n")[0]
    assert {"cli", *re.findall(r"\w+", layers)} == set(contracts)


def test_no_path_or_host_of_a_machine() -> None:
    """What names somebody's folders or package index does not belong into the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    private = ["work", "tmp", "home", "root", "opt", "mnt", "Users"]
    folders = "|".join(rf"/{name}/" for name in private)
    pattern = re.compile(rf"(?<![\w.~)}}])(?:{folders})|index[-_]url|trusted-host|find-links")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".png", ".npz", ".safetensors") or path.name == "test_house.py":
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert not pattern.search(line), f"{name}:{number}: {line.strip()}"


def test_every_file_begins_with_its_contract() -> None:
    for path in (ROOT / "retarget").rglob("*.py"):
        first = path.read_text(encoding="utf-8").lstrip().splitlines()[0]
        assert first.startswith('"""'), path
        assert len(first) > 20, path
