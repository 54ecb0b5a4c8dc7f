"""Brings the notebooks to the form they are stored in: no outputs, no run counts, sorted JSON.

Run it as ``python notebooks/clean.py`` before a commit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cleaned(text: str) -> str:
    """A notebook's JSON without what running it leaves: the same for the same cells."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def main() -> int:
    """Clean every notebook beside this file; 1 where one had to be changed."""
    changed = 0
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        after = cleaned(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"cleaned {path.name}")
            changed = 1
    return changed


if __name__ == "__main__":
    sys.exit(main())
