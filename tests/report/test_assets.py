"""The page has every file of its folder."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from detcost.report import page

#: What the page does not load: itself, and the types for the checker.
NOT_LOADED = {"page.html", "types.d.ts"}


def test_the_page_loads_every_asset():
    assets = Path(str(resources.files("detcost.report") / "assets"))
    files = {path.relative_to(assets).as_posix() for path in assets.rglob("*") if path.is_file()}
    assert files - NOT_LOADED == {*page.PROGRAM, page.START, *page.STYLE}
