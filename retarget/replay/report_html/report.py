"""HtmlReport: gathers replays, keeps the details of the worst, writes the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retarget.core.errors import RetargetError
from retarget.core.files import write_text
from retarget.core.values import joined
from retarget.replay.metrics import METRICS
from retarget.replay.report_html.figure import POINTS
from retarget.replay.report_html.page import Section, document, plots_html
from retarget.replay.report_html.plots import demo_plots
from retarget.replay.report_html.settings import settings
from retarget.replay.summary import common_folder, worst_first

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter, RoundTrip
    from retarget.replay.replay import Judged, Replay
    from retarget.replay.tolerances import Tolerances
    from retarget.viewer.page import Fragment
    from retarget.viewer.scene import Scene

ROOM = 9_000_000  # characters of plots and playback in a document, beside 6 million of scripts
PLOTS = 4_500_000  # of them, of plots of several demonstrations
VIEWS = 4  # 3D playbacks in a document
ROWS = 600  # frames of all of them together; longer demonstrations are thinned
FEWEST = 20  # frames of a playback that is thinned to fit


class HtmlReport:
    """A report of one or several replays as one self-contained HTML file.

    Of several, the worst are shown in full: plots as long as there is room, 3D playback for the
    first few. What is kept in memory is bounded likewise, apart from the frames of those few.

    Args:
        retargeter: what takes the demonstrations there and back.
        tolerances: of the verdicts.
        files: the "calibration" and "weights" given, where they are not the library's own.
    """

    def __init__(
        self,
        retargeter: Retargeter,
        tolerances: Tolerances,
        files: Mapping[str, str | Path | None] | None = None,
    ) -> None:
        self._retargeter, self._tolerances = retargeter, tolerances
        self._files = dict(files or {})
        self._replays: list[Replay] = []
        self._refused: list[tuple[str, str]] = []
        self._detailed: list[Replay] = []
        self._left_out: Replay | None = None
        self._plots: dict[int, str] = {}
        self._trips: dict[int, RoundTrip] = {}

    def refuse(self, path: str | Path, message: str) -> None:
        """Add a file that could not be replayed, and why."""
        self._refused.append((str(path), message))

    def add(self, replay: Replay, blocks: Sequence[RoundTrip]) -> None:
        """Add a replay.

        Args:
            replay: its figures.
            blocks: its round trips, as `replay_file` gave them to ``keep``.
        """
        trip = joined(blocks)
        key = id(replay)
        self._replays.append(replay)
        self._detailed.append(replay)
        self._plots[key] = plots_html(
            demo_plots(trip, replay, self._retargeter.robot, self._tolerances)
        )
        self._trips[key] = trip
        self._prune()

    def html(self) -> str:
        """The document."""
        ordered = worst_first(self._replays)
        view_head = ""
        views: dict[int, str] = {}
        try:
            view_head, views = self._views([r for r in ordered if id(r) in self._trips])
            without_view = (
                "To keep the file small it is not played back in 3D; replay it by itself."
            )
        except RetargetError as error:  # plots and tables are worth having all the same
            without_view = f"There is no 3D playback: {error}"
        paths = [*(str(replay.path) for replay in self._replays), *(p for p, _ in self._refused)]
        return document(
            [self._section(r, views.get(id(r), ""), without_view) for r in ordered],
            self._refused,
            settings(self._retargeter, self._tolerances, self._files),
            folder=common_folder(paths),
            view_head=view_head,
        )

    def write(self, path: str | Path) -> None:
        """Write the document, whole or not at all.

        Raises:
            FileError: it cannot be written there.
        """
        write_text(path, self.html())

    def _prune(self) -> None:
        """Keep details of the worst alone: what goes now would go in the end."""
        ordered = worst_first(self._detailed)
        room, most = PLOTS, len(ordered)
        for rank, replay in enumerate(ordered):
            room -= len(self._plots.get(id(replay), ""))
            if (room < 0 and rank) or replay is self._left_out:
                self._left_out, most = replay, rank
                break
        for replay in ordered[most:]:
            self._plots.pop(id(replay), None)
        for replay in ordered[min(VIEWS, most) :]:
            self._trips.pop(id(replay), None)
        self._detailed = ordered[: most + 1]  # and the worst of those left out

    def _section(self, replay: Replay, view: str, without_view: str) -> Section:
        plots = self._plots.get(id(replay), "")
        notes = []
        if plots and replay.frames > POINTS:
            notes.append(
                "In plots of errors and speeds a point is the largest value of several frames, in "
                "those of joints a line goes through their smallest and largest."
            )
        if not plots:
            notes.append("To keep the file small it has tables only; replay it by itself.")
        elif not view:
            notes.append(without_view)
        frame = worst_frame(replay, self._tolerances)
        return Section(replay, plots, view, frame, tuple(notes))

    def _views(self, replays: Sequence[Replay]) -> tuple[str, dict[int, str]]:
        """Head and, by replay, body of 3D playbacks that begin with the worst frame."""
        from retarget.viewer.playback import error_range
        from retarget.viewer.scene import scene_of

        if not replays:
            return "", {}
        scene = scene_of(self._retargeter.fitter)
        head, room = "", ROOM - sum(len(plots) for plots in self._plots.values())
        views: dict[int, str] = {}
        for rank, replay in enumerate(replays):
            trip, worst = self._trips[id(replay)], worst_frame(replay, self._tolerances)
            scaled = replace(scene, error_max_m=error_range(trip))
            fragment = _fitting(
                scaled, trip, f"player-{rank}", worst, ROWS // len(replays), max(0, room)
            )
            room -= len(fragment.body)
            if room < 0 and rank:
                break
            head, views[id(replay)] = fragment.head, fragment.body
        return head, views


def _fitting(
    scene: Scene, trip: RoundTrip, name: str, worst: int, rows: int, room: int
) -> Fragment:
    """A player that begins with the worst frame, thinned until it fits or is as thin as it gets."""
    from retarget.viewer.page import player_fragment
    from retarget.viewer.playback import record

    while True:
        playback = record(scene, trip, max_frames=rows)
        first = int(np.argmin(np.abs(playback.frames - worst)))
        fragment = player_fragment(scene, playback, name=name, frame=first)
        if len(fragment.body) <= room or rows <= FEWEST:
            return fragment
        rows = max(FEWEST, int(0.9 * len(playback.frames) * room / len(fragment.body)))


def worst_frame(replay: Judged, tolerances: Tolerances) -> int:
    """The frame whose error is the largest share of its tolerance; 0 where nothing is known."""
    shares = [
        (stats.max / max(metric.tolerated(tolerances), 1e-12), stats.worst_frame)
        for side in replay.sides
        for metric in METRICS.values()
        if metric.tolerance
        and (stats := side.errors.get(metric.key)) is not None
        and stats.worst_frame >= 0
    ]
    return max(shares, default=(0.0, 0), key=lambda share: share[0])[1]
