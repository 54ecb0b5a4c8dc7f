"""`Viewer`: shows a robot while it moves, from within its control loop."""

from __future__ import annotations

import secrets
import sys
import threading
import webbrowser
from collections.abc import Mapping, Sequence
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retarget.core.errors import InputError
from retarget.core.files import Closing
from retarget.mapping.fitter import MANOFitter
from retarget.mapping.retargeter import RoundTrip
from retarget.viewer.page import live_page
from retarget.viewer.scene import scene_of
from retarget.viewer.server import PageServer
from retarget.viewer.states import (
    FrameState,
    checked_rows,
    field_shapes,
    frame_state,
    trip_fields,
)

if TYPE_CHECKING:
    from retarget.robot.robot import Robot

_FROM_FRAME = ("qpos", "hand_status", "arm_status")


class Viewer(Closing):
    """A page on this machine that shows the frames it is given as they come.

    `show` hands a frame over and returns: the newest frame waits for the page, and frames that it
    has no time for are dropped. Nothing is computed while nobody looks.

    Args:
        robot: a `Robot`, or the name or folder of one.
        fitter: the fit whose hand models and calibration place the human hands; by default the
            robot's with the open hand.
        host: address to listen on; others than this machine's own can be looked at by everyone who
            can reach it, of which a warning is given.
        port: port to listen on; by default the first one that is free.
        allow_hosts: names or addresses to answer to besides this machine's own.
        max_rate: frames a second sent to a page [Hz].
        error_max_m: fingertip error at the end of the colour scale [m].
        title: words at the top of the page; the robot's name by default.

    Attributes:
        url: where to look.
        scene: what is shown.

    Raises:
        InputError: the address or port cannot be listened on, a number is not positive, or a name
            to answer to is none.
        ModelError: the robot cannot be read or drawn, or has no calibration for these hands.
    """

    def __init__(
        self,
        robot: Robot | str | Path = "h1_inspire",
        *,
        fitter: MANOFitter | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        allow_hosts: Sequence[str] = (),
        max_rate: float = 60.0,
        error_max_m: float = 0.01,
        title: str | None = None,
    ) -> None:
        if not 0.0 < max_rate < float("inf"):
            raise InputError(f"max_rate must be a positive number, got {max_rate}")
        if fitter is None:
            fitter = MANOFitter(robot)
        self.scene = scene_of(fitter, error_max_m=error_max_m)
        joints, components = len(fitter.robot.joint_names), fitter.components
        self._shapes = field_shapes(joints, components)
        self._lock = threading.Lock()
        self._newest: tuple[int, int, Mapping[str, Any]] = (0, -1, {"qpos": np.zeros(joints)})
        self._made = (-1, b"")  # the newest message, by the server's thread alone
        first = live_arrays(-1, frame_state(self.scene, **self._newest[2]))
        identity = secrets.token_hex(8)
        live = {"scene": identity, "arrays": layout(first)}
        self._server: PageServer | None = PageServer(
            live_page(self.scene, live, title=fitter.robot.name if title is None else title),
            host=host,
            port=port,
            allow_hosts=allow_hosts,
            scene=identity,
            source=self._message,
            max_rate=max_rate,
        )
        self.url = self._server.url

    def show(
        self,
        frame: ArrayLike | RoundTrip | Any,
        *,
        row: int = -1,
        number: int | None = None,
        **fields: ArrayLike | None,
    ) -> None:
        """Show one frame from now on; a copy is taken, and drawing is not waited for.

        Args:
            frame: (n,) joint positions [rad]; or an object with such ``qpos`` and perhaps
                ``hand_status`` and ``arm_status``, such as a command of a controller; or a
                `RoundTrip`, of which ``row`` is shown.
            row: frame of a round trip.
            number: the number to show with it; by default frames are counted.
            fields: what else there is, by the names of `frame_state`: ``returned``, ``pca``,
                ``T_world_mano``, ``targets``, ``wrists``, ``hand_status``, ``arm_status``. What is
                not given, or not finite, is not drawn.

        Raises:
            InputError: a field is unknown, has a wrong shape or is no number or `Status`, there is
                no such row, nothing is given, or the viewer is closed.
        """
        if self._server is None:
            raise InputError("the viewer is closed")
        if number is not None and not isinstance(number, (int, float, np.number)):
            raise InputError(f"number must be a number, got {number!r}")
        given = {**_fields(frame, row), **fields}
        kept: dict[str, Any] = {}
        for name, value in given.items():
            if name not in self._shapes:
                raise InputError(f"{name!r} is none of {', '.join(self._shapes)}")
            if value is not None:
                kept[name] = checked_rows(name, [value], self._shapes[name])[0]
        if not kept:
            raise InputError(f"nothing to show: none of {', '.join(self._shapes)} is given")
        with self._lock:
            version, shown, _ = self._newest
            self._newest = (version + 1, shown + 1 if number is None else number, kept)
        self._server.changed()

    def open(self) -> bool:
        """Open the page in this machine's browser; False where there is no display for one."""
        return open_browser(self.url)

    def close(self) -> None:
        """Stop serving. Closing twice is fine."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __repr__(self) -> str:
        return f"<Viewer {self.url}{'' if self._server else ' (closed)'}>"

    def _message(self) -> tuple[int, bytes]:
        version, number, fields = self._newest
        if version != self._made[0]:
            arrays = live_arrays(number, frame_state(self.scene, **fields))
            self._made = version, b"".join(array.tobytes() for array in arrays.values())
        return self._made


def live_arrays(number: int, state: FrameState) -> dict[str, NDArray[Any]]:
    """What a message holds, in order: wide numbers first, so that each lies where its size asks."""
    wide = {"poses": state.poses, "vertices": state.vertices, "lengths": state.lengths}
    narrow = {
        "visible": state.visible,
        "colours": state.colours,
        "hand_status": state.hand_status,
        "arm_status": state.arm_status,
    }
    return {
        "number": np.array([number], dtype="<f8"),
        **{name: np.asarray(array, dtype="<f4") for name, array in wide.items()},
        "error_mm": (1e3 * state.error_m).astype("<f4"),
        **{name: np.asarray(array, dtype=np.uint8) for name, array in narrow.items()},
    }


def layout(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Where the page finds each array in a message."""
    found, offset = {}, 0
    for name, array in arrays.items():
        found[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        offset += array.nbytes
    return found


def open_browser(url: str) -> bool:
    """Open a page in this machine's browser; False where there is no display for one."""
    linux = sys.platform.startswith("linux")
    if linux and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return False  # else a text browser may take over the terminal
    return webbrowser.open(url)


def _fields(frame: Any, row: int) -> dict[str, Any]:
    """The fields of one frame, from whatever holds it."""
    if not isinstance(frame, RoundTrip):
        if not hasattr(frame, "qpos"):
            return {"qpos": frame}
        return {name: getattr(frame, name, None) for name in _FROM_FRAME}
    if not isinstance(row, (int, np.integer)):
        raise InputError(f"row must be an integer, got {row!r}")
    if not -frame.demo.frames <= row < frame.demo.frames:
        raise InputError(f"row must be one of {frame.demo.frames} frames, got {row}", value=row)
    return trip_fields(frame, int(row))
