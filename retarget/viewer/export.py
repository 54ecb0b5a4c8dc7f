"""A file's motion as a page or a still picture: a demonstration, or a person's and the robot's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from retarget.core.errors import InputError
from retarget.core.progress import Progress, no_progress
from retarget.data.demo.findings import Finding
from retarget.data.demo.recording import Recording
from retarget.viewer.browser import find_browser, save_picture
from retarget.viewer.page import playback_page
from retarget.viewer.playback import Playback, error_range, record, thinned
from retarget.viewer.scene import Scene, scene_of
from retarget.viewer.server import PageServer

if TYPE_CHECKING:
    from retarget.mapping.retargeter import Retargeter, RoundTrip

MAX_FRAMES = 1000  # in a page, so that it stays small


@dataclass(frozen=True)
class FileView(ABC):
    """A file's motion, ready to be shown.

    Attributes:
        path: the file.
        scene: what is shown.
    """

    path: Path
    scene: Scene

    @property
    @abstractmethod
    def frames(self) -> int:
        """Number of frames."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying of it: what could not be drawn."""
        return self.scene.notes

    @abstractmethod
    def playback(self, rows: slice) -> Playback:
        """Some of the frames, played."""

    def page(self, *, stride: int | None = None) -> str:
        """A self-contained page that plays it.

        Args:
            stride: take every so many frames; by default as many as make at most `MAX_FRAMES`.

        Raises:
            InputError: the stride is not positive.
            ModelError: meshcat's viewer is not installed.
        """
        playback = self.playback(self.rows(stride))
        return playback_page(self.scene, playback, title=self.path.name)

    def rows(self, stride: int | None = None) -> slice:
        """The frames that `page` plays.

        Raises:
            InputError: the stride is not positive.
        """
        if stride is None:
            return thinned(self.frames, MAX_FRAMES)
        if stride < 1:
            raise InputError(f"stride must be at least 1, got {stride}", value=stride)
        return slice(None, None, stride)

    def save_picture(
        self,
        path: str | Path,
        *,
        frame: int = 0,
        camera: str = "whole",
        width: int = 1280,
        height: int = 800,
        theme: str = "light",
        hide: tuple[str, ...] = (),
    ) -> None:
        """Write a PNG of one frame, with its statuses and the scale of errors.

        Args:
            path: the file to write.
            frame: the file's frame.
            camera: name of a preset of the scene.
            width: of the picture [px].
            height: of the picture [px].
            theme: ``"light"`` or ``"dark"``.
            hide: layers to leave out, by the end of their path.

        Raises:
            InputError: there is no such frame, camera, theme or layer, or a side is out of range.
            RetargetError: there is no browser, or it did not draw the page.
            FileError: the file cannot be written.
        """
        frames = self.frames
        if not 0 <= frame < frames:
            raise InputError(f"frame must be 0 to {frames - 1}, got {frame}", value=frame)
        layers = [layer.path.strip("/").replace("/", "-") for layer in self.scene.layers]
        layers = [layer.removeprefix("robot-") for layer in layers]
        _one_of("camera", camera, [preset.name for preset in self.scene.presets])
        _one_of("theme", theme, ["light", "dark"])
        for layer in hide:
            _one_of("layer", layer, layers)
        find_browser()  # before any work
        playback = self.playback(slice(frame, frame + 1))
        asked = {"camera": camera, "theme": theme, "ui": "still", "hide": ",".join(hide)}
        server = PageServer(playback_page(self.scene, playback, title=self.path.name))
        try:
            url = f"{server.url}#{urlencode(asked, quote_via=quote)}"
            save_picture(url, path, width=width, height=height)
        finally:
            server.close()


@dataclass(frozen=True)
class DemoView(FileView):
    """A demonstration's round trip, ready to be shown, colours scaled to its errors.

    Attributes:
        trip: its round trip.
        findings: what its check found beside its geometry.
    """

    trip: RoundTrip
    findings: tuple[Finding, ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.trip.demo.frames

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying of it: what its check found, and what could not be drawn."""
        return (*(str(finding.text) for finding in self.findings), *self.scene.notes)

    def playback(self, rows: slice) -> Playback:
        """Some of the frames, played."""
        return record(self.scene, self.trip, rows=rows)


def view_demo(
    path: str | Path,
    retargeter: Retargeter,
    *,
    rate: float | None = None,
    strict: bool = True,
    progress: Progress = no_progress,
) -> DemoView:
    """Read a demonstration, check it, take it there and back, and set its scene.

    Args:
        path: the demonstration.
        retargeter: takes it there and back.
        rate: frames per second [Hz], where the file's own knowledge is to be overruled.
        strict: refuse a file that disagrees with its own joints.
        progress: called after every block.

    Raises:
        DemoError: the file cannot be read, is unsound, or disagrees with its own joints.
        ModelError: the robot cannot be drawn.
    """
    with Recording(path, retargeter.robot, rate=rate, strict=strict) as reader:
        reader.check(progress=progress)
        findings = reader.findings
        trip = retargeter.round_trip(reader.read())
    scene = scene_of(retargeter.fitter, error_max_m=error_range(trip))
    return DemoView(Path(path), scene, trip, findings)


def _one_of(what: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise InputError(f"{what} must be one of {', '.join(known)}, got {value!r}", value=value)
