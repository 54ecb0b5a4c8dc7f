"""The version of this library, as its files and reports say it, and of its native core."""

from __future__ import annotations

from typing import Any

VERSION = "0.1.0"


def build_info() -> dict[str, Any]:
    """What the native core was built with and what it runs on.

    Returns:
        ``isa`` the instruction set in use, ``available`` all that this machine can run,
        ``lanes`` SIMD lanes, frames at once, in float64 and float32, ``cores``, ``compiler``.
    """
    from retarget.core import _native

    available = _native.isas()
    return {
        "isa": available[0],
        "available": available,
        "lanes": _native.lanes(available[0]),
        "cores": _native.cores(),
        "compiler": _native.compiler(),
    }
