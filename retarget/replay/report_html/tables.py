"""The report's verdict and tables as HTML; every name and number is escaped here."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from retarget.core.text import angle_text, length_text
from retarget.core.types import SIDES
from retarget.replay.metrics import METRICS, REACHED, worst_frame_text
from retarget.replay.people_summary import HAND_ROWS, PINCH_CAPTION, PINCH_COLUMNS, pinch_rows
from retarget.replay.people_to_demo import PeopleReplay
from retarget.replay.replay import Replay
from retarget.replay.summary import COLUMNS, MOTION, figure_known, larger
from retarget.replay.verdict import self_check_text

if TYPE_CHECKING:
    from retarget.replay.metrics import Metric
    from retarget.replay.replay import Judged
    from retarget.replay.summary import Cell

_STATS = ("mean", "p50", "p99", "max")
_FRAMES = re.compile(r"\bframes?:? \d[\d, -]*")
_RUN = re.compile(r"(\d+)(?:-\d+)?")


def verdict(replay: Judged, demo: int) -> str:
    """VALID, or NOT VALID and why, and what is worth saying; frames are links."""
    reasons = "".join(f"<li>{_linked(reason.text, demo)}</li>" for reason in replay.reasons)
    said = f"<ul>{reasons}</ul>" if reasons else "<p>Every rule of the verdict is kept.</p>"
    notes = "".join(f"<li>{_linked(note, demo)}</li>" for note in replay.notes)
    said += f'<ul class="notes">{notes}</ul>' if notes else ""
    wrist = larger(*(side.reached_wrist_position_error_m.max for side in replay.sides))
    if isinstance(replay, PeopleReplay):
        mean = larger(*(side.direction_error_rad.p50 for side in replay.sides))
        hands = f"fingers point {angle_text(mean)} off (median)"
    else:
        mean = larger(*(side.fingertip_error_m.mean for side in replay.sides))
        hands = f"fingertips come back {length_text(mean)} off on average"
    return (
        f'<div class="verdict {"good" if replay.passed else "bad"}">'
        f"<p>{stamp(replay.passed)} <span>{escape(hands)}, wrists within reach "
        f"{escape(length_text(wrist))} at most</span></p>{said}</div>"
    )


def stamp(passed: bool) -> str:
    """The verdict in a word, a sign and a colour."""
    return (
        '<strong class="stamp good">✓ VALID</strong>'
        if passed
        else '<strong class="stamp bad">✗ NOT VALID</strong>'
    )


def facts(replay: Judged) -> str:
    """How long the recording is, and how the file agrees with itself."""
    tone, said = "", ""
    if isinstance(replay, PeopleReplay):
        said = f"wrists placed by {replay.align!r}"
    elif isinstance(replay, Replay):
        tone = "" if replay.check.ok else ' class="warning"'
        said = self_check_text(replay.check)
    return (
        f"<p>{replay.frames} frames, {replay.seconds:.3g} s at {replay.rate:.3g} Hz; "
        f"<span{tone}>{escape(said)}</span></p>"
    )


def error_tables(replay: Judged, demo: int) -> str:
    """A table of the hands' errors and one of the arms'."""
    known = [metric for metric in METRICS.values() if metric.key in replay.sides[0].errors]
    hands = [(m.title, m.key, m) for m in known if m.of != "arm"]
    missed = any(side.unreachable.frames for side in replay.sides)
    arms = []
    for metric in known:
        if metric.of == "arm":
            arms.append((metric.title, metric.key, metric))
            if missed:
                arms.append((f"{metric.title}, reached", REACHED + metric.key, metric))
    return _errors(replay, demo, "Hands", hands) + _errors(replay, demo, "Arms", arms)


def _errors(
    replay: Judged, demo: int, caption: str, rows: Sequence[tuple[str, str, Metric]]
) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in (*_STATS, "worst frame"))
    lines = []
    for title, name, metric in rows:
        first = (
            f'<th scope="rowgroup" rowspan="{len(SIDES)}" title="{escape(metric.formula)}">'
            f"{escape(title)}</th>"
        )
        for h, side in enumerate(SIDES):
            stats = replay.sides[h].errors[name]
            cells = "".join(
                f"<td>{_number(getattr(stats, key), metric.text, f'{side}.{name}.{key}')}</td>"
                for key in _STATS
            )
            shown = worst_frame_text(stats)
            worst = frame_link(demo, stats.worst_frame) if shown != "-" else "-"
            key = f'data-key="{side}.{name}.worst_frame"'
            lines.append(
                f'<tr>{first if h == 0 else ""}<th scope="row">{side}</th>{cells}'
                f"<td {key}>{worst}</td></tr>"
            )
    return (
        f'<table class="errors"><caption>{caption}: what is lost</caption>'
        f'<thead><tr><th scope="col">difference</th><th scope="col">side</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def motion_table(replay: Judged, demo: int) -> str:
    """Statuses, jumps, limits, velocity and jerk per side."""
    lines = []
    for title, name, cell in MOTION:
        if not any(figure_known(getattr(side, name)) for side in replay.sides):
            continue
        cells = []
        for side in replay.sides:
            value = getattr(side, name)
            text, bad = cell(value)
            tone = ' class="bad"' if bad else ""
            cells.append(f"<td{tone}>{escape(text)}{_where(value, demo)}</td>")
        indent = ' class="sub"' if title.startswith(" ") else ""
        lines.append(f'<tr><th scope="row"{indent}>{escape(title)}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{side}</th>' for side in SIDES)
    return (
        '<table class="motion"><caption>Motion</caption>'
        f'<thead><tr><th scope="col">what comes back</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def pinch_tables(replay: PeopleReplay) -> str:
    """What becomes of a person's pinches, and how the robot's hands move."""
    lines = []
    for finger, side, cells in pinch_rows(replay.hands):
        first = (
            f'<th scope="rowgroup" rowspan="{len(SIDES)}">thumb and {finger}</th>' if finger else ""
        )
        lines.append(f'<tr>{first}<th scope="row">{side}</th>{"".join(map(_cell, cells))}</tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in PINCH_COLUMNS)
    pinches = (
        f'<table class="errors"><caption>Pinches. {escape(PINCH_CAPTION)}</caption><thead><tr>'
        f'<th scope="col">tips</th><th scope="col">side</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
    rows = (
        f'<tr><th scope="row">{escape(title)}</th>'
        f"{''.join(_cell(cell(hand)) for hand in replay.hands)}</tr>"
        for title, cell in HAND_ROWS
    )
    sides = "".join(f'<th scope="col">{side}</th>' for side in SIDES)
    return (
        f'{pinches}<table class="motion"><caption>Hands</caption><thead><tr><th scope="col">what '
        f"the robot's hands do</th>{sides}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(cell: Cell) -> str:
    tone = ' class="bad"' if cell.bad else ""
    return f"<td{tone}>{escape(cell.text)}</td>"


def _where(value: Any, demo: int) -> str:
    """The frame of an extreme, or the first of those out of reach."""
    frame = getattr(value, "frame", -1)
    frames = getattr(value, "frames", ())
    if frames:
        frame = next(iter(frames))
    return f" <small>{frame_link(demo, frame, f'frame {frame}')}</small>" if frame >= 0 else ""


def summary_table(
    replays: Sequence[Judged], refused: Sequence[tuple[str, str]], folder: str
) -> str:
    """Many demonstrations, in the order given, after those that are bad input.

    Args:
        replays: those that were replayed; the first is demonstration 0 of the links.
        refused: path and message of those that could not be.
        folder: what their names are relative to, or "".
    """
    head = "".join(f'<th scope="col">{name}</th>' for name, _ in COLUMNS)
    lines = [
        f'<tr><th scope="row">{escape(shown_name(path, folder))}</th><td>'
        f'<strong class="stamp bad">! BAD INPUT</strong></td><td colspan="{len(COLUMNS)}" '
        f'class="message">{escape(message)}</td></tr>'
        for path, message in refused
    ]
    for demo, replay in enumerate(replays):
        cells = (cell(replay).text for _, cell in COLUMNS)
        lines.append(
            f'<tr data-row="{demo}"><th scope="row"><a href="#demo={demo}">'
            f"{escape(shown_name(replay.path, folder))}</a></th><td>{stamp(replay.passed)}</td>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    return (
        '<table class="summary"><caption>Demonstrations, the worst first</caption><thead><tr>'
        f'<th scope="col">demonstration</th><th scope="col">verdict</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def definitions(entries: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are."""
    rows = "".join(
        f"<div><dt>{escape(term)}</dt><dd>{escape(what)}</dd></div>" for term, what in entries
    )
    return f'<dl class="settings">{rows}</dl>'


def shown_name(path: Any, folder: str) -> str:
    """A path as the report calls it."""
    return os.path.relpath(path, folder) if folder else str(path)


def frame_link(demo: int, frame: int, text: str = "") -> str:
    """A link that takes plots and playback to a frame; its text is the frame unless given."""
    return (
        f'<a class="frame" href="#demo={demo}&amp;frame={frame}" data-demo="{demo}" '
        f'data-frame="{frame}">{escape(text or str(frame))}</a>'
    )


def _linked(reason: str, demo: int) -> str:
    """A reason whose frames are links: each run's first frame."""

    def linked(found: re.Match[str]) -> str:
        return _RUN.sub(lambda run: frame_link(demo, int(run[1]), run[0]), found[0])

    return _FRAMES.sub(linked, escape(reason))


def _number(value: float, text: Callable[[float], str], key: str) -> str:
    shown = escape(text(value))
    if not math.isfinite(value):
        return shown
    return f'<data value="{value!r}" data-key="{key}">{shown}</data>'
