"""Gathers the pages of the documentation site in a folder, for MkDocs to build from.

The repository's pages keep their paths and texts, so that links between them stay as they are; the
README is the front page. Notebooks become pages, and so does each file that a page links to. The
pages of the API and of the commands are generated.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import griffe
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/site.css",
    "examples/README.md",
    "notebooks/*.ipynb",
    "mano_models/README.md",
    "robots/*/SOURCES.md",
)
AS_THEY_ARE = (".png", ".svg", ".css")
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
FORMULA = re.compile(r"(?<!\$)(\${1,2})(?!\$)(.+?)\1(?!\$)", re.DOTALL)
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".sh": "sh"}


def of_notebook(path: Path) -> str:
    """A notebook as Markdown: its cells one after the other, without outputs."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"]).strip()
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{text}\n```" if code else FORMULA.sub(_mathml, text))
    title, _, rest = "\n\n".join(parts).partition("\n")
    name = path.relative_to(ROOT)
    return f"{title}\n\n*Run it for its pictures and figures: `jupyter lab {name}`.*\n{rest}\n"


def _mathml(formula: re.Match[str]) -> str:
    """A formula as browsers draw it themselves, without a script."""
    block = formula[1] == "$$"
    math = convert(formula[2].strip(), display="block" if block else "inline")
    # in a span, since a line that begins with <math> would be a block
    return f"\n\n<div>{math}</div>\n\n" if block else f"<span>{math}</span>"


def of_file(path: Path) -> str:
    """A file of code or data as a page that shows it."""
    language = LANGUAGES.get(path.suffix, "text")
    text = path.read_text("utf-8").rstrip()
    return f"# {path.relative_to(ROOT)}\n\n````{language}\n{text}\n````\n"


def gather() -> dict[str, str | Path]:
    """Every page and picture of the repository that the site holds, by its path in it."""
    found: dict[str, str | Path] = {}
    wanted = [str(path.relative_to(ROOT)) for glob in PAGES for path in sorted(ROOT.glob(glob))]
    while wanted:
        name = wanted.pop()
        path = ROOT / name
        if path.suffix in AS_THEY_ARE:
            found[name] = path
            continue
        place = name if path.suffix == ".md" else f"{name}.md"
        if place in found or not path.is_file():
            continue  # MkDocs says which link leads nowhere
        text = of_notebook(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
        if path.suffix in (".md", ".ipynb"):
            text, targets = _links(text, posixpath.dirname(name))
            wanted += targets
        else:
            text = of_file(path)
        found[place] = text
    return found


def _links(text: str, folder: str) -> tuple[str, list[str]]:
    """The text with links to files turned into links to their pages; and what it links to."""
    targets = []

    def turn(link: re.Match[str]) -> str:
        opened, to, anchor, closed = link.groups(default="")
        target = posixpath.normpath(posixpath.join(folder, to))
        targets.append(target)
        shown = (ROOT / target).is_file() and not target.endswith((".md", *AS_THEY_ARE))
        return f"{opened}{to}{'.md' if shown else ''}{anchor}{closed}"

    return LINK.sub(turn, text), targets


def api() -> dict[str, str]:
    """A page of the public names, and one a package with what its modules hold."""
    root = griffe.load("retarget", search_paths=[ROOT])
    packages = sorted(name for name, member in root.modules.items() if member.is_init_module)
    packages.remove("cli")  # which has the page of the commands
    rows = [
        "# API",
        "",
        "These names are public: `from retarget import ArmIK`.",
        "",
        "| name | |",
        "|---|---|",
    ]
    for name in sorted(root.exports or ()):
        target = root[str(name)].final_target
        rows.append(f"| [`{name}`][{target.canonical_path}] | {_contract(target)} |")
    rows += ["", "The packages, and what else they hold:", "", "| package | |", "|---|---|"]
    pages = {}
    for name in packages:
        package = root.modules[name]
        contract = re.sub(r"docs/(\w+\.md)", r"[docs/\1](../docs/\1)", _contract(package))
        rows.append(f"| [retarget.{name}]({name}.md) | {contract} |")
        # a search is to find the pages that explain before those that list
        lines = ["---", "search: {boost: 0.5}", "---", f"# retarget.{name}", "", contract, ""]
        for module in _modules(package):
            lines += [f"::: {module.canonical_path}", ""]
        pages[f"api/{name}.md"] = "\n".join(lines)
    return {"api/README.md": "\n".join(rows) + "\n", **pages}


def _modules(package: griffe.Object) -> list[griffe.Object]:
    """The modules of a package and of the packages in it, private ones left out."""
    found = []
    for name, module in sorted(package.modules.items()):
        if module.is_init_module:
            found += _modules(module)
        elif not name.startswith("_"):
            found.append(module)
    return found


def _contract(item: griffe.Object | griffe.Alias) -> str:
    """The first sentence of what an object's docstring says."""
    text = item.docstring.value if item.docstring else ""
    return " ".join(text.split("\n\n")[0].split())


def commands() -> str:
    """The page of the command line: what every ``--help`` says."""
    program = [sys.executable, "-m", "typer", "retarget.cli.main", "utils", "docs"]
    text = subprocess.check_output([*program, "--name", "retarget"], cwd=ROOT, text=True)
    text = text.replace("# `retarget`", "# Commands", 1)
    text = text.replace("\b", "")  # click's mark of what is not to be wrapped
    # examples are indented lines below a word and a colon
    return re.sub(r"^([A-Z][\w ]+:)\n((?:  .+\n)+)", _fenced, text, flags=re.MULTILINE)


def _fenced(found: re.Match[str]) -> str:
    lines = "".join(line[2:] for line in found[2].splitlines(keepends=True))
    return f"{found[1]}\n\n```console\n{lines}```\n"


def write(folder: Path) -> None:
    """Write all pages below a folder, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, page in {**gather(), **api(), "commands.md": commands()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(page, Path):
            shutil.copyfile(page, path)
        else:
            path.write_text(page, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
