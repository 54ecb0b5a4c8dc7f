"""Long work done in blocks of frames: how many at a time, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the frames done and the frames there are."""

BLOCK = 2048  # frames a block: a fraction of a second's work, so that progress moves


def no_progress(what: str, done: int, frames: int) -> None:
    """Report to nobody."""
