"""The documentation site builds strictly, links to what is there, loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from places import ROOT

import retarget

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


@pytest.fixture(autouse=True)
def _builder() -> None:
    """Skips where the site's builder is not installed, but not in CI."""
    if not all(map(importlib.util.find_spec, ("mkdocs", "mkdocstrings", "latex2mathml"))):
        if os.environ.get("CI"):
            pytest.fail("CI must build the site")
        pytest.skip("needs pip install '.[docs]'")


def build(pages: Path, site: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """MkDocs, with warnings as errors."""
    program = [sys.executable, "-m", "mkdocs", "build", "-f", str(config), "-d", str(site)]
    env = {**os.environ, "SITE_PAGES": str(pages), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(program, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    program = [sys.executable, "tools/site_pages.py", str(folder / "pages")]
    subprocess.run(program, cwd=ROOT, check=True)
    done = build(folder / "pages", folder / "site", ROOT / "mkdocs.yml")
    assert done.returncode == 0, done.stderr
    return folder / "site"


class Page(HTMLParser):
    """Of a page: what it loads, what it links to, its anchors and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if to := given.get(LOADED.get(tag, "")):
            self.loads.append(to)
        if tag == "a" and (to := given.get("href")):
            self.links.append(to)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_pages_link_to_what_is_there_and_load_nothing_from_elsewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 30
    for path, page in pages.items():
        assert "\x08" not in page.words
        if path.name == "404.html":
            continue  # at any depth, so its links begin with a slash
        for to in page.loads + page.links:
            to, anchor = urldefrag(unquote(to))
            if re.match(r"https?:", to):
                assert to not in page.loads, (path, to)
                continue
            target = (path.parent / to).resolve() if to else path
            assert target.is_file(), (path, to)
            if anchor and target in pages and not anchor.startswith("__"):
                assert anchor in pages[target].anchors, (path, to, anchor)
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text("utf-8"))


def test_what_the_site_holds(site: Path) -> None:
    front = Page(site / "index.html")
    for heading in re.findall(r"^## (.+)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE):
        assert heading in front.words
    api = Page(site / "api" / "index.html")
    for name in retarget.__all__:
        assert any(link.endswith(f".{name}") for link in api.links), name
    for package in (ROOT / "retarget").glob("*/__init__.py"):
        name = package.parent.name
        assert (site / "api" / f"{name}.html").is_file() or name == "cli"
    commands = Page(site / "commands.html").words
    assert "retarget replay demo.hdf5" in commands
    assert "--hand-velocity" in commands
    assert (site / "examples" / "01_replay_a_demo.py.html").is_file()
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    assert any("ChunkEnsembler" in page["text"] for page in index["docs"])


def test_a_browser_asks_for_nothing_from_elsewhere(site: Path, browser: Any) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index.html", "api/mapping.html", "notebooks/02_fit_a_hand.ipynb.html"):
        page.goto((site / name).as_uri(), wait_until="load")
        assert page.evaluate("document.querySelector('h1').offsetHeight") > 10
    page.close()
    assert len(asked) > 6
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_broken_pages_fail(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text(
        "# A\n\n[gone](gone.md) [nowhere](more.md#nowhere) [`None`][retarget.no.such]\n"
    )
    (pages / "more.md").write_text("# More\n")
    (pages / "left_out.md").write_text("# Left out\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\nnav: [index.md, more.md, absent.md]\n")
    done = build(pages, tmp_path / "site", config)
    assert done.returncode != 0
    for fault in ("gone.md", "#nowhere", "retarget.no.such", "left_out.md", "absent.md"):
        assert fault in done.stderr
