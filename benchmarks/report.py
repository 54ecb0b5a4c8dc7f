"""Collects tables and figures, prints them once, writes RESULTS.md, and holds the bounds."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.bounds import BOUNDS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
_LIBRARIES = (
    "retarget", "numpy", "scipy", "pin", "torch", "smplx", "dex_retargeting", "pin-pink", "mink",
    "mujoco", "daqp", "proxsuite", "qpsolvers", "nlopt", "h5py",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One table: rows of cells as text, and what must be known to read it."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""


@dataclass
class Report:
    """What a run found out.

    Attributes:
        sections: the tables in order.
        figures: measured figures by the names that `BOUNDS` uses.
        notes: what disturbed the run or was left out.
    """

    sections: list[Section] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
    ) -> None:
        """Add a table."""
        self.sections.append(Section(title, tuple(columns), [tuple(r) for r in rows], caption))

    def shortfalls(self) -> list[str]:
        """One line for each bound that is not held, or was not measured."""
        lines = []
        for bound in BOUNDS:
            value = self.figures.get(bound.metric)
            if value is None:
                lines.append(f"{bound.meaning}: not measured, wanted {bound.wanted}")
            elif not bound.holds(value):
                got = f"{value:,.6g}{bound.unit}"
                lines.append(f"{bound.meaning}: {got}, wanted {bound.wanted}")
        return lines

    def add_bounds(self) -> None:
        """Add the table of bounds."""
        rows = []
        for bound in BOUNDS:
            value = self.figures.get(bound.metric)
            got = "not measured" if value is None else f"{value:,.4g}{bound.unit}"
            held = value is not None and bound.holds(value)
            rows.append((bound.meaning, got, bound.wanted, "holds" if held else "falls short"))
        self.table("Bounds", ("figure", "measured", "wanted", ""), rows)

    def show(self) -> None:
        """Print the tables."""
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 150
        for line in machine():
            console.print(line, markup=False)
        for section in self.sections:
            table = Table(
                *section.columns,
                title=section.title,
                caption=section.caption or None,
                box=box.SIMPLE_HEAD,
                title_justify="left",
                caption_justify="left",
            )
            for column in table.columns[1:]:
                column.justify = "right"
            for row in section.rows:
                table.add_row(*row)
            console.print(table)
        for note in self.notes:
            console.print(f"- {note}", markup=False)

    def write(self, path: Path = RESULTS) -> None:
        """Write the same as Markdown."""
        lines = ["# Benchmark results", "", "Written by `make bench`.", ""]
        lines += [f"- {line}" for line in (*machine(), *self.notes)]
        for section in self.sections:
            lines += ["", f"## {section.title}", ""]
            lines.append("| " + " | ".join(section.columns) + " |")
            lines.append("|---|" + "---:|" * (len(section.columns) - 1))
            lines += ["| " + " | ".join(row) + " |" for row in section.rows]
            if section.caption:
                lines += ["", section.caption]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> list[str]:
    """The machine and the versions of everything that was measured."""
    lines = [
        f"{_cpu()}, {os.cpu_count()} cores, {_memory()} memory, {platform.platform(terse=True)}",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {v}" for name in _LIBRARIES if (v := _version(name))),
        f"{datetime.date.today().isoformat()}, commit {_commit()}",
    ]
    try:
        from retarget import build_info
    except ImportError:
        return lines
    return [*lines, "native core: " + ", ".join(f"{k} {v}" for k, v in build_info().items())]


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    def git(*arguments: str) -> str:
        run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return run.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
