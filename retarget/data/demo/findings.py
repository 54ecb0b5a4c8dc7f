"""What a check of a recording finds, beside its verdict on the geometry: small frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from retarget.core.statistics import FrameRuns


@dataclass(frozen=True)
class Finding:
    """Something wrong, or worth saying, about some frames of a recording or all of it.

    Attributes:
        kind: which, e.g. ``"still_wrist"``; the kinds are listed in docs/replay.md.
        text: a sentence, with the frames.
        side: ``"left"`` or ``"right"``; "" where it concerns the whole recording.
        frames: the file's frames; none where it concerns all of them.
        severity: 0 where it is a note, which a valid recording may have; else how bad, 1 or more.
    """

    kind: str
    text: str
    side: str = ""
    frames: FrameRuns = field(default_factory=FrameRuns)
    severity: float = 0.0

    @property
    def note(self) -> bool:
        """Worth saying of a recording that is valid all the same."""
        return self.severity <= 0.0
