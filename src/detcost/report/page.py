"""The page: one HTML file with its style, its program and its first data."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from detcost.atomic_file import replacing
from detcost.report import jsonp

NAME = "index.html"
#: Each file uses only the ones before it while it loads.
PROGRAM = (
    *("core/store.js", "core/format.js", "core/dom.js", "core/url-state.js"),
    *("question/decision.js", "question/question-form.js"),
    *("table/charts.js", "table/followed.js"),
    *("answer/commands.js", "answer/answer.js", "answer/near-misses.js", "answer/operations.js"),
    *("table/columns.js", "table/table.js", "table/details.js", "table/download.js"),
    *("machines/runs-and-machines.js", "machines/side-by-side.js", "machines/agreement.js"),
    *("machines/fleet.js",),
    *("machines/machine-card.js", "machines/claims.js"),
)
START = "core/main.js"
STYLE = tuple(f"styles/{name}.css" for name in ("base", "question", "table", "charts", "media"))


def write(out: Path, index: bytes, first: Path) -> Path:
    """Write the page into a folder and return its file.

    The content security policy allows its own program, by the hash of its bytes, and files
    beside the page. The page can load nothing from elsewhere.

    Parameters
    ----------
    out
        The folder.
    index
        The data that the page starts with, as JSON.
    first
        The data file of the machine that the page shows first.
    """
    data = [jsonp.call("index", index).decode(), first.read_text(encoding="utf-8")]
    program = "\n".join([*map(_asset, PROGRAM), *data, _asset(START)])
    style = "\n".join(map(_asset, STYLE))
    html = _asset("page.html")
    for mark, text in (
        ("{{program hash}}", _hash(program)),
        ("{{style hash}}", _hash(style)),
        ("{{style}}", style),
        ("{{program}}", program),
    ):
        html = html.replace(mark, text, 1)
    path = out / NAME
    with replacing(path) as file:
        file.write(html.encode())
    return path


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the name of a text in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
