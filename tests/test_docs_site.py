"""The documentation's site builds without a warning, links to nothing missing and loads nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import detcost

ROOT = Path(__file__).parents[1]
LOADING = {"img", "link", "script", "source", "iframe", "video", "audio", "object", "embed"}


class Page(HTMLParser):
    """The anchors of a page, what it links to and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src", "data", "srcset") and value:
                (self.loads if tag in LOADING else self.links).append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it, made where TensorFlow cannot be imported."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "tensorflow.py").write_text("raise ImportError('not for documents')")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    words = ["-q", "-W", "--keep-going", "-c", "docs", "-d"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, folder / "doctrees", ".", folder / "site"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every page by its path in the site."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_every_document_has_a_page(pages: dict[str, Page]):
    documents = [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
    ]
    assert {"index.html", *(name.replace(".md", ".html") for name in documents)} <= set(pages)


def test_every_link_inside_the_site_leads_somewhere(site: Path, pages: dict[str, Page]):
    links = [(name, link) for name, page in pages.items() for link in (*page.links, *page.loads)]
    inside = [(name, link) for name, link in links if not urlsplit(link).scheme]
    assert len(inside) > 100
    dangling = []
    for name, link in inside:
        target = urlsplit(urljoin(name, link) if link[0] != "#" else name + link)
        file = unquote(target.path)
        there = (site / file).is_file()
        anchor = unquote(target.fragment)
        if not there or (anchor and file in pages and anchor not in pages[file].anchors):
            dangling.append((name, link))
    assert dangling == []


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[str, Page]):
    loads = [(name, link) for name, page in pages.items() for link in page.loads]
    assert [(name, link) for name, link in loads if urlsplit(link).netloc] == []
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert styles
    assert not [text for text in styles if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text)]


def test_the_reference_has_every_public_name(pages: dict[str, Page]):
    anchors = pages["docs/reference.html"].anchors
    assert {f"detcost.{name}" for name in detcost.__all__} <= anchors
    assert "detcost.scenarios.bench.Bench.normal" in anchors
