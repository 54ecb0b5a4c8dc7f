"""The document: one file with its styles, scripts and data inside, that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from retarget.replay.people_to_demo import PeopleReplay
from retarget.replay.report_html import tables
from retarget.replay.report_html.plots import Plot

if TYPE_CHECKING:
    from retarget.replay.replay import Judged

# nothing is loaded from anywhere; scripts and styles are those written here
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


@dataclass(frozen=True)
class Section:
    """One demonstration's part of the document.

    Attributes:
        replay: its figures.
        plots: its plots as `plots_html` writes them, "" where there are none.
        view: the HTML of its 3D playback, "" where there is none.
        worst_frame: the frame to show first.
        notes: what should be known about the section, a sentence each.
    """

    replay: Judged
    plots: str = ""
    view: str = ""
    worst_frame: int = 0
    notes: tuple[str, ...] = ()


def document(
    sections: Sequence[Section],
    refused: Sequence[tuple[str, str]],
    settings: Sequence[tuple[str, str]],
    *,
    folder: str = "",
    view_head: str = "",
    title: str = "Replay",
    about: str = "Robot motion written as human hand motion and turned back, and what that lost.",
) -> str:
    """The whole page.

    Args:
        sections: the worst demonstration first.
        refused: path and message of files that could not be replayed.
        settings: terms and what they were in this run.
        folder: what names in the summary are relative to, or "".
        view_head: what the 3D playback needs in the head, "" where there is none.
        title: what the document is of.
        about: that in a sentence.
    """
    several = len(sections) != 1 or bool(refused)
    names = [tables.shown_name(section.replay.path, folder) for section in sections]
    head = f"{title} report" if several else f"{title} of {names[0]}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(head)}</title>",
        f"<style>{_part('report.css')}</style>",
        view_head,
        "</head><body>",
        f"<header><h1>{escape(title)} report</h1><p>{escape(about)}</p></header><main>",
    ]
    if several:
        parts.append(_summary(sections, refused, folder))
    for demo, (section, name) in enumerate(zip(sections, names, strict=True)):
        parts.append(_section(section, name, demo, hidden=demo > 0))
    parts += [
        '<section class="settings"><h2>How it was made</h2>',
        tables.definitions(settings),
        "</section></main>",
        "<noscript><p>Plots and playback need JavaScript; tables do not.</p></noscript>",
        f"<script>{_plotly()}</script>" if any(section.plots for section in sections) else "",
        f"<script>{_part('report.js')}</script>",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def plots_html(plots: Iterable[Plot]) -> str:
    """Figures with headings and captions, and their data for the script that draws them."""
    plots = list(plots)
    shown = "".join(
        f'<figure id="@-{plot.name}" class="plot"><h3>{escape(plot.title)}</h3>'
        f'<div class="canvas" role="img" aria-label="{escape(plot.title)}. '
        f'{escape(plot.summary)}" style="height:{plot.figure["layout"]["height"]}px"></div>'
        f"<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in plots
    )
    data = {plot.name: plot.figure for plot in plots}
    hint = (
        '<p class="hint">Click a plot to go to that frame; drag to zoom into all of them, '
        "double-click to zoom out.</p>"
    )
    return f'{hint}{shown}<script type="application/json" class="data">{_json(data)}</script>'


def _summary(sections: Sequence[Section], refused: Sequence[tuple[str, str]], folder: str) -> str:
    replays = [section.replay for section in sections]
    valid = sum(replay.passed for replay in replays)
    counts = (
        f"{len(replays) + len(refused)} demonstrations: {valid} valid, "
        f"{len(replays) - valid} not valid, {len(refused)} bad input"
    )
    place = f"<p>{escape(folder)}</p>" if folder else ""
    return (
        f'<section class="summary"><h2>Summary</h2>{place}<p class="counts">{counts}</p>'
        '<div class="wide" tabindex="0" role="region" aria-label="Summary">'
        f"{tables.summary_table(replays, refused, folder)}</div></section>"
    )


def _section(section: Section, name: str, demo: int, *, hidden: bool) -> str:
    replay = section.replay
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in section.notes)
    view = ""
    if section.view:
        view = (
            f'<aside aria-label="3D playback"><div class="view"></div>'
            f'<template class="player">{section.view}</template></aside>'
        )
    people = tables.pinch_tables(replay) if isinstance(replay, PeopleReplay) else ""
    plots = section.plots.replace('id="@-', f'id="demo-{demo}-')
    return (
        f'<article id="demo-{demo}" data-demo="{demo}" data-frames="{replay.frames}" '
        f'data-rate="{replay.rate!r}" data-worst="{section.worst_frame}"'
        f"{' class=later' if hidden else ''}>"
        f"<h2>{escape(name)}</h2>"
        f'<div class="columns{"" if view else " alone"}"><div class="figures">'
        f"{tables.verdict(replay, demo)}{tables.facts(replay)}{notes}"
        f'<p class="now" role="status" aria-live="off"></p>'
        f'<div class="tables">{people}{tables.error_tables(replay, demo)}'
        f"{tables.motion_table(replay, demo)}</div></div>"
        f'{view}<div class="plots">{plots}</div></div></article>'
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    text = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


def _json(value: Any) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
