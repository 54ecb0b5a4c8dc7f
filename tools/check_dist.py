"""Looks through a folder with one sdist and one wheel: what they must hold, and what never."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

# patterns of paths; an sdist's are below its one folder
WHEEL_HOLDS = (
    r"retarget/core/_native\.[^/]*\.so",
    r"retarget/py\.typed",
    r"retarget/viewer/web/player\.js",
    r"retarget/replay/report_html/report\.css",
    r"retarget/assets/robots/h1_inspire/robot\.toml",
    r"retarget/assets/robots/h1_inspire/h1_inspire\.urdf",
    r"retarget/assets/robots/h1_inspire/hand_mlp_\w+\.safetensors",
    r"retarget/assets/mano_models/OPEN_HAND_LEFT\.npz",
    r"retarget/assets/mano_models/OPEN_HAND_RIGHT\.npz",
    r"retarget-[^/]+\.dist-info/licenses/LICENSE",
)
SDIST_HOLDS = (
    r"CMakeLists\.txt",
    r"native/.+\.cpp",
    r"native/.+\.hpp",
    r"robots/h1_inspire/robot\.toml",
    r"mano_models/OPEN_HAND_RIGHT\.npz",
    r"mano_models/generate_open_hand\.py",
    r"retarget/__init__\.py",
    r"tests/conftest\.py",
    r"LICENSE",
)
LICENSED = r".*(MANO|SMPLH)_\w+\.(pkl|npz)"  # hand models that are nobody's to hand on
WHEEL_LACKS = (LICENSED, r".*generate_\w+\.py", r".*/open_hand/.*", r"tests/.*", r".*/tests?/.*")
SDIST_LACKS = (LICENSED, r".*\.so", r"build/.*", r"\.venv.*")


def faults(names: list[str], holds: tuple[str, ...], lacks: tuple[str, ...]) -> list[str]:
    """What is missing among these paths, and what must not be there."""
    missing = [p for p in holds if not any(re.fullmatch(p, name) for name in names)]
    present = [name for name in names if any(re.fullmatch(p, name) for p in lacks)]
    return [f"nothing like {p}" for p in missing] + [f"{name} must not be in it" for name in present]


def check(folder: Path) -> list[str]:
    """The faults of the sdist and the wheel in a folder, a sentence each."""
    found = []
    for kind, ending in (("sdist", "*.tar.gz"), ("wheel", "*.whl")):
        files = sorted(folder.glob(ending))
        if len(files) != 1:
            found.append(f"{folder} must hold one {ending}, got {len(files)}")
        elif kind == "wheel":
            with zipfile.ZipFile(files[0]) as wheel:
                told = faults(wheel.namelist(), WHEEL_HOLDS, WHEEL_LACKS)
            found += [f"{files[0].name}: {fault}" for fault in told]
        else:
            with tarfile.open(files[0]) as sdist:
                below = [name.partition("/")[2] for name in sdist.getnames()]
            found += [f"{files[0].name}: {f}" for f in faults(below, SDIST_HOLDS, SDIST_LACKS)]
    return found


if __name__ == "__main__":
    bad = check(Path(sys.argv[1]))
    print("\n".join(bad) or f"{sys.argv[1]}: sdist and wheel hold what they must, and nothing they must not")
    sys.exit(bool(bad))
