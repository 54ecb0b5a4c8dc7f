"""What the package promises as a whole: light imports, honest public names, a clean tree."""

from __future__ import annotations

import subprocess
import sys

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


def test_every_file_begins_with_its_contract() -> None:
    for path in (ROOT / "retarget").rglob("*.py"):
        first = path.read_text(encoding="utf-8").lstrip().splitlines()[0]
        assert first.startswith('"""'), path
        assert len(first) > 20, path
