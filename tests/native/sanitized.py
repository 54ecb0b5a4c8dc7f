"""Run the native core's tests against a build in its own folder: python sanitized.py FOLDER.

Used by `make sanitize`. The editable install answers imports before PYTHONPATH does, so its finder
steps aside here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    folder, tests = Path(sys.argv[1]).resolve(), Path(__file__).resolve().parents[1]
    sys.meta_path[:] = [f for f in sys.meta_path if "Redirecting" not in type(f).__name__]
    sys.path[:0] = [str(folder), str(tests / "helpers")]
    import native_fuzz

    from retarget.core import _native

    if not str(_native.__file__).startswith(str(folder)):
        sys.exit(f"tested would be {_native.__file__}, not a build in {folder}")
    native_fuzz.main(10_000)
    files = [*sorted(tests.rglob("test_native_*.py")), tests / "mapping" / "test_network.py"]
    sys.exit(pytest.main(["-q", "-s", "-k", "not quiet and not ten_thousand", *map(str, files)]))
