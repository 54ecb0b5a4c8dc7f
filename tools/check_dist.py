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
GENERATORS = (r".*generate_\w+\.py", r".*/open_hand/.*", r".*\.csv")
WHEEL_LACKS = (LICENSED, *GENERATORS, r"tests/.*", r".*/tests?/.*")
SDIST_LACKS = (LICENSED, r".*\.so", r"build/.*", r"\.venv.*")


def faults(paths: list[str], holds: tuple[str, ...], lacks: tuple[str, ...]) -> list[str]:
    """What is missing among these paths, and what must not be there."""
    missing = [p for p in holds if not any(re.fullmatch(p, path) for path in paths)]
    present = [path for path in paths if any(re.fullmatch(p, path) for p in lacks)]
    return [f"lacks {p}" for p in missing] + [f"holds {path}" for path in present]


def check(folder: Path) -> list[str]:
    """The faults of the sdist and the wheel in a folder, a sentence each."""
    sdists, wheels = sorted(folder.glob("*.tar.gz")), sorted(folder.glob("*.whl"))
    if len(sdists) != 1 or len(wheels) != 1:
        return [f"must hold one sdist and one wheel, holds {len(sdists)} and {len(wheels)}"]
    with tarfile.open(sdists[0]) as sdist:
        paths = [name.partition("/")[2] for name in sdist.getnames()]
    found = [f"the sdist {fault}" for fault in faults(paths, SDIST_HOLDS, SDIST_LACKS)]
    with zipfile.ZipFile(wheels[0]) as wheel:
        paths = wheel.namelist()
    return found + [f"the wheel {fault}" for fault in faults(paths, WHEEL_HOLDS, WHEEL_LACKS)]


if __name__ == "__main__":
    bad = check(Path(sys.argv[1]))
    print("\n".join(f"{sys.argv[1]}: {line}" for line in bad or ["sdist and wheel are complete"]))
    sys.exit(bool(bad))
