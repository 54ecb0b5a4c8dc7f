"""Collects tables and figures, prints them, writes Markdown and JSON, and holds the bounds."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.bounds import BOUNDS, Bound
from retarget import build_info

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
_LIBRARIES = (
    "retarget", "numpy", "scipy", "pin", "torch", "smplx", "dex_retargeting", "pin-pink", "mink",
    "mujoco", "daqp", "proxsuite", "qpsolvers", "nlopt", "h5py",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One table: rows of values, how each column is written, and what must be known to read it.

    Attributes:
        title: of the table.
        columns: format of each column by its name; a tuple fills a format with several fields.
        rows: values; None is written "-".
        caption: what must be known to read it.
    """

    title: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    def text(self) -> list[list[str]]:
        """The rows as they are printed."""
        return [
            [
                "-" if value is None else form.format(*(value if type(value) is tuple else [value]))
                for value, form in zip(row, self.columns.values(), strict=True)
            ]
            for row in self.rows
        ]


@dataclass
class Report:
    """What a run found out.

    Attributes:
        parts: names of what was measured; only their bounds are looked at.
        sections: the tables in order.
        figures: measured figures by the names that `BOUNDS` uses.
        facts: what the run was made with, by name: seed, targets, seconds.
        notes: what disturbed the run or was left out.
    """

    parts: Sequence[str]
    sections: list[Section] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def table(
        self,
        title: str,
        columns: Mapping[str, str],
        rows: Sequence[Sequence[Any]],
        caption: str = "",
    ) -> None:
        """Add a table."""
        self.sections.append(Section(title, columns, rows, caption))

    @property
    def bounds(self) -> list[tuple[Bound, float]]:
        """The bounds of the parts measured, each with its figure; NaN where there is none."""
        chosen = [bound for part in self.parts for bound in BOUNDS.get(part, ())]
        return [(bound, self.figures.get(bound.metric, math.nan)) for bound in chosen]

    def shortfalls(self) -> list[str]:
        """One line for each bound that is not held, or was not measured."""
        return [
            f"{bound.meaning}: {bound.text(value)}, wanted {bound.wanted}"
            for bound, value in self.bounds
            if not bound.holds(value)
        ]

    def add_bounds(self) -> None:
        """Add the table of bounds."""
        rows = [
            (b.meaning, b.text(value), b.wanted, "holds" if b.holds(value) else "falls short")
            for b, value in self.bounds
        ]
        if rows:
            self.table("Bounds", dict.fromkeys(("figure", "measured", "wanted", ""), "{}"), rows)

    def show(self) -> None:
        """Print the tables."""
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 150
        for line in self._head():
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
            for row in section.text():
                table.add_row(*row)
            console.print(table)

    def write(self, path: Path = RESULTS) -> None:
        """Write the same as Markdown."""
        lines = ["# Benchmark results", "", "Written by `make bench`.", ""]
        lines += [f"- {line}" for line in self._head()]
        for section in self.sections:
            lines += ["", f"## {section.title}", ""]
            lines.append("| " + " | ".join(section.columns) + " |")
            lines.append("|---|" + "---:|" * (len(section.columns) - 1))
            lines += ["| " + " | ".join(row) + " |" for row in section.text()]
            if section.caption:
                lines += ["", section.caption]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_json(self, path: Path) -> None:
        """Write every number in full, with the machine, versions and seed; not a number is null."""
        tables = [
            {
                "title": section.title,
                "caption": section.caption,
                "rows": [dict(zip(section.columns, row, strict=True)) for row in section.rows],
            }
            for section in self.sections
            if section.title != "Bounds"
        ]
        bounds = [
            {
                "figure": bound.metric,
                "meaning": bound.meaning,
                "measured": value,
                "least": bound.least,
                "most": bound.most,
                "unit": bound.unit.strip(),
                "holds": bound.holds(value),
            }
            for bound, value in self.bounds
        ]
        whole = {
            "machine": machine(),
            "native": build_info(),
            "versions": versions(),
            "date": datetime.date.today().isoformat(),
            "commit": commit(),
            **self.facts,
            "parts": self.parts,
            "notes": self.notes,
            "figures": self.figures,
            "bounds": bounds,
            "tables": tables,
        }
        text = json.dumps(_plain(whole), indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")

    def _head(self) -> list[str]:
        """Machine, versions, and what else must be known of the run."""
        here = machine()
        return [
            f"{here['processor']}, {here['cores']} cores, {here['memory_bytes'] / 2**30:.0f} GiB "
            f"memory, {here['platform']}",
            ", ".join(f"{name} {version}" for name, version in versions().items()),
            f"{datetime.date.today().isoformat()}, commit {commit()}",
            "native core: " + ", ".join(f"{k} {v}" for k, v in build_info().items()),
            *(f"{name}: {value}" for name, value in self.facts.items()),
            *self.notes,
        ]


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers of numpy as Python's own, what is not finite as None."""
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    return float(value) if math.isfinite(value) else None


def machine() -> dict[str, Any]:
    """The machine."""
    return {
        "processor": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "platform": platform.platform(terse=True),
    }


def versions() -> dict[str, str]:
    """Versions of everything that is measured; what is not installed is left out."""
    found = {"Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit that is measured."""

    def git(*arguments: str) -> str:
        run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return run.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
