"""The notebooks run from a fresh kernel, say what is true, and are stored without outputs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
sys.path.insert(0, str(FOLDER))
from clean import cleaned  # noqa: E402

SECONDS = 110  # a cell; a notebook takes some seconds, or a minute beside other work


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs a notebook in a fresh kernel of this Python; gives the values of expressions in it."""
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # not a kernel of another environment
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # temporary folders of notebooks go where those of tests are cleaned up
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def execute(name: str, **wanted: str) -> dict[str, Any]:
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        pairs = ", ".join(f"{key!r}: {expression}" for key, expression in wanted.items())
        ask = f"import json, sys\nprint(json.dumps({{'python': sys.executable, {pairs}}}))"
        notebook.cells.append(nbformat.v4.new_code_cell(ask))
        place = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=SECONDS, resources=place).execute()
        pictures = [
            output
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        found = json.loads(notebook.cells[-1].outputs[0].text)
        assert found.pop("python") == sys.executable
        return {**found, "pictures": len(pictures)}

    return execute


def test_the_notebooks_are_these() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_first_replay",
        "02_fit_a_hand",
        "03_from_policy_to_robot",
        "04_your_own_robot",
        "05_people",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_outputs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert cleaned(text) == text, "run `python notebooks/clean.py`"
    for cell in json.loads(text)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert "".join(cell["source"]).strip(), "an empty cell"


def test_outputs_are_found_and_taken_out() -> None:
    """The check above can fail."""
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    clean = cleaned(nbformat.writes(notebook))
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs.append(nbformat.v4.new_output("stream", text="3"))
    cell.execution_count, cell.metadata = 7, {"tags": ["mine"]}
    notebook.metadata["widgets"] = {}
    spoilt = nbformat.writes(notebook)
    assert spoilt != clean
    assert cleaned(spoilt) == clean
    assert cleaned(json.dumps(json.loads(clean))) == clean


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for part in cell.source.split("](")[1:]:
                target = part.split(")")[0]
                assert (FOLDER / target).is_file(), target


def test_01_first_replay(run: Callable[..., dict[str, Any]]) -> None:
    found = run(
        "01_first_replay",
        frames="demo.frames",
        residual="trip.fit_residual_m.mean()",
        error="trip.fingertip_error_m.mean()",
        refined="refined.fingertip_error_m.mean()",
        wrist="trip.wrist_position_error_m.max()",
        joint="np.abs(returned - recorded).max()",
        far="far.wrist_position_error_m[:, 1].max()",
        code="code",
    )
    assert found["pictures"] == 3
    assert found["frames"] == 300
    assert 1e-4 < found["residual"] < 5e-4  # "some tenths of a millimetre"
    assert found["error"] < found["residual"] / 10  # "more than ten times closer"
    assert found["refined"] < 1e-6
    assert found["wrist"] < 1e-9
    assert found["joint"] < 1e-3
    assert found["far"] > 0.02
    assert found["code"] == 2  # the last file cannot be used


def test_02_fit_a_hand(run: Callable[..., dict[str, Any]]) -> None:
    found = run(
        "02_fit_a_hand",
        gap="gap",
        residual="{K: 1e3 * np.median(v[0]) for K, v in by_count.items()}",
        singular="{K: 1e3 * v[1].min() for K, v in by_count.items()}",
        step="{K: v[2].max() for K, v in by_count.items()}",
        prior_residual="{f'{p:.0e}': 1e3 * np.median(v[0]) for p, v in by_prior.items()}",
        prior_singular="{f'{p:.0e}': 1e3 * v[1].min() for p, v in by_prior.items()}",
        prior_step="{f'{p:.0e}': v[2].max() for p, v in by_prior.items()}",
        steps="{name: s.tolist() for name, s in steps.items()}",
        medians="{name: 1e3 * np.median(r) for name, r in residuals.items()}",
        changed="changed",
    )
    assert found["pictures"] == 4
    assert found["gap"] < 5.0  # thumb and index "meet" [mm]
    residual, singular, step = (
        {int(K): v for K, v in found[key].items()} for key in ("residual", "singular", "step")
    )
    assert all(residual[K] > 10.0 and singular[K] < 1.0 for K in (3, 4, 6))
    assert all(step[K] > 1.0 for K in (6, 8, 10))  # "jump by whole standard deviations"
    assert all(step[K] < 0.05 and singular[K] > 10.0 for K in (12, 15, 20, 30, 45))
    assert residual[15] < residual[12] / 2
    assert residual[45] > 0.8 * residual[15]  # "hardly falls any more"
    residual, singular, step = (found[f"prior_{key}"] for key in ("residual", "singular", "step"))
    assert residual["1e-04"] > 3.0
    assert residual["1e-09"] < 0.01
    assert 0.1 < residual["1e-06"] < 0.4
    assert step["1e-09"] > 0.05
    assert step["1e-06"] < 0.02
    assert singular["1e-06"] == pytest.approx(singular["1e-09"], rel=0.02)
    theirs = found["steps"]["egovla"]
    assert max(found["steps"]["retarget"]) < 0.05 < 1.0 < max(theirs)
    assert sum(s < 0.05 for s in theirs) > 0.95 * len(theirs)  # "nearly all"
    assert found["medians"]["retarget"] < 0.4 < 10.0 < found["medians"]["egovla"]
    assert found["changed"]["retarget"] < 1e-9
    assert found["changed"]["egovla"] > 0.1


def test_03_from_policy_to_robot(run: Callable[..., dict[str, Any]]) -> None:
    found = run(
        "03_from_policy_to_robot",
        places="[(f.place.start, f.place.stop) for f in ACTION_FIELDS.values()]",
        off="off",
        rows="rows.max()",
        as_points="as_points.min()",
        error="error",
        jitter="jitter",
        shrinks="measured / expected",
        phases="[Phase(p).label for p in phases]",
        reasons="[c.hold.reason if c.hold else None for c in commands]",
        lag="lag[100:119].max()",
        velocity="np.max(np.abs(velocity) / limits.velocity)",
        acceleration="np.max(np.abs(acceleration) / limits.acceleration)",
        moved="np.ptp(path, axis=0).max()",
        verdict="done.stdout",
        code="done.returncode",
    )
    assert found["pictures"] == 2
    assert found["places"] == [[0, 6], [6, 36], [36, 48]]  # as the table has it
    assert found["off"] < 1e-3
    assert found["rows"] > 30.0
    assert found["as_points"] > 10.0
    assert found["error"]["mean"] < found["error"]["newest"] / 2
    assert found["jitter"]["mean"] < found["jitter"]["newest"] / 4
    assert found["shrinks"] == pytest.approx(1.0, abs=0.15)
    phases = found["phases"]
    assert phases[0] == "starting"
    assert set(phases[60:144]) == {"tracking"}  # "goes on with what it knows"
    assert set(phases[144:174]) == {"holding"}
    assert set(phases[174:204]) == {"timed_out"}
    assert phases[204] == "returning"
    assert set(phases[260:]) == {"tracking"}
    assert {found["reasons"][k] for k in range(144, 204)} == {"no action", "action not usable"}
    assert found["lag"] < 1e-3
    assert max(found["velocity"], found["acceleration"]) < 1.0 + 1e-9
    assert found["moved"] > 0.5
    assert found["code"] == 0
    assert "chunks lost" in found["verdict"]


def test_04_your_own_robot(run: Callable[..., dict[str, Any]]) -> None:
    found = run(
        "04_your_own_robot",
        joints="len(robot.joint_names)",
        active="len(robot.sides[0].active_joints)",
        arm="len(robot.sides[0].arm_joints)",
        hidden="hidden",
        weakest="singular.min()",
        inside="singular[inside].min()",
        good="good.tolist()",
        bad="bad.tolist()",
        errors="[[s.mean for s in check.plain], [s.mean for s in check.refined]]",
        reached="int((found.status == Status.OK).sum())",
        too_far="float(too_far.position_error)",
        trip="trip.fingertip_error_m.mean()",
        wrist="trip.wrist_position_error_m.max()",
        verdict="done.stdout",
    )
    assert found["pictures"] == 3
    assert (found["joints"], found["active"], found["arm"]) == (34, 5, 6)
    assert found["hidden"] == pytest.approx(0.6, abs=0.05)  # "near 0.6 rad"
    assert found["weakest"] < 1e-3 < 1e-2 < found["inside"]
    for scale, degrees, p99 in found["good"]:
        assert 0.9 < scale < 1.3
        assert degrees < 20.0
        assert p99 < 1.0
    for _, degrees, p99 in found["bad"]:  # "only the rotation tells"
        assert degrees > 60.0
        assert p99 < 1.0
    assert max(found["errors"][0]) < 5e-5
    assert max(found["errors"][1]) < 1e-6
    assert found["reached"] > 490
    assert found["too_far"] > 0.2
    assert found["trip"] < 1e-6
    assert found["wrist"] < 1e-9
    assert "VALID" in found["verdict"]
    assert "NOT VALID" not in found["verdict"]


def test_05_people(run: Callable[..., dict[str, Any]]) -> None:
    found = run(
        "05_people",
        findings="len(found.findings)",
        medians="medians",
        pinch="float(np.median(robot_gap[pinching]))",
        pinches="int(pinching.sum())",
        passed="replay.passed",
        chunks="list(chunks.shape)",
        ahead="[float(ahead.min()), float(ahead.max())]",
    )
    assert found["pictures"] == 3
    assert found["findings"] == 0
    assert found["medians"]["the user"] < 0.6 * found["medians"]["the model's size"]
    assert found["pinches"] > 20
    assert found["pinch"] < 3.0  # [mm], "meet"
    assert found["passed"]
    assert found["chunks"] == [300, 30]
    assert 0.2 < found["ahead"][0] < found["ahead"][1] < 1.0
