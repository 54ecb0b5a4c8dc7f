"""What is done with many `Status` values: the worse of two, counts, words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from retarget.core.types import IntArray, Status

# of two statuses, the one to show where there is room for one
_SEVERITY = (
    Status.MISSING_INPUT,
    Status.NOT_CONVERGED,
    Status.UNREACHABLE,
    Status.HELD,
    Status.AT_LIMIT,
    Status.OK,
)


def severer(a: IntArray, b: IntArray) -> IntArray:
    """Of two arrays of `Status` values, the more severe one at each place.

    For what has room for one alone, such as a colour; whoever counts or judges, counts hands and
    arms apart.
    """
    rank = np.zeros(len(Status), dtype=np.int64)
    rank[[int(status) for status in reversed(_SEVERITY)]] = np.arange(len(_SEVERITY))
    return np.where(rank[a] >= rank[b], a, b)


def status_counts(status: IntArray) -> dict[str, int]:
    """How often each status occurs, by its label; all labels."""
    return {s.label: int((status == int(s)).sum()) for s in Status}


def statuses_text(status: Mapping[str, int]) -> str:
    """Frames per status in words, e.g. ``"298 ok, 2 at_limit"``; statuses never seen left out."""
    return ", ".join(f"{count} {name}" for name, count in status.items() if count)
