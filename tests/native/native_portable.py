"""The native core on arm64 computes what it computes here: python native_portable.py (make arm64).

Both are compiled without Python; arm64's runs in qemu's emulation.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parents[1] / "native"
CROSS, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
FLAGS = [
    *("-std=c++17", "-O2", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
    *("-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-DRETARGET_ISA=retarget_baseline"),
]


def build(compiler: str, program: Path) -> None:
    """Compile all of the core that does not speak with Python."""
    sources = [p for p in sorted(NATIVE.glob("*/*.cpp")) if p.parent.name != "python"]
    sources.append(HERE / "native_portable.cpp")
    flags = [*FLAGS, '-DRETARGET_ISA_NAME="baseline"', f"-I{NATIVE}", "-o", str(program)]
    subprocess.run([*shlex.split(compiler), *map(str, sources), *flags], check=True)


def results(*command: str) -> list[tuple[str, float, np.ndarray]]:
    """The program's lines: what, allowed difference, numbers."""
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in text.splitlines()]
    return [(f[1], float(f[2]), np.array(f[3:], dtype=np.float64)) for f in lines]


def main() -> int:
    gone = [tool for tool in (CROSS, EMULATOR) if shutil.which(tool) is None]
    if gone:
        print(f"arm64 cannot be tested: no {' and no '.join(gone)} found", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder, "here"), Path(folder, "arm64")
        build(os.environ.get("CXX", "c++"), here)
        build(CROSS, there)
        pairs = list(zip(results(str(here)), results(EMULATOR, str(there)), strict=True))
    failed = 0
    for (what, slack, wanted), (_, _, found) in pairs:
        difference = np.abs(found - wanted)
        sound = difference.shape == wanted.shape and bool(np.all(difference <= slack))
        failed += not sound
        print(f"{what:14} {wanted.size:6} numbers, largest difference {difference.max():.1e}, "
              f"allowed {slack:.0e}: {'ok' if sound else 'FAILS'}")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
